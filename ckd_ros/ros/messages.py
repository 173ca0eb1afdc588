"""What the tracker found as messages."""

from __future__ import annotations

import math

import numpy as np
from std_msgs.msg import Header

from ckd_ros.msg import BoundingBox, Track
from ckd_ros.ros.conversions import to_stamp
from ckd_ros.ros.sync.streams import Pair
from ckd_ros.ros.worker import TrackedPair

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:
    Detection2DArray = None  # the topic `detections` is then not offered


def header(pair: Pair, frames: dict[str, str]) -> Header:
    """Stamp and coordinate frame that stand for a pair; `frames` overrides a stream's own frame where not empty."""
    frame = pair.header
    return Header(stamp=to_stamp(frame.stamp), frame_id=frames[frame.stream] or frame.frame_id)


def track(outcome: TrackedPair, header: Header, now: int) -> Track:
    """The Track message of an outcome published at `now`, nanoseconds of the node's clock."""
    message = Track(header=header, target_id=outcome.target, state=Track.IDLE)
    newest = max(frame.stamp for frame in outcome.pair.frames)
    message.latency = (now - newest) / 1e9
    result = outcome.result
    if result is None:
        return message
    message.state = int(result.state)
    message.confidence = min(1.0, max(0.0, float(result.confidence)))
    message.box, message.thermal_box = _box(result.box), _box(result.thermal_box)
    message.rgb_used, message.thermal_used = bool(result.used_rgb), bool(result.used_thermal)
    if result.used_thermal and outcome.images.thermal_stamp is not None:
        message.thermal_stamp = to_stamp(outcome.images.thermal_stamp)
    message.registration_offset_x, message.registration_offset_y = map(float, result.registration_offset)
    message.inference_time, message.processing_time = float(result.inference_s), float(result.total_s)
    return message


def _box(box: np.ndarray) -> BoundingBox:
    """A box as a message, zeros where there is none."""
    x, y, w, h = (float(value) for value in box)
    if not all(map(math.isfinite, (x, y, w, h))):
        return BoundingBox()
    return BoundingBox(x=x, y=y, width=w, height=h)


def detections(track: Track) -> Detection2DArray:
    """The target as vision_msgs' detections: one while it is followed, none while it is lost or there is none."""
    message = Detection2DArray(header=track.header)
    if track.state in (Track.TRACKING, Track.UNCERTAIN):
        detection = Detection2D(header=track.header, id=str(track.target_id))
        detection.bbox.center.position.x = track.box.x + track.box.width / 2
        detection.bbox.center.position.y = track.box.y + track.box.height / 2
        detection.bbox.size_x, detection.bbox.size_y = track.box.width, track.box.height
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "target", float(track.confidence)
        detection.results = [hypothesis]
        message.detections = [detection]
    return message
