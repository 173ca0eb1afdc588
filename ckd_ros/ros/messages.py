"""What the tracker found, as messages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from std_msgs.msg import Header

from ckd_ros.frames import FramePair
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.ros.conversions import to_stamp
from ckd_ros.ros.sync.streams import CameraPair
from ckd_ros.ros.worker import TrackedPair
from ckd_ros.tracking import TrackResult

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:
    Detection2DArray = None  # the topic `detections` is then not offered


def pair_header(pair: CameraPair, frame_ids: Mapping[str, str]) -> Header:
    """Stamp and coordinate frame that stand for a pair.

    Args:
        frame_ids: replaces the coordinate frame of a stream's images, by stream; empty: the images' own.
    """
    reference = pair.reference
    return Header(stamp=to_stamp(pair.driving.stamp), frame_id=frame_ids[reference.stream] or reference.frame_id)


def track_messages(tracked: TrackedPair, header: Header, latency: float) -> list[Track]:
    """The Track messages of a pair, published `latency` seconds after its newer image was taken: one for each target,
    or one that there is none."""
    if not tracked.results:
        return [Track(header=header, state=Track.IDLE, latency=latency)]
    return [_track(tracked.images, target, result, header, latency) for target, result in tracked.results.items()]


def _track(images: FramePair, target: int, result: TrackResult, header: Header, latency: float) -> Track:
    message = Track(header=header, target_id=target, latency=latency)
    message.state = int(result.state)
    message.confidence = min(1.0, max(0.0, float(result.confidence)))
    message.score = min(1.0, max(0.0, float(result.score)))
    message.position_stddev = float(result.position_stddev)
    message.box, message.thermal_box = _box(result.box), _box(result.thermal_box)
    message.rgb_used, message.thermal_used = bool(result.used_rgb), bool(result.used_thermal)
    message.rgb_weight, message.thermal_weight = float(result.rgb_weight), float(result.thermal_weight)
    if result.used_thermal and images.thermal_stamp is not None:
        message.thermal_stamp = to_stamp(images.thermal_stamp)
    message.registration_offset_x, message.registration_offset_y = map(float, result.registration_offset)
    message.inference_time, message.processing_time = float(result.inference_s), float(result.total_s)
    return message


def _box(box: np.ndarray) -> BoundingBox:
    """A box as a message, zeros where there is none."""
    x, y, w, h = (float(value) for value in box)
    if not all(map(math.isfinite, (x, y, w, h))):
        return BoundingBox()
    return BoundingBox(x=x, y=y, width=w, height=h)


def detections_message(tracks: Sequence[Track]) -> Detection2DArray:
    """The targets of a pair as detections of vision_msgs: those that are TRACKING or UNCERTAIN.

    The pose of a hypothesis is the centre of its box, in pixels, with the covariance of x and y, in pixels squared.
    """
    message = Detection2DArray(header=tracks[0].header)
    for track in (track for track in tracks if track.state in (Track.TRACKING, Track.UNCERTAIN)):
        detection = Detection2D(header=track.header, id=str(track.target_id))
        detection.bbox.center.position.x = track.box.x + track.box.width / 2
        detection.bbox.center.position.y = track.box.y + track.box.height / 2
        detection.bbox.size_x, detection.bbox.size_y = track.box.width, track.box.height
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "target", float(track.confidence)
        hypothesis.pose.pose.position.x = detection.bbox.center.position.x
        hypothesis.pose.pose.position.y = detection.bbox.center.position.y
        for diagonal in (0, 7):  # x and y, of 6 x 6 by rows
            hypothesis.pose.covariance[diagonal] = float(track.position_stddev) ** 2
        detection.results = [hypothesis]
        message.detections.append(detection)
    return message
