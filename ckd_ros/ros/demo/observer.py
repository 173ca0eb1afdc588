"""The demo's own node: gives the tracker its target, and keeps what the tracker publishes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.ros.conversions import to_nanoseconds, to_stamp
from ckd_ros.ros.demo.run_report import TimedResult
from ckd_ros.srv import InitTarget
from ckd_ros.tracking import TrackResult, TrackState

#: Seconds between the camera_info of an image and the first try to start on it: time for the image itself to arrive.
SETTLE = 0.05
#: For so many seconds the target is started in the first frame, after that in the newest frame whose truth is known.
PATIENCE = 1.0


class Observer:
    """Watches the camera's stamps, `/ckd/track` and `/diagnostics` while the context lasts; keep calling `spin`.

    Args:
        sequence: what the camera node publishes.
        first: its first pair.
        again: whether the target may be started later on the true box, when the first frame is gone.

    Attributes:
        results: what the tracker published since the target was started, by the stamp (ns) of the image.
        latest: the newest of them; None before the first.
        recorded: every track as a bag holds it: time of arrival (ns) and serialised message (CDR).
        diagnostics: the values of the tracker's newest status by key.
        refusal: why the tracker did not start on the target when it was last asked.
    """

    #: Of its node.
    name = "demo"

    def __init__(self, sequence: FrameSequence, first: FramePair, again: bool) -> None:
        self.results: dict[int, TimedResult] = {}
        self.latest: TimedResult | None = None
        self.recorded: list[tuple[int, bytes]] = []
        self.diagnostics: dict[str, str] = {}
        self.refusal = ""
        self._again = again
        self._sequence, self._first, self._thermal_only = sequence, _stamp(first), first.rgb is None
        self._stamps: list[int] = []
        self._first_arrival = 0.0
        self._request: Future | None = None

    def __enter__(self) -> Observer:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = self._node = Node(self.name, namespace="ckd")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        # The camera keeps its camera_info for those who join late: the stamp of the first tells which frame is which.
        kept = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        stream = "thermal" if self._thermal_only else "rgb"
        node.create_subscription(CameraInfo, f"{stream}/camera_info", self._on_info, kept)
        on_track: Any = self._on_track  # takes the message's info too, which Jazzy gives but leaves out of its types
        node.create_subscription(Track, "track", on_track, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._client: Client = node.create_client(InitTarget, "init_target")
        return self

    def __exit__(self, *error) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def spin(self) -> None:
        """Handle what has arrived, or wait a moment for it."""
        self._executor.spin_once(timeout_sec=0.05)

    def tracker_ready(self) -> bool:
        """Whether the tracker can be asked to start."""
        return self._client.service_is_ready() and self.diagnostics.get("lifecycle") == "active"

    def images_arrive(self) -> bool:
        """Whether the camera has begun, and the tracker has had time to receive the first image."""
        return bool(self._stamps) and time.monotonic() - self._first_arrival > SETTLE

    def start_target(self) -> bool:
        """Ask the tracker to start on the true box, again if it refused. Returns whether it has started."""
        if self._request is None:
            self._request = self._client.call_async(self._init_request())
        if not self._request.done():
            return False
        response: Any = self._request.result()
        self._request = None
        self.refusal = "" if response.success else response.message
        return response.success

    def stamp(self, pair: FramePair) -> int:
        """The stamp (ns) under which the camera published a pair of the source."""
        return _stamp(pair) - self._first + self._stamps[0]

    def result(self, pair: FramePair) -> TimedResult | None:
        """What the tracker published for a pair of the source; None where it published nothing."""
        return self.results.get(self.stamp(pair))

    def _init_request(self) -> InitTarget.Request:
        stamp, box, truth = self._stamps[0], self._sequence.init_box, self._sequence.boxes
        if self._again and truth is not None and time.monotonic() - self._first_arrival > PATIENCE:
            numbers = np.round((np.array(self._stamps) - stamp) * self._sequence.rate / 1e9).astype(int)
            known = [n for n in range(len(numbers)) if numbers[n] < len(truth) and np.isfinite(truth[numbers[n]]).all()]
            stamp, box = self._stamps[known[-1]], truth[numbers[known[-1]]]
        assert box is not None, "a source without a first box is refused before anything starts"
        x, y, w, h = map(float, box)
        image = InitTarget.Request.THERMAL if self._thermal_only else InitTarget.Request.RGB
        return InitTarget.Request(image=image, box=BoundingBox(x=x, y=y, width=w, height=h), stamp=to_stamp(stamp))

    def _on_info(self, message: CameraInfo) -> None:
        if not self._stamps:
            self._first_arrival = time.monotonic()
        self._stamps.append(to_nanoseconds(message.header.stamp))

    def _on_track(self, message: Track, info: Any) -> None:
        self.recorded.append((info["received_timestamp"], serialize_message(message)))
        if message.target_id:
            self.latest = _timed_result(message)
            self.results[to_nanoseconds(message.header.stamp)] = self.latest

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(": tracker"):
                self.diagnostics = {pair.key: pair.value for pair in status.values}


def _stamp(pair: FramePair) -> int:
    """The stamp that a Track of this pair carries, nanoseconds."""
    stamp = pair.thermal_stamp if pair.rgb is None else pair.stamp
    assert stamp is not None, "an image has a stamp"
    return stamp


def _timed_result(message: Track) -> TimedResult:
    result = TrackResult(
        box=_box(message.box),
        thermal_box=_box(message.thermal_box),
        confidence=message.confidence,
        score=message.score,
        position_stddev=message.position_stddev,
        state=TrackState(message.state),
        used_rgb=message.rgb_used,
        used_thermal=message.thermal_used,
        registration_offset=(message.registration_offset_x, message.registration_offset_y),
        inference_s=message.inference_time,
        total_s=message.processing_time,
        rgb_weight=message.rgb_weight,
        thermal_weight=message.thermal_weight,
    )
    return TimedResult(result, message.latency)


def _box(box: BoundingBox) -> np.ndarray:
    """`(4,)` the box of a message; NaN where there is none."""
    return np.array([box.x, box.y, box.width, box.height]) if box.width > 0 else np.full(4, np.nan)
