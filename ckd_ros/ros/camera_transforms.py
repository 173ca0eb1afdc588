"""The pose between the cameras, as /tf and /tf_static have it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from ckd_ros.geometry import FloatArray
from ckd_ros.ros.calibration import CalibrationError
from ckd_ros.ros.sync.streams import RGB, THERMAL


class Pose(NamedTuple):
    """Takes points of the colour camera's optical frame to that of the thermal camera."""

    rotation: FloatArray  # 3x3
    translation: FloatArray  # metres

    def near(self, other: Pose | None) -> bool:
        """Whether they are the same but for rounding: less than a tenth of a millimetre and of a milliradian apart."""
        return other is not None and all(np.allclose(a, b, atol=1e-4, rtol=0) for a, b in zip(self, other, strict=True))


def can_be_heard() -> bool:
    """Whether the package that listens to /tf is installed."""
    return find_spec("tf2_ros") is not None


class CameraTransforms:
    """Listens to /tf and /tf_static from its construction to `end`. Needs tf2_ros."""

    def __init__(self, node: Node) -> None:
        import tf2_ros

        self._unknown = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def end(self) -> None:
        self._listener.unregister()

    def pose(self, frames: dict[str, str]) -> Pose:
        """The newest pose between the frames of both streams. Raises CalibrationError where there is none."""
        for stream, frame in frames.items():
            if not frame:
                raise CalibrationError(
                    f"registration.extrinsics is 'tf', but {stream}/camera_info names no frame, or has not arrived: "
                    f"name the camera's optical frame in frames.{stream}"
                )
        try:
            stamped = self._buffer.lookup_transform(frames[THERMAL], frames[RGB], Time())
        except self._unknown as error:
            raise CalibrationError(
                f"registration.extrinsics is 'tf', but /tf does not lead from '{frames[RGB]}' to '{frames[THERMAL]}': "
                f"{error}"
            ) from error
        moved = stamped.transform.translation
        return Pose(_matrix(stamped.transform.rotation), np.array([moved.x, moved.y, moved.z]))


def _matrix(quaternion: Any) -> FloatArray:
    """The 3x3 rotation of a quaternion message."""
    parts = np.array([quaternion.w, quaternion.x, quaternion.y, quaternion.z])
    w, x, y, z = parts / np.linalg.norm(parts)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross
