"""ROS image messages to `frames.Image` (see `image_messages`) and back, stamps to nanoseconds and back."""

from __future__ import annotations

import sys
from array import array

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from ckd_ros.image_messages import ImageError, check_image, load_image

__all__ = [
    "ImageError",
    "check_image",
    "compressed_message",
    "image_message",
    "load_image",
    "to_nanoseconds",
    "to_stamp",
]


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
