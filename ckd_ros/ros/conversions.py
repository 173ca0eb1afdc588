"""ROS image messages to `frames.Image` and back, stamps to nanoseconds and back.

Packed encodings are viewed in place: nothing is copied, row padding and byte order are honoured. Packed YUV, Bayer
and 16-bit colour go through `cv_bridge` where it is installed, else through `rosbags-image`, and compressed images
through OpenCV. Whatever is wrong with a message is an `ImageError` that says what.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from ckd_ros.colour import OPENCV_LAYOUTS, opencv_encoding
from ckd_ros.frames import ENCODINGS, Image


class ImageError(ValueError):
    """A message that does not hold a usable image."""


class EmptyImageError(ImageError):
    """A message without a byte of data."""


class ImageLayoutError(ImageError):
    """Width, height and step that contradict each other."""


class TruncatedImageError(ImageError):
    """Less data than width, height and step (or the compressed stream) promise."""


class UnsupportedEncodingError(ImageError):
    """An encoding that is unknown, or whose converter is not installed."""


class UndecodableImageError(ImageError):
    """Compressed data that does not hold an image."""


@dataclass(frozen=True)
class _Layout:
    """Bytes of a pixel and of one sample of it, and the encoding of `frames.Image` that it is viewed as.

    `view` is None where the pixels have to be converted first.
    """

    pixel: int
    sample: int
    view: str | None


def _packed(encoding: str) -> _Layout:
    sample = ENCODINGS[encoding].dtype.itemsize
    return _Layout(sample * ENCODINGS[encoding].channels, sample, encoding)


_LAYOUTS: dict[str, _Layout] = {
    **{name: _packed(name) for name in ENCODINGS},
    **{name: _packed(encoding) for name, encoding in OPENCV_LAYOUTS.items()},  # as cv_bridge reads them
    **{name: _Layout(2, 1, None) for name in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")},
    **{f"bayer_{pattern}8": _Layout(1, 1, None) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": _Layout(2, 2, None) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{name: _Layout(6, 2, None) for name in ("rgb16", "bgr16")},
}

#: Encodings of `sensor_msgs/Image` that `load_image` reads.
READABLE_ENCODINGS = tuple(_LAYOUTS)


def check_image(message: ImageMessage | CompressedImage) -> None:
    """Check all that can be known about an image message without touching its pixels.

    Raises a subclass of ImageError that says what is wrong.
    """
    if len(message.data) == 0:
        raise EmptyImageError("the message holds no data (0 bytes)")
    if isinstance(message, CompressedImage):
        _check_compressed(message)
        return
    layout = _layout(message.encoding)
    if message.width == 0 or message.height == 0:
        raise ImageLayoutError(f"the image has no pixels: {message.width} x {message.height}")
    row = message.width * layout.pixel
    if message.step < row:
        raise ImageLayoutError(
            f"step {message.step} is smaller than a row: {message.width} pixels of {message.encoding} are {row} bytes"
        )
    needed = message.step * (message.height - 1) + row
    if len(message.data) < needed:
        raise TruncatedImageError(
            f"{len(message.data)} bytes of data, but {message.width} x {message.height} {message.encoding} "
            f"with step {message.step} needs {needed}"
        )


def load_image(message: ImageMessage | CompressedImage) -> Image:
    """The image of a message; a view of its data for packed encodings of this machine's byte order.

    Raises a subclass of ImageError for a message that `check_image` refuses or that cannot be decoded.
    """
    check_image(message)
    if isinstance(message, CompressedImage):
        return _decode(message)
    layout = _layout(message.encoding)
    pixels = _pixels(message, layout)
    if layout.view is None:
        return _convert(message, layout, pixels)
    return Image(pixels[..., 0] if pixels.shape[2] == 1 else pixels, layout.view)


def _layout(encoding: str) -> _Layout:
    if encoding not in _LAYOUTS:
        raise UnsupportedEncodingError(f"encoding '{encoding}' is not one of {', '.join(READABLE_ENCODINGS)}")
    return _LAYOUTS[encoding]


def _pixels(message: ImageMessage, layout: _Layout) -> np.ndarray:
    """`H x W x C` samples of a checked message, in this machine's byte order; a view where that is its own."""
    order = ">" if message.is_bigendian else "<"
    dtype = np.dtype(f"{order}u{layout.sample}")
    pixels: np.ndarray = np.ndarray(
        (message.height, message.width, layout.pixel // layout.sample),
        dtype,
        buffer=message.data,
        strides=(message.step, layout.pixel, layout.sample),
    )
    return pixels if dtype.isnative else pixels.astype(dtype.newbyteorder("="))


def _convert(message: ImageMessage, layout: _Layout, pixels: np.ndarray) -> Image:
    """Pixels that no `frames.Image` can view, as bgr8."""
    # Neither converter can be trusted with row padding and byte order at once, so both get a plain message.
    plain = image_message(pixels, message.encoding)
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return Image(_convert_without_cv_bridge(plain), "bgr8")
    return Image(CvBridge().imgmsg_to_cv2(plain, "bgr8"), "bgr8")


def _convert_without_cv_bridge(message: ImageMessage) -> np.ndarray:
    try:
        from rosbags.image import message_to_cvimage
    except ImportError as error:
        raise UnsupportedEncodingError(
            f"encoding '{message.encoding}' needs cv_bridge (of a ROS distribution) or rosbags-image "
            "(pip install rosbags-image)"
        ) from error
    return message_to_cvimage(message, "bgr8")


_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG", b"IEND"


def _check_compressed(message: CompressedImage) -> None:
    if "compressedDepth" in message.format:
        raise UnsupportedEncodingError(f"format '{message.format}' is not supported: publish jpeg or png images")
    # OpenCV fills the missing part of a truncated JPEG with grey and reports success.
    head, tail = bytes(message.data[:4]), bytes(message.data[-64:])
    for name, start, end in (("JPEG", _JPEG, _JPEG_END), ("PNG", _PNG, _PNG_END)):
        if head.startswith(start) and end not in tail:
            raise TruncatedImageError(f"the {name} data ends after {len(message.data)} bytes without its end marker")


def _decode(message: CompressedImage) -> Image:
    try:
        data = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        data = None
    if data is None:
        raise UndecodableImageError(
            f"{len(message.data)} bytes of format '{message.format}' cannot be decoded as an image"
        )
    try:
        return Image(data, opencv_encoding(data))
    except ValueError as error:
        raise UnsupportedEncodingError(f"the compressed image cannot be used: {error}") from error


def image_message(pixels: np.ndarray, encoding: str, stamp: int = 0, frame_id: str = "") -> ImageMessage:
    """A `sensor_msgs/Image` of `H x W` or `H x W x C` pixels; `stamp` in nanoseconds."""
    pixels = np.ascontiguousarray(pixels)
    message = ImageMessage(encoding=encoding, height=pixels.shape[0], width=pixels.shape[1])
    message.header.stamp, message.header.frame_id = to_stamp(stamp), frame_id
    message.step = pixels.nbytes // pixels.shape[0]
    message.is_bigendian = sys.byteorder == "big"
    message.data = _bytes(pixels)
    return message


def compressed_message(pixels: np.ndarray, stamp: int, frame_id: str, quality: int = 80) -> CompressedImage:
    """A JPEG `sensor_msgs/CompressedImage` of bgr8 or mono8 pixels; `quality` in 1..100."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    encoding = "mono8" if pixels.ndim == 2 else "bgr8"
    message = CompressedImage(format=f"{encoding}; jpeg compressed {encoding}")
    message.header.stamp, message.header.frame_id = to_stamp(stamp), frame_id
    message.data = _bytes(data)
    return message


def _bytes(data: np.ndarray) -> array:
    """Contiguous data as the only type that a message field takes without checking every byte: 20 us, not 20 ms."""
    result = array("B")
    result.frombytes(data.data.cast("B"))
    return result


def to_nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a time message."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def to_stamp(nanoseconds: int) -> Time:
    """The time message of a stamp. Raises ValueError for a time that no message can hold (before 1970, after 2038)."""
    sec, nanosec = divmod(int(nanoseconds), 1_000_000_000)
    if not 0 <= sec < 2**31:
        raise ValueError(f"stamp {nanoseconds} ns is outside the range of a ROS time, 0 to {2**31} s")
    return Time(sec=sec, nanosec=nanosec)
