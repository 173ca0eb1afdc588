"""The node: two camera topics in, the target's box out.

A lifecycle node: `configure` loads the model, `activate` subscribes and starts the worker. It does both by itself
unless `autostart` is false. Callbacks only store images; the worker thread tracks and publishes.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ckd_ros.ros import configuration
from ckd_ros.ros.clock import NodeClock
from ckd_ros.ros.diagnostics import DiagnosticUpdater
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.inputs import CameraInputs
from ckd_ros.ros.lifecycle import ManagerBond, answer_transitions, logged
from ckd_ros.ros.meter import Meter
from ckd_ros.ros.node_parameters import NodeParameters
from ckd_ros.ros.node_registration import NodeRegistration
from ckd_ros.ros.outputs import Outputs
from ckd_ros.ros.pair_loader import PairLoader
from ckd_ros.ros.parameters import PARAMETERS
from ckd_ros.ros.process import StopRequest, begin_ros, run, spin
from ckd_ros.ros.qos import without_effect
from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.approximate import ApproximateMatcher
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.ros.target_memory import TargetMemory
from ckd_ros.ros.target_services import TargetServices
from ckd_ros.ros.worker import TargetCount, TrackedPair, TrackerWorker, WorkerSnapshot
from ckd_ros.tracking import OnnxEngine, Tracker
from ckd_ros.tracking.engine import Engine, chosen_model


class TrackerNode(LifecycleNode):
    """Node `tracker` in namespace `ckd`. Raises ParameterError for a bad value of a parameter."""

    def __init__(self, **options) -> None:
        super().__init__("tracker", namespace="ckd", automatically_declare_parameters_from_overrides=True, **options)
        self.faults = FaultMonitor(self.get_logger().warning, self.get_logger().info)
        self.clock = NodeClock(self, self.faults)
        self.inputs = CameraInputs(self, self.clock, self.faults, on_calibration=lambda: self._apply(self.values))
        self.engine: Engine | None = None
        self.worker: TrackerWorker | None = None
        self._outputs: Outputs | None = None
        self._targets = TargetCount()
        self._latency = Meter()
        self._bond = ManagerBond(self)
        topics = {stream: self.resolve_topic_name(f"{stream}/image") for stream in (RGB, THERMAL)}
        self.registration = NodeRegistration(self, self.inputs.calibrations, topics)
        self._declared = NodeParameters(self, PARAMETERS, self._validate, self._apply)
        self.diagnostics = self._make_diagnostics()
        self._target_services = TargetServices(self, lambda: self.worker, self.inputs, self.faults, lambda: self.values)
        answer_transitions(self, self._lifecycle, lambda: self.values["autostart"])

    @property
    def values(self) -> dict[str, Any]:
        """The parameters by name."""
        return self._declared.values

    def start(self) -> bool:
        """Configure and activate. Returns whether that worked; what did not is in the log."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    @logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        values = self.values
        providers = None if "auto" in values["model.providers"] else values["model.providers"]
        try:
            self.engine = OnnxEngine(
                chosen_model(values["model.path"], providers),
                providers,
                values["model.cache_dir"] or None,
                values["model.threads"] or None,
            )
        except (FileNotFoundError, ValueError) as error:
            self.get_logger().error(f"the model cannot be used (parameter 'model.path'): {error}")
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(f"model: {self.engine.describe()}")
        self._outputs = Outputs(
            self, self.clock, lambda: self.values, lambda: self.registration.current, self.inputs.calibrations
        )
        return super().on_configure(state)

    @logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        values = self.values
        try:
            matcher = ApproximateMatcher() if values["sync.policy"] == "approximate" else LatestMatcher()
        except ImportError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        pairer = FramePairer(matcher, **self._pairing(values), say=self.get_logger().info)
        assert self.engine is not None, "a node is configured before it is activated"
        tracker = Tracker(self.engine, self.registration.update(values), configuration.tracker_config(values))
        memory = None
        if values["init.restore"]:
            memory = TargetMemory(self.get_fully_qualified_name(), values["init.max_age"])
        loader = PairLoader(self.faults, self.inputs.correct)
        loader.thermal_crop = tuple(values["thermal.crop"])
        self.worker = TrackerWorker(tracker, pairer, loader, self._publish, self.faults, self._targets, memory)
        result = super().on_activate(state)
        self.worker.start()
        restored = self.worker.submit(self.worker.restore)
        restored.add_done_callback(lambda done: self.get_logger().info(str(done.exception() or done.result())))
        self.inputs.subscribe(values, self.worker.add)
        for text in without_effect(self, self._declared.given):
            self.get_logger().warning(text)
        if not values["autostart"]:
            self._bond.form()
        self.diagnostics.update()
        return result

    @logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        return super().on_deactivate(state)

    @logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    on_shutdown = on_error = on_cleanup

    def destroy_node(self) -> None:
        self._unload()
        super().destroy_node()

    def _halt(self) -> None:
        self._bond.end()
        self.inputs.unsubscribe()
        self.registration.end()
        if self.worker is not None:
            self.worker.stop()
            self.worker = None
            self._latency.restart()

    def _unload(self) -> None:
        self._halt()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self.engine = None

    def _validate(self, values: dict[str, Any]) -> None:
        configuration.tracker_config(values)
        configuration.check_registration(values)

    def _apply(self, values: dict[str, Any]) -> None:
        """Bring validated values, and the calibrations of the cameras, into effect while running."""
        worker = self.worker
        if worker is None:
            return
        self.inputs.configure(values)
        worker.configure_pairing(**self._pairing(values))
        registration, config = self.registration.update(values), configuration.tracker_config(values)
        worker.submit(lambda: worker.tracker.configure(registration, config))
        worker.submit(lambda: setattr(worker.loader, "thermal_crop", tuple(values["thermal.crop"])))

    @staticmethod
    def _pairing(values: dict[str, Any]) -> dict[str, Any]:
        """The settings of a `FramePairer`."""
        return {name: values[f"sync.{name}"] for name in ("slop", "timeout", "history", "drive")}

    def _publish(self, tracked: TrackedPair) -> None:
        if self._outputs is None or not self.context.ok():  # interrupted: ROS ends before the worker does
            return
        self._outputs.publish(tracked)
        self._latency.note((time.monotonic_ns() - tracked.pair.arrival) / 1e9)

    def _make_diagnostics(self) -> DiagnosticUpdater:
        """Every part of the node contributes what it knows of the state; the faults come last, or first where they
        explain what else is missing."""
        updater = DiagnosticUpdater(self, self.clock.now)
        updater.add("tracker", self._describe_lifecycle, self._describe_engine, self._check_inputs)
        updater.add("tracker", lambda status: self._worker_snapshot().describe(status))
        updater.add("tracker", self._latency.describe_latency, self.faults.describe)
        for stream in (RGB, THERMAL):
            updater.add(stream, partial(self.faults.describe_stream, stream=stream))
            updater.add(stream, partial(self.inputs.describe_stream, stream=stream))
            updater.add(stream, partial(self._describe_stream, stream=stream))
        return updater

    def _worker_snapshot(self) -> WorkerSnapshot:
        return WorkerSnapshot() if self.worker is None else self.worker.snapshot()

    def _lifecycle(self) -> str:
        inactive = "unconfigured" if self.engine is None else "inactive"
        return inactive if self.worker is None else "active"

    def _describe_lifecycle(self, status: Status) -> None:
        status.note(self._lifecycle())
        status.add("lifecycle", self._lifecycle())

    def _describe_engine(self, status: Status) -> None:
        if self.engine is not None:
            status.add("provider", self.engine.provider)
            status.add("engine", self.engine.describe())

    def _describe_stream(self, status: Status, stream: str) -> None:
        self._worker_snapshot().describe_stream(status, stream)

    def _check_inputs(self, status: Status) -> None:
        """Report what is wrong with the cameras' input as a whole, which no single image shows."""
        if self.worker is None:
            return
        self.inputs.hear_latched()
        if self.registration.moved(self.values):
            self._apply(self.values)
        for key, message in self.registration.problems(self.values, self.worker.snapshot().formats).items():
            self.faults.report(key, message)
        self.worker.check_pairing()
        self.inputs.check()
        self.clock.check()


def main(stop: StopRequest) -> int:
    """Run the node until it is told to stop. Returns the process's exit status."""
    try:
        begin_ros()
        node = TrackerNode()
    except ValueError as error:
        rclpy.logging.get_logger("tracker").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.values["autostart"] and not stop.is_set() and not node.start():
            return 1
        spin(executor, stop, node.faults)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    run("tracker_node")
