"""Collects what goes on in the node and publishes it as `/diagnostics`, once a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray

from ckd_ros.ros import diagnostics
from ckd_ros.ros.diagnostics import Meter
from ckd_ros.ros.health import StreamHealth
from ckd_ros.ros.sync.streams import RGB, THERMAL, Counters
from ckd_ros.ros.worker import Progress, TrackedPair

if TYPE_CHECKING:
    from ckd_ros.ros.tracker_node import TrackerNode

PERIOD = 1.0


class Reporter:
    """`arrivals` and `note` are fed by the node; everything else it looks up itself."""

    def __init__(self, node: TrackerNode) -> None:
        self.arrivals = {RGB: Meter(), THERMAL: Meter()}
        self.waits_for_calibration = False
        self._node = node
        self._latency = Meter()
        self._before = Counters()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(PERIOD, self.report)

    def note(self, outcome: TrackedPair) -> None:
        """A pair was worked on and its track published."""
        self._latency.note((time.monotonic_ns() - outcome.pair.arrival) / 1e9)

    def report(self) -> None:
        """Publish the state of the node."""
        node, worker = self._node, self._node.worker
        if worker is None:
            counters, offset, progress = Counters(), None, Progress()
            health = {name: StreamHealth(name) for name in (RGB, THERMAL)}
        else:
            counters, offset = worker.pairing()
            progress, health = worker.progress, worker.health
            self._check_streams(counters, offset)
        faults = node.faults.active()
        name = node.get_fully_qualified_name().lstrip("/")
        tracker = diagnostics.tracker_status(
            name,
            self._lifecycle(),
            self._engine(),
            self._following(),
            progress,
            counters,
            offset,
            self._latency,
            faults,
        )
        streams = [
            diagnostics.stream_status(name, stream, self.arrivals[stream], health[stream], counters, faults)
            for stream in (RGB, THERMAL)
        ]
        self._publisher.publish(diagnostics.array(node.get_clock().now().to_msg(), [tracker, *streams]))

    def _check_streams(self, counters: Counters, offset: float | None) -> None:
        """Faults of the streams as a whole, which no single image shows."""
        faults = self._node.faults
        if self.waits_for_calibration:
            faults.report(
                "registration",
                "registration.type is 'calibrated', but a usable camera_info of both cameras has not come: until then "
                "both images are taken to show the same view",
            )
        before, self._before = self._before, counters
        alive = all(counters.received[stream] > before.received[stream] for stream in (RGB, THERMAL))
        if alive and counters.paired == before.paired and counters.single > before.single:
            faults.report(
                "pairing",
                f"no pairs: the newest thermal stamp is {offset:+.3f} s from the newest colour stamp, and sync.slop is "
                f"{self._node.values['sync.slop']:g} s; are both cameras stamped by the same clock?",
            )

    def _engine(self) -> dict[str, str]:
        engine = self._node.engine
        return {} if engine is None else {"provider": engine.provider, "engine": engine.describe()}

    def _lifecycle(self) -> str:
        if self._node.worker is not None:
            return "active"
        return "unconfigured" if self._node.engine is None else "inactive"

    def _following(self) -> str:
        outcome = self._node.worker.outcome if self._node.worker is not None else None
        if outcome is None or outcome.result is None:
            return "no target"
        return f"target {outcome.target} {outcome.result.state.name}"
