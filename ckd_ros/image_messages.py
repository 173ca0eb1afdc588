"""Image messages of ROS to `frames.Image`, as a node receives them and as a bag holds them; ROS itself is not needed.

Packed encodings are viewed in place: nothing is copied, row padding and byte order are honoured. All others, and
compressed images, go through OpenCV (`image_layouts`). Whatever is wrong with a message is an `ImageError` that says
what.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ckd_ros import jpeg
from ckd_ros.colour import opencv_encoding
from ckd_ros.frames import Image
from ckd_ros.image_layouts import LAYOUTS, Layout


class ImageError(ValueError):
    """A message that does not hold a usable image."""


class EmptyImageError(ImageError):
    """A message without a byte of data."""


class ImageLayoutError(ImageError):
    """Width, height and step that contradict each other."""


class TruncatedImageError(ImageError):
    """Less data than width, height and step (or the compressed stream) promise."""


class ByteOrderError(ImageError):
    """Values of several bytes that are a picture only in the order which the message does not state."""


class UnsupportedEncodingError(ImageError):
    """An encoding that is not known."""


class OversizedImageError(ImageError):
    """More pixels than are taken; nothing was allocated for them."""


class UndecodableImageError(ImageError):
    """Data that does not hold an image, or one that cannot be converted."""


#: The most pixels that are taken of an image where nothing else is said: 8K has 33 million.
MOST_PIXELS = 40_000_000
#: Longest side, pixels: OpenCV warps no larger ones.
_LONGEST_SIDE = 32_766


def check_image(message: Any, most_pixels: int = MOST_PIXELS) -> None:
    """Check all that can be known about a `sensor_msgs` Image or CompressedImage without touching its pixels.

    Raises a subclass of ImageError that says what is wrong.
    """
    if len(message.data) == 0:
        raise EmptyImageError("the message holds no data (0 bytes)")
    if _is_compressed(message):
        if "compressedDepth" in message.format:
            raise UnsupportedEncodingError(f"format '{message.format}' is not supported: publish jpeg or png images")
        return
    layout = _layout(message.encoding)
    if message.width == 0 or message.height == 0:
        raise ImageLayoutError(f"the image has no pixels: {message.width} x {message.height}")
    row = message.width * layout.pixel
    if message.step < row:
        raise ImageLayoutError(
            f"step {message.step} is smaller than a row: {message.width} pixels of {message.encoding} are {row} bytes"
        )
    needed = message.step * (layout.rows(message.height) - 1) + row
    if len(message.data) < needed:
        raise TruncatedImageError(
            f"{len(message.data)} bytes of data, but {message.width} x {message.height} {message.encoding} "
            f"with step {message.step} needs {needed}"
        )
    if message.width % layout.multiple[0] or message.height % layout.multiple[1]:
        raise ImageLayoutError(
            f"{message.width} x {message.height} pixels of {message.encoding}: its width must be a multiple of "
            f"{layout.multiple[0]} and its height of {layout.multiple[1]}; have the camera crop its images"
        )
    _check_size(message.width, message.height, most_pixels)


def load_image(message: Any, most_pixels: int = MOST_PIXELS) -> Image:
    """The image of a message; a view of its data for packed encodings of this machine's byte order.

    Raises a subclass of ImageError for a message that `check_image` refuses or that cannot be decoded or converted.
    """
    check_image(message, most_pixels)
    if _is_compressed(message):
        return _decode(message, most_pixels)
    layout = _layout(message.encoding)
    pixels = _pixels(message, layout)
    if layout.encoding == "mono16":
        _check_byte_order(message, pixels[:: max(1, message.height // 16), :128, 0])
    if layout.convert is not None:
        try:
            pixels = layout.convert(pixels)
        except (ValueError, cv2.error) as error:
            reason = " ".join(str(error).split())
            raise UndecodableImageError(
                f"{message.width} x {message.height} pixels of {message.encoding} cannot be converted: {reason}"
            ) from error
    return Image(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels, layout.encoding)


def _is_compressed(message: Any) -> bool:
    return hasattr(message, "format")


def _layout(encoding: str) -> Layout:
    if encoding not in LAYOUTS:
        raise UnsupportedEncodingError(f"encoding '{encoding}' is not one of {', '.join(LAYOUTS)}")
    return LAYOUTS[encoding]


def _pixels(message: Any, layout: Layout) -> np.ndarray:
    """`rows x W x samples` values of a checked message, in this machine's byte order; a view where that is its own."""
    dtype = layout.sample.newbyteorder(">" if message.is_bigendian else "<")
    pixels: np.ndarray = np.ndarray(
        (layout.rows(message.height), message.width, layout.samples),
        dtype,
        buffer=message.data,
        strides=(message.step, layout.pixel, layout.sample.itemsize),
    )
    return pixels if dtype.isnative else pixels.astype(layout.sample)


