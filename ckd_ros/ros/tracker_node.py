"""The node: two camera topics in, the target's box out.

A lifecycle node: `configure` loads the model, `activate` subscribes and starts the worker. It does both by itself
unless `autostart` is false. Callbacks only store images; the worker thread tracks and publishes.
"""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from std_srvs.srv import Trigger

from ckd_ros.ros import configuration, conversions
from ckd_ros.ros.diagnostics import DiagnosticUpdater
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.inputs import CameraInputs
from ckd_ros.ros.meter import Meter
from ckd_ros.ros.node_parameters import NodeParameters
from ckd_ros.ros.outputs import Outputs
from ckd_ros.ros.parameters import PARAMETERS, ParameterError
from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.approximate import ApproximateMatcher
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.ros.worker import TrackedPair, TrackerWorker, WorkerSnapshot
from ckd_ros.srv import InitTarget
from ckd_ros.tracking import OnnxEngine, Registration, Tracker, default_model
from ckd_ros.tracking.engine import Engine

T = TypeVar("T")

_STREAM_OF = {InitTarget.Request.RGB: RGB, InitTarget.Request.THERMAL: THERMAL}


def _logged(transition: Callable) -> Callable:
    """Log the exceptions of a lifecycle transition, which rclpy swallows, and fail the transition."""

    @wraps(transition)
    def wrapper(self: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().error(f"{transition.__name__} failed: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return wrapper


class TrackerNode(LifecycleNode):
    """Node `tracker` in namespace `ckd`. Raises ParameterError for a bad value of a parameter."""

    def __init__(self, **options) -> None:
        super().__init__("tracker", namespace="ckd", automatically_declare_parameters_from_overrides=True, **options)
        self.faults = FaultMonitor(self.get_logger().warning, self.get_logger().info)
        self.inputs = CameraInputs(self, self.faults, on_calibration=lambda: self._apply(self.values))
        self.engine: Engine | None = None
        self.worker: TrackerWorker | None = None
        self._outputs: Outputs | None = None
        self._targets = itertools.count(1)
        self._latency = Meter()
        self._registration: Registration | None = None
        self._declared = NodeParameters(self, PARAMETERS, self._validate, self._apply)
        self.diagnostics = self._make_diagnostics()
        self._target_services = [
            self.create_service(InitTarget, "init_target", self._on_init_target),
            self.create_service(Trigger, "stop", self._on_stop),
        ]

    @property
    def values(self) -> dict[str, Any]:
        """The parameters by name."""
        return self._declared.values

    @property
    def registration(self) -> Registration:
        """The registration in effect; until it is known, both images are taken to show the same view."""
        return self._registration or Registration()

    def start(self) -> bool:
        """Configure and activate. Returns whether that worked; what did not is in the log."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        values = self.values
        names = values["model.providers"]
        try:
            self.engine = OnnxEngine(
                values["model.path"] or default_model(),
                None if "auto" in names else names,
                values["model.cache_dir"] or None,
                values["model.threads"] or None,
            )
        except (FileNotFoundError, ValueError) as error:
            self.get_logger().error(f"the model cannot be used (parameter 'model.path'): {error}")
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(f"model: {self.engine.describe()}")
        self._outputs = Outputs(self, lambda: self.values, lambda: self.registration, self.inputs.calibrations)
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        values = self.values
        try:
            matcher = ApproximateMatcher() if values["sync.policy"] == "approximate" else LatestMatcher()
        except ImportError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        pairer = FramePairer(matcher, values["sync.slop"], values["sync.timeout"], values["sync.history"])
        self._registration = self._compute_registration(values)
        assert self.engine is not None, "a node is configured before it is activated"
        tracker = Tracker(self.engine, self.registration, configuration.tracker_config(values))
        self.worker = TrackerWorker(tracker, pairer, self._publish, self.faults, self._targets)
        self.worker.thermal_crop = tuple(values["thermal.crop"])
        result = super().on_activate(state)
        self.worker.start()
        self.inputs.subscribe(values, self.worker.add)
        self.diagnostics.update()
        return result

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    on_shutdown = on_error = on_cleanup

    def destroy_node(self) -> None:
        self._unload()
        super().destroy_node()

    def _halt(self) -> None:
        self.inputs.unsubscribe()
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def _unload(self) -> None:
        self._halt()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self.engine = None

    def _validate(self, values: dict[str, Any]) -> None:
        configuration.tracker_config(values)
        configuration.registration(values, self.inputs.calibrations)

    def _apply(self, values: dict[str, Any]) -> None:
        """Bring validated values, and the calibrations of the cameras, into effect while running."""
        worker = self.worker
        if worker is None:
            return
        worker.configure_pairing(values["sync.slop"], values["sync.timeout"], values["sync.history"])
        self._registration = self._compute_registration(values)
        registration, config = self.registration, configuration.tracker_config(values)
        worker.submit(lambda: worker.tracker.configure(registration, config))
        worker.submit(lambda: setattr(worker, "thermal_crop", tuple(values["thermal.crop"])))

    def _compute_registration(self, values: dict[str, Any]) -> Registration | None:
        """The registration that the parameters and the calibrations describe; None where it is not known (yet)."""
        try:
            return configuration.registration(values, self.inputs.calibrations)
        except ParameterError as error:  # a camera_info that contradicts the parameters
            self.faults.report("registration", str(error))
            return None

    def _publish(self, tracked: TrackedPair) -> None:
        if self._outputs is None or not self.context.ok():  # interrupted: ROS ends before the worker does
            return
        self._outputs.publish(tracked)
        self._latency.note((time.monotonic_ns() - tracked.pair.arrival) / 1e9)

    def _make_diagnostics(self) -> DiagnosticUpdater:
        """Every part of the node contributes what it knows of the state; the faults come last, or first where they
        explain what else is missing."""
        updater = DiagnosticUpdater(self)
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

    def _describe_lifecycle(self, status: Status) -> None:
        inactive = "unconfigured" if self.engine is None else "inactive"
        lifecycle = inactive if self.worker is None else "active"
        status.note(lifecycle)
        status.add("lifecycle", lifecycle)

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
        if self._registration is None:
            self.faults.report(
                "registration",
                "registration.type is 'calibrated', but no usable camera_info has arrived from one or both cameras: "
                "until then both images are taken to show the same view",
            )
        self.worker.check_pairing()

    async def _on_init_target(self, request: InitTarget.Request, response: InitTarget.Response) -> InitTarget.Response:
        stamp = conversions.to_nanoseconds(request.stamp) or None
        box = np.array([request.box.x, request.box.y, request.box.width, request.box.height])
        try:
            if request.image not in _STREAM_OF:
                raise ValueError(f"image is {request.image}: it must be RGB (0) or THERMAL (1)")
            stream = _STREAM_OF[request.image]
            response.target_id = await self._in_worker(lambda worker: worker.init_target(box, stream, stamp))
        except Exception as error:
            response.success, response.message = False, str(error)
            self.faults.report("init_target", f"init_target refused: {error}")
            return response
        response.success = True
        response.message = f"following target {response.target_id}"
        self.get_logger().info(f"following target {response.target_id}, box {box.tolist()} in the {stream} image")
        return response

    async def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            target = await self._in_worker(lambda worker: worker.stop_target())
        except Exception as error:
            response.success, response.message = False, str(error)
            return response
        response.success = True
        response.message = f"target {target} is no longer followed" if target else "no target was followed"
        self.get_logger().info(response.message)
        return response

    async def _in_worker(self, action: Callable[[TrackerWorker], T]) -> T:
        """The result of an action in the worker's thread; images keep being received meanwhile."""
        worker, executor = self.worker, self.executor
        if worker is None or executor is None:
            raise RuntimeError("the node is not active: activate it first")
        done: Future = Future(executor=executor)

        def finish(_: object) -> None:
            done.set_result(None)
            executor.wake()

        future = worker.submit(lambda: action(worker))
        future.add_done_callback(finish)
        await done
        return future.result()


def main() -> int:
    """Run the node until it is told to stop. Returns the process's exit code."""
    rclpy.init()
    try:
        node = TrackerNode()
    except ParameterError as error:
        rclpy.logging.get_logger("tracker").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    code = 0
    try:
        if node.values["autostart"] and not node.start():
            code = 1
        else:
            executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
