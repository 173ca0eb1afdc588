"""The tracker's settings and the registration, from the values of the node's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo

from ckd_ros.ros.calibration import Calibration, CalibrationError, read_calibration
from ckd_ros.ros.camera_transforms import Pose, can_be_heard
from ckd_ros.ros.parameters import ParameterError, RegistrationSettings, of_group, tracker_settings
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import Registration, TrackerConfig

#: In place of a camera's own, where only the parameters are to be checked.
_STAND_IN = CameraInfo(width=2, height=2, k=[1.0, 0.0, 0.5, 0.0, 1.0, 0.5, 0.0, 0.0, 1.0])
_STAND_IN.p = [1.0, 0.0, 0.5, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0]


def tracker_config(values: Mapping[str, Any]) -> TrackerConfig:
    """The tracker's settings. Raises ParameterError for values that do not go together."""
    try:
        return tracker_settings(values)
    except ValueError as error:
        raise ParameterError(f"parameters 'tracker.*', 'thermal.*': {error}") from error


def check_registration(values: Mapping[str, Any]) -> None:
    """Raises ParameterError for values of `registration.*` that do not go together, whatever the cameras will say."""
    registration(values, {RGB: _STAND_IN, THERMAL: _STAND_IN})
    if takes_pose_of_tf(values) and not can_be_heard():
        raise ParameterError(
            "parameter 'registration.extrinsics' is 'tf', which needs the package tf2_ros: install "
            "ros-$ROS_DISTRO-tf2-ros-py, or state registration.rotation and registration.translation"
        )


def takes_pose_of_tf(values: Mapping[str, Any]) -> bool:
    return values["registration.type"] == "calibrated" and values["registration.extrinsics"] == "tf"


def registration(values: Mapping[str, Any], infos: Mapping[str, CameraInfo], pose: Pose | None = None) -> Registration:
    """The registration that parameters and camera_info (by stream) describe, with `pose` in place of the stated one.

    Raises ParameterError for values that do not go together, and CalibrationError for a camera_info that is missing or
    cannot be used.
    """
    try:
        settings = of_group(RegistrationSettings, "registration", values)
        calibrations = used_calibrations(settings, infos)
        config = settings.as_config() | _pose(pose or _stated(settings), calibrations)
        for stream, calibration in calibrations.items():
            lens = calibration.lens
            config[f"{stream}_size"], config[f"{stream}_intrinsics"] = calibration.size, lens.intrinsics
            config[f"{stream}_distortion"], config[f"{stream}_distortion_model"] = lens.distortion, lens.model
        return Registration.from_config(config)
    except CalibrationError:
        raise
    except ValueError as error:
        raise ParameterError(f"parameters 'registration.*': {error}") from error


def used_calibrations(settings: RegistrationSettings, infos: Mapping[str, CameraInfo]) -> dict[str, Calibration]:
    """The calibrations, by stream, that the registration takes from camera_info. Raises CalibrationError."""
    if settings.type != "calibrated":
        return {}
    streams = [stream for stream in (RGB, THERMAL) if not any(getattr(settings, f"{stream}_intrinsics"))]
    missing = [f"no {stream}/camera_info" for stream in streams if stream not in infos]
    if missing:
        raise CalibrationError(f"registration.type is 'calibrated', but {' and '.join(missing)} has arrived")
    return {s: read_calibration(infos[s], getattr(settings, f"{s}_images"), s) for s in streams}


def _stated(settings: RegistrationSettings) -> Pose:
    return Pose(np.reshape(settings.rotation, (-1, 3)), np.asarray(settings.translation))


def _pose(pose: Pose, calibrations: Mapping[str, Calibration]) -> dict[str, list[float]]:
    """`rotation` and `translation` between the frames of the images: the cameras' own, or those of rectified ones."""
    rotation, translation = pose
    if RGB in calibrations:
        rotation = rotation @ calibrations[RGB].rotation.T
    if THERMAL in calibrations:
        rotation, translation = calibrations[THERMAL].rotation @ rotation, calibrations[THERMAL].rotation @ translation
    return {"rotation": rotation.ravel().tolist(), "translation": translation.tolist()}
