"""The direction of the target in space, for RViz: the viewing ray to it and the frustum of its box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ckd_ros.msg import BoundingBox, Track
from ckd_ros.ros.calibration import Calibration
from ckd_ros.tracking import TrackState
from ckd_ros.tracking.overlay import STATE_COLOURS

#: A marker that is not renewed disappears after this, seconds.
LIFETIME = 1
_NUMBERS = 3  # markers of a target


def viewing_rays(points: np.ndarray, camera: Calibration, size: tuple[int, int]) -> np.ndarray:
    """Directions of pixels in the camera's optical frame.

    Args:
        points: `(N, 2)` continuous pixels of an image of (width, height) `size`, the view of `camera` at any scale.
    Returns:
        `(N, 3)` points at depth 1; NaN where the lens sees nothing.
    """
    rays = camera.lens.rays(np.asarray(points, float) * np.divide(camera.size, size))
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1)


def target_markers(
    targets: Sequence[tuple[Track, BoundingBox]],
    camera: Calibration,
    size: tuple[int, int],
    header: Header,
    distance: float,
) -> MarkerArray:
    """The viewing ray (an arrow) and the frustum (lines) of each target that is seen; the others' are removed.

    While it is UNCERTAIN, a thinner frustum shows how much farther it may reach to each side: two standard deviations.

    Args:
        targets: with their boxes in the image of `camera`, which is (width, height) `size`; an empty one where that
            does not show it.
        header: with the optical frame of that camera.
        distance: length of both, metres.
    """
    shown: list[Marker] = []
    removed: list[Marker] = []
    for track, box in targets:
        seen = track.state not in (Track.IDLE, Track.LOST) and box.width > 0
        markers = _target(track, box, camera, size, header, distance) if seen else []
        shown += markers
        removed += [] if markers else _removal(track, header)
    if not shown:
        removed = [Marker(header=header, ns="target", action=Marker.DELETEALL)]
    return MarkerArray(markers=shown + removed)


def _target(
    track: Track, box: BoundingBox, camera: Calibration, size: tuple[int, int], header: Header, distance: float
) -> list[Marker]:
    """The markers of one target; none where the lens sees nothing of it."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    reach = 2 * box.width / track.box.width * track.position_stddev
    wider = corners + reach * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    rays = viewing_rays(np.vstack([corners, corners.mean(axis=0), wider]), camera, size)
    if not np.isfinite(rays).all():
        return []
    tips = [_point(ray) for ray in rays / np.linalg.norm(rays, axis=1, keepdims=True) * distance]
    eye = Point()

    arrow = _marker(track, header, 0, Marker.ARROW)
    arrow.points = [eye, tips[4]]
    arrow.scale.x, arrow.scale.y, arrow.scale.z = (distance * part for part in (0.005, 0.015, 0.03))
    frustum = _frustum(_marker(track, header, 1, Marker.LINE_LIST), eye, tips[:4], distance * 0.002)
    region = _marker(track, header, 2, Marker.LINE_LIST)
    if track.state == Track.UNCERTAIN:
        region = _frustum(region, eye, tips[5:], distance * 0.0007)
    else:
        region.action = Marker.DELETE
    return [arrow, frustum, region]


def _removal(track: Track, header: Header) -> list[Marker]:
    """What takes the markers of one target away."""
    return [
        Marker(header=header, ns="target", id=_NUMBERS * track.target_id + number, action=Marker.DELETE)
        for number in range(_NUMBERS)
    ]


def _frustum(marker: Marker, eye: Point, tips: list[Point], width: float) -> Marker:
    """The marker with the lines, `width` metres wide, from an eye to four tips and from each to the next."""
    for i in range(4):
        marker.points += [eye, tips[i], tips[i], tips[(i + 1) % 4]]
    marker.scale.x = width
    return marker


def _marker(track: Track, header: Header, number: int, kind: int) -> Marker:
    blue, green, red = (value / 255.0 for value in STATE_COLOURS[TrackState(track.state)])
    marker = Marker(header=header, ns="target", id=_NUMBERS * track.target_id + number, type=kind, action=Marker.ADD)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    marker.pose.orientation.w = 1.0
    marker.lifetime = Duration(sec=LIFETIME)
    return marker


def _point(xyz: np.ndarray) -> Point:
    return Point(x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))