def _check_byte_order(message: Any, sample: np.ndarray) -> None:
    """Raise ByteOrderError where pieces of rows, `N x M`, are noise as they are read and a picture with bytes swapped.

    They are not swapped without a word: whoever else reads the camera would still read noise.
    """
    swapped = sample.byteswap()
    if sample.dtype.kind == "f":
        wrong = _share_of_temperatures(sample) < 0.5 and _share_of_temperatures(swapped) > 0.9
    else:
        # Multiples of 256 (8 bits, left-aligned) are a picture either way, and a drawing may be as smooth by chance.
        rougher = _roughness(sample) > _ROUGHER * _roughness(swapped)
        wrong = rougher and bool((sample & 255).any()) and np.unique(swapped).size > _LEVELS
    if wrong:
        stated = int(bool(message.is_bigendian))
        raise ByteOrderError(
            f"the bytes of its {message.encoding} values are swapped: is_bigendian is {stated}, but only with "
            f"{1 - stated} they are a picture; correct it in the driver"
        )


#: In the wrong order, neighbours differ as many times as much as in the right one; where counts are noisy, 256 times.
_ROUGHER = 4.0
#: A picture has more levels than this.
_LEVELS = 8


def _roughness(sample: np.ndarray) -> float:
    return float(np.abs(np.diff(sample.astype(np.int32), axis=1)).mean()) if sample.shape[1] > 1 else 0.0


def _share_of_temperatures(sample: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(((np.abs(sample) > 1e-3) & (np.abs(sample) < 1e5) | (sample == 0)).mean())


_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND"


def _decode(message: Any, most_pixels: int) -> Image:
    """A few bytes may say that they are an image of gigabytes: its size is read before anything is decoded.

    So that it can be, and because every decoder is a way in, no other formats than these two are decoded.
    """
    data = bytes(message.data)
    is_jpeg = data.startswith(jpeg.SIGNATURE)
    if not is_jpeg and not data.startswith(_PNG):
        raise UndecodableImageError(
            f"{len(data)} bytes of format '{message.format}' are neither a JPEG nor a PNG: publish jpeg or png images"
        )
    if not is_jpeg and _PNG_END not in data:
        raise TruncatedImageError(f"PNG: the data ends after {len(data)} bytes without its end marker")
    try:
        if is_jpeg:
            size = jpeg.check_markers(data)
        else:
            size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        _check_size(*size, most_pixels)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if is_jpeg and pixels is not None:
            jpeg.check_pixels(data, pixels)
    except jpeg.JpegError as error:
        raise TruncatedImageError(f"JPEG: {error}") from error
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UndecodableImageError(f"{len(data)} bytes of format '{message.format}' cannot be decoded as an image")
    try:
        return Image(pixels, opencv_encoding(pixels))
    except ValueError as error:
        raise UnsupportedEncodingError(f"the compressed image cannot be used: {error}") from error


def _check_size(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels or max(width, height) > _LONGEST_SIDE:
        raise OversizedImageError(
            f"the image says that it has {width} x {height} pixels: at most {most_pixels:,} are taken "
            f"(the node's limits.image_pixels), and {_LONGEST_SIDE:,} a side"
        )
