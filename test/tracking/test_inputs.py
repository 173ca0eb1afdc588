"""What the network is fed with."""

from dataclasses import replace

import numpy as np
import pytest

from ckd_ros.frames import FramePair
from ckd_ros.geometry import crop_window
from ckd_ros.tracking import Registration, ThermalNormalizer
from ckd_ros.tracking.inputs import NetworkInputs, Placement
from ckd_ros.tracking.pair_geometry import PairGeometry

BOX = np.array([100.0, 80.0, 40.0, 32.0])


@pytest.fixture
def pair(scene):
    return scene((120.0, 96.0))


@pytest.fixture
def pair_geometry(pair):
    return PairGeometry.of(pair, Registration())


@pytest.fixture
def inputs(engine, pair):
    thermal = ThermalNormalizer()
    thermal.update(pair.thermal)
    return NetworkInputs(engine.spec, thermal)


def test_every_input_of_the_model_is_there_in_its_shape(inputs, pair_geometry, engine, pair):
    inputs.cut_templates(pair, BOX, pair_geometry)
    arrays = inputs.for_window(pair.rgb, pair.thermal, crop_window(BOX, 4.0), pair_geometry)
    assert set(arrays) == {"template_rgb", "template_tir", "search_rgb", "search_tir", "template_box"}
    for name, value in arrays.items():
        assert value.shape == engine.spec.shape(name) and value.dtype == np.float32
        assert np.isfinite(value).all() and np.abs(value).max() > 0


@pytest.mark.parametrize(("modality", "image"), [("rgb", "rgb"), ("tir", "thermal")])
def test_a_modality_without_image_is_zero_in_template_and_search(inputs, pair_geometry, pair, modality, image):
    inputs.cut_templates(pair, BOX, pair_geometry)
    window = crop_window(BOX, 4.0)
    both = inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)
    before = {name: value.copy() for name, value in both.items()}
    seen = {"rgb": pair.rgb, "thermal": pair.thermal, image: None}
    alone = inputs.for_window(seen["rgb"], seen["thermal"], window, pair_geometry)
    for name, value in alone.items():
        expected = 0.0 if name.endswith(modality) else before[name]
        assert np.array_equal(value, np.broadcast_to(expected, value.shape))
    again = inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)
    assert all(np.array_equal(again[name], before[name]) for name in before)


def test_the_box_is_in_fractions_of_the_template_crop(inputs, pair_geometry, pair):
    inputs.cut_templates(pair, BOX, pair_geometry)
    arrays = inputs.for_window(pair.rgb, pair.thermal, crop_window(BOX, 4.0), pair_geometry)
    x, y, w, h = arrays["template_box"][0]
    side = np.ceil(np.sqrt(40 * 32) * 2)
    assert np.allclose([w, h], [40 / side, 32 / side]) and np.allclose([x + w / 2, y + h / 2], 0.5, atol=0.01)


def test_a_template_once_cut_stays(inputs, pair_geometry, pair, scene):
    inputs.cut_templates(FramePair(pair.rgb, None), BOX, pair_geometry)
    assert inputs.has_template("rgb") and not inputs.has_template("tir")
    window = crop_window(BOX, 4.0)
    first = inputs.for_window(pair.rgb, None, window, pair_geometry)["template_rgb"].copy()
    inputs.cut_templates(scene((200.0, 150.0)), BOX + [80, 54, 0, 0], pair_geometry)
    arrays = inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)
    assert inputs.has_template("tir") and np.array_equal(arrays["template_rgb"], first)


