"""What the network is fed with."""

import numpy as np
import pytest

from ckd_ros.frames import FramePair
from ckd_ros.geometry import crop_window
from ckd_ros.tracking import Registration, ThermalNormalizer
from ckd_ros.tracking.inputs import NetworkInputs
from ckd_ros.tracking.pair_geometry import PairGeometry

BOX = np.array([100.0, 80.0, 40.0, 32.0])


@pytest.fixture
def pair(scene):
    return scene((120.0, 96.0))


@pytest.fixture
def tensors(engine, pair):
    views, thermal = PairGeometry(Registration()), ThermalNormalizer()
    views.observe(pair)
    thermal.update(pair.thermal)
    return NetworkInputs(engine.spec, views, thermal)


def test_every_input_of_the_model_is_there_in_its_shape(tensors, engine, pair):
    tensors.cut_templates(pair, BOX)
    inputs = tensors.inputs(pair.rgb, pair.thermal, crop_window(BOX, 4.0))
    assert set(inputs) == {"template_rgb", "template_tir", "search_rgb", "search_tir", "template_box"}
    for name, value in inputs.items():
        assert value.shape == engine.spec.shape(name) and value.dtype == np.float32
        assert np.isfinite(value).all() and np.abs(value).max() > 0


@pytest.mark.parametrize(("modality", "image"), [("rgb", "rgb"), ("tir", "thermal")])
def test_a_modality_without_image_is_zero_in_template_and_search(tensors, pair, modality, image):
    tensors.cut_templates(pair, BOX)
    window = crop_window(BOX, 4.0)
    before = {name: value.copy() for name, value in tensors.inputs(pair.rgb, pair.thermal, window).items()}
    seen = {"rgb": pair.rgb, "thermal": pair.thermal, image: None}
    inputs = tensors.inputs(seen["rgb"], seen["thermal"], window)
    for name, value in inputs.items():
        expected = 0.0 if name.endswith(modality) else before[name]
        assert np.array_equal(value, np.broadcast_to(expected, value.shape))
    again = tensors.inputs(pair.rgb, pair.thermal, window)
    assert all(np.array_equal(again[name], before[name]) for name in before)


def test_the_box_is_in_fractions_of_the_template_crop(tensors, pair):
    tensors.cut_templates(pair, BOX)
    x, y, w, h = tensors.inputs(pair.rgb, pair.thermal, crop_window(BOX, 4.0))["template_box"][0]
    side = np.ceil(np.sqrt(40 * 32) * 2)
    assert np.allclose([w, h], [40 / side, 32 / side]) and np.allclose([x + w / 2, y + h / 2], 0.5, atol=0.01)


def test_a_template_once_cut_stays(tensors, pair, scene):
    tensors.cut_templates(FramePair(pair.rgb, None), BOX)
    assert tensors.has_template("rgb") and not tensors.has_template("tir")
    window = crop_window(BOX, 4.0)
    first = tensors.inputs(pair.rgb, None, window)["template_rgb"].copy()
    tensors.cut_templates(scene((200.0, 150.0)), BOX + [80, 54, 0, 0])
    inputs = tensors.inputs(pair.rgb, pair.thermal, window)
    assert tensors.has_template("tir") and np.array_equal(inputs["template_rgb"], first)
