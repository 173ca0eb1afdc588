"""Telemetry, two images in one and coarse counts are found in thermal images, and nowhere else."""

import re

import cv2
import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.tracking import ThermalNormalizer
from ckd_ros.tracking.thermal_content import cropped, thermal_faults

RNG = np.random.default_rng(0)


def warmth(height=120, width=160, noise=0.01):
    """A scene in [0, 1]: blobs before a slope, and the camera's noise."""
    y, x = np.mgrid[0:height, 0:width] / 40
    scene = np.sin(1.3 * x + 0.4) * np.cos(0.9 * y) / 4 + y * 10 / height / 4 + 0.3
    scene[height // 3 : height // 2, width // 4 : width // 3] += 0.3
    return np.clip(scene + RNG.normal(0, noise, scene.shape), 0, 1)


def radiometric(height=120, width=160, span=800):
    return (7000 + span * warmth(height, width)).astype(np.uint16)


def telemetry(rows, width, top=65535):
    """Serial numbers, temperatures, counters, and reserved words."""
    words = RNG.integers(0, top, (rows, width)).astype(np.uint16)
    words[:, width // 2 :] = 0
    return words


def faults(pixels, crop=(0, 0)):
    return thermal_faults(cropped(Image(pixels, "mono16" if pixels.dtype == np.uint16 else "mono8"), crop), crop)


@pytest.mark.parametrize("size", [(60, 80), (120, 160), (288, 384), (512, 640)])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("below", [False, True])
def test_telemetry_is_found_and_cropping_it_gives_the_range_back(size, rows, below):
    picture = radiometric(*size)
    parts = [picture, telemetry(rows, size[1])]
    pixels = np.concatenate(parts if below else parts[::-1])
    crop = (0, rows) if below else (rows, 0)
    message = faults(pixels)["rows"]
    assert f"the {'last' if below else 'first'} {rows} row(s)" in message and message.endswith(f"{list(crop)})")
    assert faults(pixels, crop) == {}
    range_of = [
        ThermalNormalizer().update(image)
        for image in (Image(picture, "mono16"), cropped(Image(pixels, "mono16"), crop))
    ]
    assert range_of[0] == range_of[1]


def test_telemetry_of_a_small_camera_takes_the_range():
    """Why it matters: the scene is left with a few percent of the grey values."""
    picture = Image(np.concatenate([radiometric(60, 80), telemetry(3, 80)]), "mono16")
    black, white = ThermalNormalizer().update(picture)
    assert 800 / (white - black) < 0.04
    black, white = ThermalNormalizer().update(cropped(picture, (0, 3)))
    assert 800 / (white - black) > 0.9


def test_rows_of_zeros_are_no_picture():
    assert "first 2 row(s)" in faults(np.concatenate([np.zeros((2, 160), np.uint16), radiometric()]))["rows"]


def test_a_remedy_counts_from_what_is_cropped_already():
    pixels = np.concatenate([telemetry(2, 160), radiometric(), telemetry(3, 160)])
    assert faults(pixels)["rows"].endswith("[2, 3])")
    assert faults(pixels, (2, 0))["rows"].endswith("[2, 3])")


@pytest.mark.parametrize("size", [(192, 256), (512, 640), (288, 384)])
def test_a_picture_above_raw_data(size):
    height, width = size
    picture = (255 * warmth(height, width)).astype(np.uint16)
    pixels = np.concatenate([picture, radiometric(height, width)])
    message = faults(pixels)["halves"]
    assert f"rows 0 to {height - 1} and rows {height} to {2 * height - 1}" in message
    assert f"[0, {height}] keeps the upper one, [{height}, 0] the lower" in message
    assert faults(pixels, (0, height)) == {} and faults(pixels, (height, 0)) == {}


def test_a_picture_above_raw_data_in_a_frame_of_yuv():
    """As USB cameras send it: 16-bit counts in the bytes of luma and chroma."""
    height, width = 192, 256
    picture = np.full((height, width, 2), 128, np.uint8)
    picture[..., 0] = 20 + 200 * warmth(height, width)
    raw = radiometric(height, width).astype("<u2").view(np.uint8).reshape(height, width, 2)
    frame = cv2.cvtColor(np.concatenate([picture, raw]), cv2.COLOR_YUV2BGR_YUY2)
    assert "two images" in thermal_faults(Image(frame, "bgr8"))["halves"]
    assert thermal_faults(Image(frame[:height], "bgr8")) == {}


def test_counts_of_whole_degrees_are_coarse():
    celsius = 15 + 20 * warmth()
    message = faults((celsius + 273).astype(np.uint16))["levels"]
    assert re.match(r"the thermal scene has only [12]\d different counts", message)
    assert faults((10 * celsius).astype(np.uint16)) == {}
    assert faults((100 * celsius).astype(np.uint16)) == {}


def test_an_even_scene_is_not_coarse():
    assert faults(RNG.normal(7000, 3, (120, 160)).astype(np.uint16)) == {}
    assert faults(np.full((120, 160), 7000, np.uint16)) == {}


def test_ordinary_pictures_have_no_faults():
    night_sky = radiometric()
    night_sky[:5] -= 3000  # cold, above a straight horizon
    bonnet = radiometric()
    bonnet[-6:] = 9000 + RNG.normal(0, 3, (6, 160))
    trees = radiometric()
    trees[:20] += (800 * RNG.random((20, 160))).astype(np.uint16)
    upright = radiometric(160, 120)
    upright[83:] += 400  # a horizon near the middle
    slope = radiometric(160, 120) + np.linspace(0, 2000, 160).astype(np.uint16)[:, None]
    half_sky = radiometric(512, 640)
    half_sky[:256] -= 3000  # a horizon in the very middle of an image that is not upright
    eight_bits = (255 * warmth()).astype(np.uint8)
    tiny = radiometric(2, 9)
    for picture in (radiometric(), eight_bits, night_sky, bonnet, trees, upright, slope, half_sky, tiny):
        assert faults(picture) == {}


@pytest.mark.parametrize("encoding", ["bgr8", "rgba8"])
def test_colour_images_are_looked_at_too(encoding):
    channels = 4 if encoding == "rgba8" else 3
    grey = (255 * warmth(128, 160)).astype(np.uint8)
    grey[-2:] = RNG.integers(0, 255, (2, 160))
    assert "last 2" in thermal_faults(Image(np.repeat(grey[..., None], channels, axis=2), encoding))["rows"]


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"thermal.crop is \[100, 20\], but the image has only 120 rows"):
        cropped(Image(radiometric(), "mono16"), (100, 20))
