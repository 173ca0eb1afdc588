"""Image messages of bags to images and back, without ROS."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.typesys.store import Typestore

from ckd_ros.frames import Image
from ckd_ros.image_messages import load_image

RAW = "sensor_msgs/msg/Image"


def decode(message: Any, thermal: bool) -> Image:
    """A `sensor_msgs` Image or CompressedImage of a bag as an image, as the node reads it (`image_messages`).

    Raises ValueError for data that does not fit.
    """
    image = load_image(message)
    if hasattr(message, "format") and image.encoding == "bgra8":  # a PNG's transparency
        return Image(np.ascontiguousarray(image.data[..., :3]), "bgr8")
    return image


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
