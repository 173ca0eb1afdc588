"""The profile with which Fast DDS, ROS 2's default middleware, loses no large images; for launch files too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ckd_ros.files import package_file

#: The variables that name a profile, of Fast DDS 3 (Kilted and later) and of Fast DDS 2 (Humble, Jazzy).
_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
#: ROS 2 distributions on Fast DDS 2, and its library, by which it is known where none is sourced.
_FAST_DDS_2, _LIBRARY_2 = ("humble", "iron", "jazzy"), "lib/libfastrtps.so"


def profile_variable(environment: Mapping[str, str]) -> str:
    """The variable that names a profile for the Fast DDS of an environment.

    Fast DDS 3 reads the former name as well, and complains of a profile that both name: only one may be set.
    """
    prefixes = filter(None, environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    former = environment.get("ROS_DISTRO") in _FAST_DDS_2 or any(Path(p, _LIBRARY_2).exists() for p in prefixes)
    return _VARIABLES[former]


def set_by_user(environment: Mapping[str, str]) -> str | None:
    """The variable by which an environment chooses transports of Fast DDS itself; None where it does not."""
    return next((name for name in (*_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS") if name in environment), None)


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that is large enough for them.

    What the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    if set_by_user(os.environ) is None:
        os.environ[profile_variable(os.environ)] = str(package_file("config/fastdds.xml"))
