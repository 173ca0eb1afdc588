"""The tracker's settings from the values of the node's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from sensor_msgs.msg import CameraInfo

from ckd_ros.ros.markers import is_calibrated
from ckd_ros.ros.parameters import ParameterError
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import ConfidenceConfig, Registration, ThermalConfig, TrackerConfig


def tracker_config(values: Mapping[str, object]) -> TrackerConfig:
    """The tracker's settings. Raises ParameterError for values that do not go together."""
    try:
        return TrackerConfig(
            **_settings(TrackerConfig, "tracker", values),
            confidence=ConfidenceConfig(**_settings(ConfidenceConfig, "tracker", values)),
            thermal=ThermalConfig(**_settings(ThermalConfig, "thermal", values)),
        )
    except ValueError as error:
        raise ParameterError(f"parameters 'tracker.*', 'thermal.*': {error}") from error


def _settings(config: type, group: str, values: Mapping[str, object]) -> dict[str, object]:
    names = [item.name for item in fields(config) if "range" in item.metadata]
    return {name: values[f"{group}.{name}"] for name in names}


def registration(values: Mapping[str, object], infos: Mapping[str, CameraInfo]) -> Registration | None:
    """The registration that parameters and camera_info (by stream) describe; None while a camera_info is waited for.

    Raises ParameterError for values that do not go together.
    """
    config: dict[str, object] = {"type": values["registration.type"], "distance": values["registration.distance"]}
    for name in ("offset", "matrix", "rotation", "translation"):
        config[name] = list(values[f"registration.{name}"])
    for stream in (RGB, THERMAL):
        size = list(values[f"registration.{stream}_size"])
        config[f"{stream}_size"] = size if all(size) else None
        intrinsics = list(values[f"registration.{stream}_intrinsics"])
        if config["type"] == "calibrated" and not any(intrinsics):
            info = infos.get(stream)
            if not is_calibrated(info):
                return None
            intrinsics = [info.k[0], info.k[4], info.k[2], info.k[5]]
            config[f"{stream}_size"] = [info.width, info.height]
        config[f"{stream}_intrinsics"] = intrinsics
    try:
        return Registration.from_config(config)
    except ValueError as error:
        raise ParameterError(f"parameters 'registration.*': {error}") from error
