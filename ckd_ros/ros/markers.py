"""The direction of the target in space, for RViz: the viewing ray to it and the frustum of its box."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ckd_ros.msg import BoundingBox, Track
from ckd_ros.tracking import TrackState
from ckd_ros.tracking.overlay import STATE_COLOURS

#: A marker that is not renewed disappears after this, seconds.
LIFETIME = 1


def is_calibrated(info: CameraInfo | None) -> bool:
    """Whether a camera_info has arrived and describes a camera: drivers of uncalibrated cameras send zeros."""
    return info is not None and info.k[0] > 0 and info.k[4] > 0 and info.width > 0 and info.height > 0


def viewing_rays(points: np.ndarray, info: CameraInfo, size: tuple[int, int]) -> np.ndarray:
    """Directions of pixels in the camera's optical frame.

    Args:
        points: `(N, 2)` continuous pixels of an image of (width, height) `size`, the view of `info` at any scale.
    Returns:
        `(N, 3)` points at depth 1. Lens distortion is not corrected: use rectified images where it matters.
    """
    k = np.asarray(info.k, float).reshape(3, 3)
    # CameraInfo puts the centre of the first pixel at 0, a continuous coordinate puts it at 0.5.
    pixels = np.asarray(points, float) * [info.width / size[0], info.height / size[1]] - 0.5
    x = (pixels[:, 0] - k[0, 2]) / k[0, 0]
    y = (pixels[:, 1] - k[1, 2]) / k[1, 1]
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def target_markers(
    track: Track, box: BoundingBox, info: CameraInfo, size: tuple[int, int], header: Header, distance: float
) -> MarkerArray:
    """The viewing ray (an arrow) and the frustum (lines) of a target that is followed, else their removal.

    Args:
        box: of the target in the image of `info`'s camera, which is (width, height) `size`.
        header: with the optical frame of that camera.
        distance: length of both, metres.
    """
    if track.state in (Track.IDLE, Track.LOST):
        return MarkerArray(markers=[Marker(header=header, ns="target", action=Marker.DELETEALL)])
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    rays = viewing_rays(np.vstack([corners, corners.mean(axis=0)]), info, size)
    tips = [_point(ray) for ray in rays / np.linalg.norm(rays, axis=1, keepdims=True) * distance]
    eye = Point()

    arrow = _marker(track, header, 0, Marker.ARROW)
    arrow.points = [eye, tips[4]]
    arrow.scale.x, arrow.scale.y, arrow.scale.z = (distance * part for part in (0.005, 0.015, 0.03))
    frustum = _marker(track, header, 1, Marker.LINE_LIST)
    for i in range(4):
        frustum.points += [eye, tips[i], tips[i], tips[(i + 1) % 4]]
    frustum.scale.x = distance * 0.002
    return MarkerArray(markers=[arrow, frustum])


def _marker(track: Track, header: Header, number: int, kind: int) -> Marker:
    blue, green, red = (value / 255.0 for value in STATE_COLOURS[TrackState(track.state)])
    marker = Marker(header=header, ns="target", id=number, type=kind, action=Marker.ADD)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    marker.pose.orientation.w = 1.0
    marker.lifetime = Duration(sec=LIFETIME)
    return marker


def _point(xyz: np.ndarray) -> Point:
    return Point(x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))
