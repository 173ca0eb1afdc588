"""Thermal images of any range become steady grey values in [0, 1]."""

import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.tracking import ThermalConfig, ThermalNormalizer


def scene(low: float, high: float, dtype=np.uint16, seed: int = 0) -> Image:
    """A frame whose values are spread evenly over a range."""
    values = np.random.default_rng(seed).uniform(low, high, (256, 320))
    return Image(values.astype(dtype), "mono16" if dtype == np.uint16 else "mono8")


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(7000, 7800, np.uint16), (100, 60000, np.uint16), (30, 220, np.uint8)]
)
def test_percentiles_of_the_frame_become_black_and_white(low, high, dtype):
    image = scene(low, high, dtype)
    thermal = ThermalNormalizer()
    black, white = thermal.update(image)
    span = high - low
    assert abs(black - (low + 0.01 * span)) < 0.015 * span + 1 and abs(white - (high - 0.01 * span)) < 0.015 * span + 1
    grey = thermal.apply(image.data, image.encoding)
    assert grey.dtype == np.float32 and grey.min() == 0.0 and grey.max() == 1.0
    assert abs(grey.mean() - 0.5) < 0.02


def test_a_few_extreme_pixels_do_not_set_the_range():
    image = scene(7000, 7800)
    image.data[:4, :100] = 60000  # the sun
    image.data[10:14, :100] = 0  # dead pixels
    black, white = ThermalNormalizer().update(image)
    assert 6990 < black < 7100 and 7700 < white < 7810


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
def test_colour_encodings_are_taken_as_grey(encoding):
    grey = scene(20, 200, np.uint8).data
    image = Image(np.repeat(grey[..., None], 3 if "a" not in encoding else 4, axis=2), encoding)
    colour, mono = ThermalNormalizer(), ThermalNormalizer()
    assert colour.update(image) == mono.update(Image(grey, "mono8"))
    assert np.allclose(colour.apply(image.data, encoding), mono.apply(grey, "mono8"), atol=1e-6)


@pytest.mark.parametrize(("value", "dtype", "grey"), [(0, np.uint8, 0.0), (255, np.uint8, 1.0), (128, np.uint8, 0.5)])
@pytest.mark.parametrize("shape", [(1, 1), (40, 50)])
def test_constant_frames_have_a_grey_value(value, dtype, grey, shape):
    thermal = ThermalNormalizer()
    thermal.update(Image(np.full(shape, value, dtype), "mono8"))
    assert np.allclose(thermal.apply(np.full((4, 4), value, dtype), "mono8"), grey, atol=0.01)


@pytest.mark.parametrize(("value", "grey"), [(0, 0.0), (65535, 1.0), (7000, 0.5)])
def test_constant_radiometric_frames_have_a_grey_value(value, grey):
    thermal = ThermalNormalizer()
    thermal.update(Image(np.full((20, 30), value, np.uint16), "mono16"))
    assert np.allclose(thermal.apply(np.full((4, 4), value, np.uint16), "mono16"), grey, atol=0.01)


def test_noise_of_an_even_scene_is_not_blown_up():
    image = scene(7000, 7006)
    thermal = ThermalNormalizer(ThermalConfig(min_span=60.0))
    thermal.update(image)
    assert np.ptp(thermal.apply(image.data, "mono16")) < 0.11


def test_the_range_follows_slowly_so_that_the_target_does_not_flicker():
    thermal, target = ThermalNormalizer(), np.full((2, 2), 7400, np.uint16)
    greys = []
    for k in range(40):  # something warm enters and leaves the frame in turn
        thermal.update(scene(7000, 7800 if k % 2 else 8200, seed=k))
        greys.append(float(thermal.apply(target, "mono16")[0, 0]))
    assert np.ptp(greys[20:]) < 0.03  # 0.17 without smoothing
    assert np.abs(np.diff(greys)).max() < 0.03


def test_a_lasting_change_is_followed_in_the_end():
    thermal = ThermalNormalizer()
    thermal.update(scene(7000, 7800))
    for _ in range(60):
        black, white = thermal.update(scene(7200, 8000))
    assert abs(black - 7208) < 15 and abs(white - 7992) < 15


def test_a_jump_of_the_range_is_followed_at_once():
    """After a shutter event or a gain switch a slow mean would show black or white only."""
    thermal = ThermalNormalizer()
    for _ in range(10):
        thermal.update(scene(7000, 7800))
    black, white = thermal.update(scene(20000, 21000))
    assert abs(black - 20010) < 30 and abs(white - 20990) < 30


def test_a_blank_shutter_frame_costs_that_frame_alone():
    thermal = ThermalNormalizer()
    before = thermal.update(scene(7000, 7800))
    thermal.update(Image(np.full((256, 320), 7400, np.uint16), "mono16"))
    assert np.allclose(thermal.update(scene(7000, 7800)), before)


def test_a_stream_may_change_its_encoding():
    thermal = ThermalNormalizer()
    thermal.update(scene(7000, 7800))
    image = scene(10, 200, np.uint8)
    thermal.update(image)
    assert abs(thermal.apply(image.data, "mono8").mean() - 0.5) < 0.02


def test_apply_needs_a_frame_first():
    with pytest.raises(RuntimeError, match="update"):
        ThermalNormalizer().apply(np.zeros((2, 2), np.uint8), "mono8")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low_percentile": 60.0}, "low_percentile is 60.0: it must be a number from 0 to 49"),
        ({"smoothing": 1.0}, "smoothing is 1.0"),
        ({"min_span": float("nan")}, "min_span is nan"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ThermalConfig(**settings)
