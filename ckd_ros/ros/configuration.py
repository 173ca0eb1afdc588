"""The tracker's settings and the registration, from the values of the node's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CameraInfo

from ckd_ros.ros.markers import is_calibrated
from ckd_ros.ros.parameters import ParameterError, RegistrationSettings, of_group
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import ConfidenceConfig, Registration, ThermalConfig, TrackerConfig


def tracker_config(values: Mapping[str, Any]) -> TrackerConfig:
    """The tracker's settings. Raises ParameterError for values that do not go together."""
    try:
        return replace(
            of_group(TrackerConfig, "tracker", values),
            confidence=of_group(ConfidenceConfig, "tracker", values),
            thermal=of_group(ThermalConfig, "thermal", values),
        )
    except ValueError as error:
        raise ParameterError(f"parameters 'tracker.*', 'thermal.*': {error}") from error


def registration(values: Mapping[str, Any], infos: Mapping[str, CameraInfo]) -> Registration | None:
    """The registration that parameters and camera_info (by stream) describe; None while a camera_info is waited for.

    Raises ParameterError for values that do not go together.
    """
    try:
        settings = of_group(RegistrationSettings, "registration", values)
        config: dict[str, object] = {"type": settings.type, "distance": settings.distance}
        for name in ("offset", "matrix", "rotation", "translation"):
            config[name] = list(getattr(settings, name))
        sizes = {RGB: settings.rgb_size, THERMAL: settings.thermal_size}
        stated_intrinsics = {RGB: settings.rgb_intrinsics, THERMAL: settings.thermal_intrinsics}
        for stream in (RGB, THERMAL):
            size, intrinsics = list(sizes[stream]), list(stated_intrinsics[stream])
            if settings.type == "calibrated" and not any(intrinsics):
                info = infos.get(stream)
                if info is None or not is_calibrated(info):
                    return None
                intrinsics = [info.k[0], info.k[4], info.k[2], info.k[5]]
                size = [info.width, info.height]
            config[f"{stream}_size"] = size if all(size) else None
            config[f"{stream}_intrinsics"] = intrinsics
        return Registration.from_config(config)
    except ValueError as error:
        raise ParameterError(f"parameters 'registration.*': {error}") from error
