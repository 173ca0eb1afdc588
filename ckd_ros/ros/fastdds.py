"""The profile with which Fast DDS, ROS 2's default middleware, loses no large images; for launch files too."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ckd_ros.files import package_file

#: The variables that name a profile, of Fast DDS 3 (Kilted and later) and of Fast DDS 2 (Humble, Jazzy).
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def set_by_user(environment: Mapping[str, str]) -> str | None:
    """The variable by which an environment chooses transports of Fast DDS itself; None where it does not."""
    return next((name for name in (*VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS") if name in environment), None)


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that is large enough for them.

    What the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    if set_by_user(os.environ) is None:
        os.environ.update(dict.fromkeys(VARIABLES, str(package_file("config/fastdds.xml"))))
