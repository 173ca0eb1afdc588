"""The profile with which Fast DDS, ROS 2's default middleware, loses no large images; for launch files too."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ckd_ros.files import package_file

#: What names a profile of Fast DDS 3 and of Fast DDS 2.
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
#: ROS 2 distributions on Fast DDS 2.
_FAST_DDS_2 = ("humble", "iron", "jazzy")


def profile_variable(environment: Mapping[str, str]) -> str:
    """What names the profile in the ROS 2 distribution of an environment."""
    return VARIABLES[environment.get("ROS_DISTRO") in _FAST_DDS_2]


def set_by_user(environment: Mapping[str, str]) -> str | None:
    """The variable by which an environment chooses transports of Fast DDS itself; None where it does not."""
    return next((name for name in (*VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS") if name in environment), None)


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that is large enough for them.

    What the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    if set_by_user(os.environ) is None:
        os.environ[profile_variable(os.environ)] = str(package_file("config/fastdds.xml"))
