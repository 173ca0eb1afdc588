"""Image messages of bags to images and back, without ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from rosbags.typesys.store import Typestore

from ckd_ros.colour import opencv_encoding
from ckd_ros.datasets.images import AS_STORED, check_depth, colour_image, decode_image
from ckd_ros.frames import Image
from ckd_ros.image_messages import load_image

RAW = "sensor_msgs/msg/Image"


def decode(message: Any, thermal: bool) -> Image:
    """A `sensor_msgs` Image or CompressedImage of a bag as an image.

    Raw images become what they become in the node (`image_messages`). Thermal images keep 16 bits.
    Raises ValueError for data that does not fit.
    """
    if hasattr(message, "format"):
        # As the node takes it: as the sensor lies, which is what a calibration is of.
        flags = AS_STORED | cv2.IMREAD_IGNORE_ORIENTATION
        data = decode_image(bytes(message.data), f"compressed data of format '{message.format}'", flags)
        if not thermal:
            return colour_image(data)
        check_depth(data)
        return Image(data, opencv_encoding(data))
    return load_image(message)


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
