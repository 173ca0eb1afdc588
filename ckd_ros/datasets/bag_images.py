"""Image messages of bags to images and back, without ROS."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from rosbags.typesys.store import Typestore

from ckd_ros.colour import opencv_encoding
from ckd_ros.frames import Image
from ckd_ros.image_messages import load_image

RAW = "sensor_msgs/msg/Image"


def decode(message: Any, thermal: bool) -> Image:
    """A `sensor_msgs` Image or CompressedImage of a bag as an image.

    Raw images become what they become in the node (`image_messages`). Thermal images keep 16 bits.
    Raises ValueError for data that does not fit.
    """
    if hasattr(message, "format"):
        flags = cv2.IMREAD_UNCHANGED if thermal else cv2.IMREAD_COLOR
        data = cv2.imdecode(np.frombuffer(message.data, np.uint8), flags) if len(message.data) else None
        if data is None:
            raise ValueError(f"compressed data of format '{message.format}' does not decode")
        if data.ndim == 3:
            data = np.ascontiguousarray(data[..., :3])
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
