"""Image messages of bags to images and back, without ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from rosbags.image import image_to_cvimage
from rosbags.typesys.store import Typestore

from ckd_ros.colour import OPENCV_LAYOUTS, opencv_encoding
from ckd_ros.datasets.images import AS_STORED, check_depth, colour_image, decode_image
from ckd_ros.frames import ENCODINGS, Image

RAW = "sensor_msgs/msg/Image"


def decode(message: Any, thermal: bool) -> Image:
    """A `sensor_msgs` Image or CompressedImage of a bag as an image.

    Packed encodings keep their bytes, others (bayer, yuv) become bgr8. Thermal images keep 16 bits.
    Raises ValueError or rosbags' ImageError for data that does not fit.
    """
    if hasattr(message, "format"):
        # As the node takes it: as the sensor lies, which is what a calibration is of.
        flags = AS_STORED | cv2.IMREAD_IGNORE_ORIENTATION
        data = decode_image(bytes(message.data), f"compressed data of format '{message.format}'", flags)
        if not thermal:
            return colour_image(data)
        check_depth(data)
        return Image(data, opencv_encoding(data))
    encoding = OPENCV_LAYOUTS.get(message.encoding, message.encoding)
    if encoding not in ENCODINGS:
        message.data = _unpadded(message)
        return Image(np.ascontiguousarray(image_to_cvimage(message, "bgr8")), "bgr8")
    dtype, channels = ENCODINGS[encoding].dtype, ENCODINGS[encoding].channels
    rows = _rows(message, message.width * channels * dtype.itemsize)
    data = rows.view(dtype.newbyteorder(">" if message.is_bigendian else "<")).astype(dtype, copy=False)
    return Image(data.reshape(message.height, message.width, channels) if channels > 1 else data, encoding)


def _rows(message: Any, width: int) -> np.ndarray:
    """The image's bytes without row padding, `height x width` bytes. Raises ValueError if there are too few."""
    step, height = message.step or width, message.height
    if step < width or height <= 0 or width <= 0 or message.data.size < step * (height - 1) + width:
        raise ValueError(
            f"{message.width} x {height} {message.encoding} with {step} bytes a row needs more than {message.data.size}"
        )
    # The last row may come without its padding.
    rows = np.lib.stride_tricks.as_strided(message.data, (height, width), (step, 1), writeable=False)
    return np.ascontiguousarray(rows)


def _unpadded(message: Any) -> np.ndarray:
    """Bytes of an image without row padding, for encodings whose pixels take whole bytes."""
    pixel_bytes = message.step // message.width if message.width else 0
    if not pixel_bytes:
        raise ValueError(f"an image of width {message.width} cannot have {message.step} bytes a row")
    return _rows(message, message.width * pixel_bytes).reshape(-1)


def image_message(types: Typestore, image: Image, stamp: int, frame: str) -> Any:
    """`sensor_msgs/Image` of an image, stamped in nanoseconds."""
    make = types.types
    time = make["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    data = np.ascontiguousarray(image.data)
    return make[RAW](
        header=make["std_msgs/msg/Header"](stamp=time, frame_id=frame),
        height=image.height,
        width=image.width,
        encoding=image.encoding,
        is_bigendian=0,
        step=data.strides[0],
        data=data.reshape(-1).view(np.uint8),
    )
