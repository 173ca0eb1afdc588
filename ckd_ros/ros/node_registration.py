"""The registration in effect on the node, and what speaks against it before a single image is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from ckd_ros.ros import configuration
from ckd_ros.ros.calibration import RAW, RECTIFIED, Calibration, CalibrationError, read_calibration
from ckd_ros.ros.camera_transforms import CameraTransforms, Pose
from ckd_ros.ros.parameters import RegistrationSettings, of_group
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import Registration
from ckd_ros.tracking.registration import UnknownRegistration
from ckd_ros.tracking.registration_check import NOT_USED, same_aspect

#: Fields of view whose widths differ by more than this factor are not the same view.
_SAME_VIEW = 1.15


class NodeRegistration:
    """From the parameters, what the cameras say of themselves, and /tf where that is asked for.

    Args:
        node: listens to /tf.
        calibrations: the newest camera_info of each stream, kept up to date by their receiver.
        topics: the full name of the image topic of each stream.

    Attributes:
        current: the registration in effect.
    """

    def __init__(self, node: Node, calibrations: Mapping[str, CameraInfo], topics: Mapping[str, str]) -> None:
        self.current = Registration()
        self._node, self._calibrations, self._topics = node, calibrations, topics
        self._transforms: CameraTransforms | None = None
        self._pose: Pose | None = None

    def update(self, values: Mapping[str, Any]) -> Registration:
        """The registration for these values of the parameters, in effect from now on."""
        try:
            self._pose = self._pose_of_tf(values)
            self.current = configuration.registration(values, self._calibrations, self._pose)
        except ValueError as error:  # a camera_info or the pose is missing, or contradicts the parameters
            self.current, self._pose = UnknownRegistration(reason=str(error)), None
        return self.current

    def moved(self, values: Mapping[str, Any]) -> bool:
        """Whether /tf has another pose by now than the one in effect, or has one at last."""
        try:
            pose = self._pose_of_tf(values)
        except CalibrationError:
            return False  # it keeps the last one: a tf that paused says nothing new
        return pose is not None and not pose.near(self._pose)

    def end(self) -> None:
        """Listens to /tf no longer."""
        if self._transforms is not None:
            self._transforms.end()
            self._transforms = None

    def _pose_of_tf(self, values: Mapping[str, Any]) -> Pose | None:
        """None where the parameters state the pose. Raises CalibrationError where /tf has none."""
        if not configuration.takes_pose_of_tf(values):
            self.end()
            return None
        if self._transforms is None:
            self._transforms = CameraTransforms(self._node)
        infos = self._calibrations
        said = {stream: infos[stream].header.frame_id if stream in infos else "" for stream in (RGB, THERMAL)}
        return self._transforms.pose({stream: values[f"frames.{stream}"] or frame for stream, frame in said.items()})

    def problems(self, values: Mapping[str, Any], formats: Mapping[str, tuple[int, int, str]]) -> dict[str, str]:
        """What speaks against it: key -> what, and what to do.

        `formats` are width, height and encoding of the newest image of each stream that sent one.
        """
        if self.current.unknown:
            return {"registration": f"{self.current.unknown}; {NOT_USED}"}
        settings = of_group(RegistrationSettings, "registration", values)
        problems = {}
        if self.current.takes_same_view and (text := self._other_views(settings)):
            problems["registration type"] = text
        used = configuration.used_calibrations(settings, self._calibrations)
        for stream, camera in self._cameras(settings).items():
            info, images = self._calibrations[stream], getattr(settings, f"{stream}_images")
            text = _other_aspect(camera, stream, formats)
            if stream in used:
                text = text or camera.doubt or _not_cut(info, stream, formats)
                text = text or _named_otherwise(info, stream, images, self._topics[stream])
            if text:
                problems[f"{stream} camera_info"] = text
        return problems

    def _cameras(self, settings: RegistrationSettings) -> dict[str, Calibration]:
        """What the camera_info that can be used say, by stream."""
        cameras = {}
        for stream, info in self._calibrations.items():
            with suppress(CalibrationError):  # drivers of uncalibrated cameras send zeros
                cameras[stream] = read_calibration(info, getattr(settings, f"{stream}_images"), stream)
        return cameras

    def _other_views(self, settings: RegistrationSettings) -> str:
        """Whether both images can show the same view, where both cameras say what they see."""
        cameras = self._cameras(settings)
        if len(cameras) < 2:
            return ""
        views = [cameras[stream].field_of_view for stream in (RGB, THERMAL)]
        tangents = np.tan(np.radians(views) / 2)
        if tangents.max() <= _SAME_VIEW * tangents.min():
            return ""
        return (
            f"registration.type is '{settings.type}', which takes both images to show the same view, but by their "
            f"camera_info the colour camera sees {views[0]:.0f} degrees and the thermal one {views[1]:.0f}: set it to "
            "'calibrated' or 'homography'"
        )


def _other_aspect(camera: Calibration, stream: str, formats: Mapping[str, tuple[int, int, str]]) -> str:
    size = formats.get(stream, ())[:2]
    if not size or same_aspect(camera.size, size):
        return ""
    return (
        f"{stream}/camera_info is of images of {camera.size[0]} x {camera.size[1]}, but those that come are "
        f"{size[0]} x {size[1]}, of another aspect: no registration or marker is made with it; calibrate with images "
        "as they come"
    )


def _not_cut(info: CameraInfo, stream: str, formats: Mapping[str, tuple[int, int, str]]) -> str:
    whole, part = (info.width, info.height), (info.roi.width or info.width, info.roi.height or info.height)
    if part == whole or formats.get(stream, ())[:2] != whole:
        return ""
    return (
        f"{stream}/camera_info says that the images are cut to {part[0]} x {part[1]} (roi), but those that come are "
        f"whole, {whole[0]} x {whole[1]}: the driver must leave roi empty"
    )


def _named_otherwise(info: CameraInfo, stream: str, images: str, topic: str) -> str:
    """Whether a topic's name says that its images are rectified or raw, other than the parameter, and it matters."""
    if not np.any(info.d) and np.array_equal(np.reshape(info.p, (3, 4))[:, :3].ravel(), info.k):
        return ""
    name = "/".join(topic.split("/")[-2:])
    named = RECTIFIED if re.search(r"(^|[_/])rect", name) else RAW if re.search(r"(^|[_/])raw", name) else images
    if named == images:
        return ""
    return (
        f"registration.{stream}_images is '{images}', but the images come from {topic}: set it to '{named}' if they are"
    )