def test_a_thermal_template_is_cut_once_more_where_the_shift_is_known_by_then(engine, pair_geometry, pair, scene):
    def inputs_with(shift):
        thermal = ThermalNormalizer()
        thermal.update(pair.thermal)
        inputs = NetworkInputs(engine.spec, thermal)
        inputs.thermal_shift = np.array(shift)
        inputs.cut_templates(pair, BOX, pair_geometry)
        return inputs

    def template(inputs):
        return inputs.for_window(None, pair.thermal, crop_window(BOX, 4.0), pair_geometry)["template_tir"].copy()

    shift = np.array([4.0, -2.0])
    right, late, nearly = inputs_with(shift), inputs_with([0.0, 0.0]), inputs_with(shift + 0.5)
    wrong, near = template(late), template(nearly)
    for inputs in (right, late, nearly):
        inputs.recut_thermal(shift / np.sqrt(40 * 32))
    assert np.array_equal(template(late), template(right)) and not np.array_equal(wrong, template(right))
    assert np.array_equal(template(nearly), near), "half a pixel is not worth it"
    late.keep_thermal()
    late.recut_thermal(np.zeros(2))
    assert np.array_equal(template(late), template(right))


def test_a_stretched_network_sees_the_box_as_a_square_and_the_mean_outside_of_the_image(engine, pair, pair_geometry):
    """Both templates lie half outside of the image: the whole left half of the window."""
    spec = replace(engine.spec, stretched=True, border=0.449, template_factor=2.0)
    thermal = ThermalNormalizer()
    thermal.update(pair.thermal)
    inputs, box = NetworkInputs(spec, thermal), np.array([-40.0, 60.0, 80.0, 32.0])
    inputs.cut_templates(pair, box, pair_geometry)
    window = crop_window(box, 4.0, stretched=True)
    arrays = inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)
    assert np.allclose(arrays["template_box"], [[0.25, 0.25, 0.5, 0.5]])
    mean, std = np.array(spec.normalisation.mean), np.array(spec.normalisation.std)
    border = ((0.449 - mean) / std)[:, None, None]
    for name in ("template_rgb", "template_tir", "search_rgb", "search_tir"):
        crop = arrays[name][0]
        outside, inside = np.split(crop, 2, axis=2)
        assert np.allclose(outside[..., :-1], border, atol=0.03), name
        assert np.ptp(inside) > 0.5, name


def test_the_weight_of_an_old_image_takes_contrast_from_its_search_crop_alone(inputs, pair_geometry, pair):
    inputs.cut_templates(pair, BOX, pair_geometry)
    window = crop_window(BOX, 4.0)
    new = {
        name: value.copy() for name, value in inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry).items()
    }
    inputs.placements = {"tir": Placement(np.zeros(2), 0.25)}
    old = inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)
    assert np.array_equal(old["search_tir"], np.float32(0.25) * new["search_tir"])
    assert all(np.array_equal(old[name], new[name]) for name in new if name != "search_tir")


def test_an_old_image_is_cut_where_the_target_was(inputs, pair_geometry, pair):
    inputs.cut_templates(pair, BOX, pair_geometry)
    window = crop_window(BOX + [8, 4, 0, 0], 4.0)
    before = inputs.for_window(pair.rgb, pair.thermal, crop_window(BOX, 4.0), pair_geometry)["search_tir"].copy()
    inputs.placements = {"tir": Placement(np.array([8.0, 4.0]), 1.0)}
    assert np.array_equal(inputs.for_window(pair.rgb, pair.thermal, window, pair_geometry)["search_tir"], before)


def test_patches_show_what_is_in_the_box_in_each_camera_that_shows_it(inputs, pair_geometry, pair):
    rgb, thermal = pair.rgb, pair.thermal
    box = np.array([40.0, 60.0, 24.0, 24.0])
    patches = inputs.patches(rgb, thermal, box, pair_geometry)
    np.testing.assert_allclose(patches["rgb"].transpose(1, 2, 0) * 255, rgb.data[60:84, 40:64], atol=0.6)
    assert patches["tir"].shape == (3, 24, 24) and 0 <= patches["tir"].min() < patches["tir"].max() <= 1
    assert set(inputs.patches(None, thermal, box, pair_geometry)) == {"tir"}
    assert set(inputs.patches(rgb, None, box, pair_geometry)) == {"rgb"}
