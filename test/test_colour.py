"""Every encoding becomes BGR, RGB and grey as OpenCV and the definition say, and nothing is copied without need."""

import cv2
import numpy as np
import pytest

from ckd_ros import colour
from ckd_ros.frames import ENCODINGS, Image

#: Codes of OpenCV from each encoding; None where the pixels are taken as they are.
TO_BGR = {"rgb8": cv2.COLOR_RGB2BGR, "bgr8": None, "rgba8": cv2.COLOR_RGBA2BGR, "bgra8": cv2.COLOR_BGRA2BGR,
          "mono8": cv2.COLOR_GRAY2BGR, "mono16": cv2.COLOR_GRAY2BGR}  # fmt: skip
TO_RGB = {"rgb8": None, "bgr8": cv2.COLOR_BGR2RGB, "rgba8": cv2.COLOR_RGBA2RGB, "bgra8": cv2.COLOR_BGRA2RGB,
          "mono8": cv2.COLOR_GRAY2RGB, "mono16": cv2.COLOR_GRAY2RGB}  # fmt: skip
TO_GREY = {"rgb8": cv2.COLOR_RGB2GRAY, "bgr8": cv2.COLOR_BGR2GRAY, "rgba8": cv2.COLOR_RGBA2GRAY,
           "bgra8": cv2.COLOR_BGRA2GRAY, "mono8": None, "mono16": None}  # fmt: skip


def random_pixels(encoding, size=(6, 8)):
    kind = ENCODINGS[encoding]
    shape = size if kind.channels == 1 else (*size, kind.channels)
    return np.random.default_rng(5).integers(0, kind.white + 1, shape).astype(kind.dtype)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("convert", "codes"), [(colour.to_bgr, TO_BGR), (colour.to_rgb, TO_RGB), (colour.to_grey, TO_GREY)]
)
def test_pixels_are_converted_as_opencv_does_and_keep_their_depth(convert, codes, encoding):
    pixels = random_pixels(encoding)
    found = convert(pixels, encoding)
    if codes[encoding] is None:
        assert np.shares_memory(found, pixels) and np.array_equal(found, pixels)
    else:
        assert found.dtype == pixels.dtype
        np.testing.assert_array_equal(found, cv2.cvtColor(pixels, codes[encoding]))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_planes_are_red_green_and_blue(encoding):
    pixels = random_pixels(encoding)
    planes = colour.rgb_planes(pixels, encoding)
    np.testing.assert_array_equal(np.dstack(planes), colour.to_rgb(pixels, encoding))
    red, green, blue = planes
    if encoding in ("bgr8", "bgra8"):
        np.testing.assert_array_equal(np.dstack([blue, green, red]), pixels[..., :3])


@pytest.mark.parametrize("encoding", ["mono8", "mono16"])
def test_one_channel_axis_is_as_good_as_none(encoding):
    pixels = random_pixels(encoding)
    np.testing.assert_array_equal(colour.to_grey(pixels[..., None], encoding), pixels)
    np.testing.assert_array_equal(colour.rgb_planes(pixels[..., None], encoding)[1], pixels)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_opencv_writes_is_what_it_reads(encoding, tmp_path):
    image = Image(random_pixels(encoding), encoding)
    assert cv2.imwrite(str(tmp_path / "image.png"), colour.as_opencv(image))
    found = cv2.imread(str(tmp_path / "image.png"), cv2.IMREAD_UNCHANGED)
    expected = "bgr8" if encoding[:3] in ("rgb", "bgr") else encoding
    assert colour.opencv_encoding(found) == expected
    np.testing.assert_array_equal(colour.to_bgr(found, expected), colour.to_bgr(image.data, encoding))


def test_four_channels_of_opencv_are_bgra():
    assert colour.opencv_encoding(np.zeros((2, 2, 4), np.uint8)) == "bgra8"
    assert colour.opencv_encoding(np.zeros((2, 2, 1), np.uint8)) == "mono8"


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((2, 2), np.float32, r"1 channel\(s\) of float32"),
        ((2, 2), np.int16, "int16"),
        ((2, 2, 3), np.uint16, r"3 channel\(s\) of uint16"),
        ((2, 2, 2), np.uint8, r"2 channel\(s\)"),
    ],
)
def test_what_no_encoding_holds_is_refused(shape, dtype, message):
    with pytest.raises(ValueError, match=message):
        colour.opencv_encoding(np.zeros(shape, dtype))


def test_gain_control_stretches_counts_and_leaves_8_bits_alone():
    eight = Image(random_pixels("mono8"), "mono8")
    assert colour.gain_control(eight) is eight.data
    counts = np.random.default_rng(6).integers(7000, 7800, (80, 100)).astype(np.uint16)
    counts[0, 0], counts[1, 1] = 0, 65535  # a dead pixel and the sun
    found = colour.gain_control(Image(counts, "mono16"))
    low, high = np.percentile(counts[::4, ::4], [0.5, 99.5])
    expected = (np.clip(counts, low, high) - low) * (255 / (high - low))
    assert found.dtype == np.uint8 and found[0, 0] == 0 and found[1, 1] == 255
    assert np.abs(found - expected).max() <= 0.51


def test_for_display_8_bits_are_stretched_too_but_noise_is_not_blown_up():
    grey = np.random.default_rng(7).integers(100, 140, (80, 96)).astype(np.uint8)
    found = colour.stretch_for_display(grey)
    assert found.dtype == np.uint8 and found.min() == 0 and found.max() == 255
    noise = colour.stretch_for_display(np.random.default_rng(7).integers(7000, 7003, (80, 96)).astype(np.uint16))
    assert np.ptp(noise) <= 2 * 255 / 16 + 1
