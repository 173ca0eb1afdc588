"""The profile with which Fast DDS, ROS 2's default middleware, loses no large images."""

from __future__ import annotations

import os

from ckd_ros.files import package_file

#: The variable that names a profile, of Fast DDS 3 (Kilted and later) and of Fast DDS 2 (Humble, Jazzy).
_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that is large enough for them.

    A profile that the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    if not any(name in os.environ for name in _VARIABLES):
        os.environ.update(dict.fromkeys(_VARIABLES, str(package_file("config/fastdds.xml"))))
