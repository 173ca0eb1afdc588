"""Conversion of images between encodings: the one module that knows what lies in which channel.

What a conversion does not change (a bgr8 image that is to be BGR) is returned as it is, not copied. Depth is kept:
16-bit grey gives 16-bit BGR. `gain_control` and `stretch_for_display` make 8 bits of more.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ckd_ros.frames import ENCODINGS, Image, Pixels

#: OpenCV's names of layouts, which ROS uses too, and the encoding that has the same bytes.
OPENCV_LAYOUTS = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC1": "mono16"}


def to_bgr(pixels: Pixels, encoding: str) -> Pixels:
    """Pixels of any encoding as `H x W x 3`, blue first.

    >>> to_bgr(np.array([[[255, 128, 0], [1, 2, 3]]], np.uint8), "rgb8").tolist()
    [[[0, 128, 255], [3, 2, 1]]]
    """
    return _convert(pixels, encoding, "bgr")


def to_rgb(pixels: Pixels, encoding: str) -> Pixels:
    """Pixels of any encoding as `H x W x 3`, red first.

    >>> to_rgb(np.array([[[255, 128, 0, 7]]], np.uint8), "bgra8").tolist()
    [[[0, 128, 255]]]
    >>> to_rgb(np.array([[9000]], np.uint16), "mono16").tolist()
    [[[9000, 9000, 9000]]]
    """
    return _convert(pixels, encoding, "rgb")


def to_grey(pixels: Pixels, encoding: str) -> Pixels:
    """Pixels of any encoding as `H x W`: the luma of colours.

    >>> to_grey(np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8), "rgb8").tolist()
    [[76, 255]]
    """
    if ENCODINGS[encoding].is_grey:
        return pixels.reshape(pixels.shape[:2])
    return _convert(pixels, encoding, "y")


def rgb_planes(pixels: Pixels, encoding: str) -> tuple[Pixels, Pixels, Pixels]:
    """Red, green and blue, each `H x W`, of any encoding; grey is all three."""
    order = ENCODINGS[encoding].order
    if order == "y":
        grey = pixels.reshape(pixels.shape[:2])
        return grey, grey, grey
    planes = cv2.split(pixels)
    return planes[order.index("r")], planes[order.index("g")], planes[order.index("b")]


def as_opencv(image: Image) -> Pixels:
    """An image as `cv2.imwrite` takes it: grey as it is, `H x W`, and everything else as BGR; alpha is left out."""
    return image.data if ENCODINGS[image.encoding].is_grey else to_bgr(image.data, image.encoding)


def opencv_encoding(pixels: Pixels) -> str:
    """The encoding of what OpenCV decoded: grey of 8 or 16 bits, BGR or BGRA of 8. Raises ValueError for others.

    >>> opencv_encoding(np.zeros((2, 2), np.uint16)), opencv_encoding(np.zeros((2, 2, 3), np.uint8))
    ('mono16', 'bgr8')
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    layout = f"{8 * pixels.dtype.itemsize}UC{channels}"
    if pixels.dtype.kind != "u" or layout not in OPENCV_LAYOUTS:
        raise ValueError(f"no encoding has {channels} channel(s) of {pixels.dtype}")
    return OPENCV_LAYOUTS[layout]


def counts_of_signed(pixels: Pixels) -> Pixels:
    """Signed 16-bit counts as unsigned ones, in the same order: 32768 more.

    >>> counts_of_signed(np.array([[-32768, -5, 0, 32767]], np.int16)).tolist()
    [[0, 32763, 32768, 65535]]
    """
    counts: Pixels = pixels.view(np.uint16) ^ np.uint16(0x8000)
    return counts


def counts_of_temperatures(pixels: Pixels) -> Pixels:
    """Temperatures, degrees Celsius or kelvin, as 16-bit counts: hundredths above -100, black or white beyond.

    Values that are not finite become the median of the others. Raises ValueError where none is finite, and where the
    median is no temperature of a scene, -100 to 555: the values are then of another unit.

    >>> counts_of_temperatures(np.array([[-100.0, 20.5, 293.65, np.nan]], np.float32)).tolist()
    [[0, 12050, 39365, 12050]]
    """
    low, high = -100.0, -100.0 + np.iinfo(np.uint16).max / 100
    finite = np.isfinite(pixels)
    if not finite.any():
        raise ValueError("no value is a finite number")
    middle = float(np.median(pixels[finite][:: max(1, pixels.size // 4096)]))
    if not low <= middle <= high:
        raise ValueError(
            f"values about {middle:g} are neither degrees Celsius nor kelvin ({low:g} to {high:g}): publish raw counts "
            "as 16UC1"
        )
    known = pixels if finite.all() else np.where(finite, pixels, np.float32(middle))
    return np.rint((np.clip(known, low, high) - low) * 100).astype(np.uint16)


def upper_bytes(pixels: Pixels) -> Pixels:
    """The upper 8 of 16 bits."""
    return (pixels >> 8).astype(np.uint8)


def gain_control(image: Image) -> Pixels:
    """An image's pixels in 8 bits as a thermal camera's own gain control makes them: 16-bit counts are stretched
    between their 0.5th and 99.5th percentile, 8-bit values stay as they are."""
    if ENCODINGS[image.encoding].dtype == np.uint8:
        return image.data
    low, high = np.percentile(image.data[::4, ::4], [0.5, 99.5])
    eight_bits: Pixels = cv2.convertScaleAbs(np.clip(image.data, low, high) - low, alpha=255 / max(1.0, high - low))
    return eight_bits


def stretch_for_display(grey: Pixels) -> Pixels:
    """Grey values of any range as 8 bits that fill the range of a screen, 1st to 99th percentile; 8-bit ones too."""
    low, high = np.percentile(grey[::8, ::8], [1, 99])
    scale = 255.0 / max(high - low, 16.0)
    stretched: Pixels = np.clip(grey.astype(np.float32) * scale - low * scale, 0, 255).astype(np.uint8)
    return stretched


def for_display(image: Image, stretched: bool) -> Pixels:
    """An image of any encoding as `H x W x 3` bgr8 for a screen; grey that is `stretched`, as is all of 16 bits."""
    if stretched or image.encoding == "mono16":
        return to_bgr(stretch_for_display(to_grey(image.data, image.encoding)), "mono8")
    return to_bgr(image.data, image.encoding)


def _convert(pixels: Pixels, encoding: str, target: str) -> Pixels:
    order = ENCODINGS[encoding].order
    return pixels if order == target else cv2.cvtColor(pixels, _opencv_code(order, target))


def _opencv_code(order: str, target: str) -> int:
    names = {"y": "GRAY"}
    code: Any = getattr(cv2, f"COLOR_{names.get(order, order.upper())}2{names.get(target, target.upper())}")
    return int(code)
