"""The profile with which Fast DDS, ROS 2's default middleware, loses no large images."""

from __future__ import annotations

import os

from ckd_ros.files import package_file

#: ROS 2 distributions on Fast DDS 2, which names the variable differently.
_FAST_DDS_2 = ("humble", "iron", "jazzy")


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that is large enough for them.

    A profile that the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    if not any(name in os.environ for name in names):
        os.environ[names[os.environ.get("ROS_DISTRO") in _FAST_DDS_2]] = str(package_file("config/fastdds.xml"))
