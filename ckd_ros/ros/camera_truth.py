"""What the source of the camera node knows of its target: published, and shown to a tracker."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import Header

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.srv import InitTarget

#: A refusal is worth a line once in so many seconds; after as long without an answer the tracker has died, seconds.
PATIENCE = 5.0


@dataclass(frozen=True)
class _Seen:
    """The target in an image that has been published."""

    header: Header
    box: np.ndarray


class CameraTruth:
    """Publishes the true boxes on `truth`, as a `Track`, and has the tracker of the same namespace start on them.

    Args:
        node: the node that publishes the images.
        sequence: what they come from.
        show: whether to show the target to the tracker, at the start and whenever the sequence begins again.
    """

    def __init__(self, node: Node, sequence: FrameSequence, show: bool) -> None:
        self._node, self._sequence = node, sequence
        self._stream = THERMAL if sequence.modality == "thermal" else RGB
        self._publisher = None if sequence.boxes is None else node.create_publisher(Track, "truth", 10)
        self._client: Client | None = node.create_client(InitTarget, "init_target") if show else None
        self._wanted, self._asked, self._round = show, -math.inf, 0
        self._seen: _Seen | None = None
        if show and sequence.init_box is None:
            node.get_logger().warning(
                "init is auto, but the source does not say where its target is: call init_target yourself"
            )

    def published(self, stream: str, number: int, header: Header) -> None:
        """Call this when image `number` (from 0, growing beyond the sequence's length in a loop) is on its way."""
        if stream != self._stream:
            return
        round_, index = divmod(number, len(self._sequence))
        if round_ != self._round:  # where the target was in the round before says nothing
            self._round, self._wanted, self._seen = round_, self._client is not None, None
        if self._wanted and self._seen is not None:  # the image before this one: by now the tracker has it
            self._show(self._seen)
        rgb, thermal = self._sequence.truth(index)
        if self._publisher is not None:
            self._publisher.publish(_track(rgb, thermal, header))
        box = thermal if stream == THERMAL else rgb
        if box is None and index == 0:
            box = self._sequence.init_box
        self._seen = None if box is None or not np.isfinite(box).all() else _Seen(header, box)

    def _show(self, seen: _Seen) -> None:
        client = self._client
        now = time.monotonic()
        if client is None or now < self._asked + PATIENCE or not client.service_is_ready():
            return
        image = InitTarget.Request.THERMAL if self._stream == THERMAL else InitTarget.Request.RGB
        self._asked = now
        request = InitTarget.Request(image=image, box=_box(seen.box), stamp=seen.header.stamp)
        client.call_async(request).add_done_callback(self._on_answer)

    def _on_answer(self, future: Any) -> None:  # a Future, generic in Kilted's rclpy and not in Jazzy's
        answer: InitTarget.Response = future.result()
        self._wanted = self._wanted and not answer.success
        self._asked = -math.inf
        if not answer.success:
            self._node.get_logger().warning(
                f"the tracker does not start: {answer.message}; trying again", throttle_duration_sec=PATIENCE
            )


def _track(rgb: np.ndarray | None, thermal: np.ndarray | None, header: Header) -> Track:
    """The truth as a track: LOST where the target is not to be seen."""
    track = Track(header=header, target_id=1, box=_box(rgb), thermal_box=_box(thermal))
    seen = track.box.width > 0 or track.thermal_box.width > 0
    track.state, track.confidence = (Track.TRACKING, 1.0) if seen else (Track.LOST, 0.0)
    track.rgb_used, track.thermal_used = track.box.width > 0, track.thermal_box.width > 0
    track.rgb_weight, track.thermal_weight = float(track.rgb_used), float(track.thermal_used)
    return track


def _box(box: np.ndarray | None) -> BoundingBox:
    if box is None or not all(map(math.isfinite, box)):
        return BoundingBox()
    x, y, width, height = map(float, box)
    return BoundingBox(x=x, y=y, width=width, height=height)
