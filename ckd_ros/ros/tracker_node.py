"""The node: two camera topics in, the target's box out.

A lifecycle node: `configure` loads the model, `activate` subscribes and starts the worker. It does both by itself
unless `autostart` is false. Callbacks only store; the worker thread tracks and publishes.
"""

from __future__ import annotations

import functools
import itertools
import time
import traceback
from collections.abc import Callable
from functools import partial

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from ckd_ros.ros import configuration, conversions
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.node_parameters import NodeParameters
from ckd_ros.ros.outputs import Outputs
from ckd_ros.ros.parameters import PARAMETERS, ParameterError
from ckd_ros.ros.reporter import Reporter
from ckd_ros.ros.sync.approximate import SynchronizedPairer
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, Frame, Verdict
from ckd_ros.ros.worker import TrackedPair, TrackerWorker
from ckd_ros.srv import InitTarget
from ckd_ros.tracking import OnnxEngine, Registration, Tracker, default_model

_STREAM_OF = {InitTarget.Request.RGB: RGB, InitTarget.Request.THERMAL: THERMAL}
_WRONG_ORDER = {
    Verdict.REPEATED: "the stamp of a {0} image repeats that of the one before: the image is not used",
    Verdict.LATE: "a {0} image is older than the one before: it is not used",
    Verdict.CLOCK_SET_BACK: "the stamps of the {0} images went back: the clock was set, or a bag loops; starting anew",
}


def _logged(transition: Callable) -> Callable:
    """rclpy swallows exceptions of lifecycle transitions without a word: log them and fail the transition."""

    @functools.wraps(transition)
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
        self.engine: OnnxEngine | None = None
        self.worker: TrackerWorker | None = None
        self._outputs: Outputs | None = None
        self._targets = itertools.count(1)
        self._infos: dict[str, CameraInfo] = {}
        self._subscriptions_of_cameras: list = []
        self._parameters_of_node = NodeParameters(self, PARAMETERS, self._validate, self._apply)
        self.reporter = Reporter(self)
        self._services_of_node = [
            self.create_service(InitTarget, "init_target", self._on_init_target),
            self.create_service(Trigger, "stop", self._on_stop),
        ]

    @property
    def values(self) -> dict:
        """The parameters by name."""
        return self._parameters_of_node.values

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
        self._outputs = Outputs(self, lambda: self.values, self._infos)
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        values = self.values
        try:
            pairer = self._make_pairer(values)
        except ImportError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        tracker = Tracker(self.engine, self._register(values), configuration.tracker_config(values))
        self.worker = TrackerWorker(tracker, pairer, self._publish, self.faults, self._targets)
        result = super().on_activate(state)
        self.worker.start()
        self._subscribe(values)
        self.reporter.report()
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
        for subscription in self._subscriptions_of_cameras:
            self.destroy_subscription(subscription)
        self._subscriptions_of_cameras = []
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def _unload(self) -> None:
        self._halt()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self.engine = None

    def _make_pairer(self, values: dict) -> FramePairer:
        kind = SynchronizedPairer if values["sync.policy"] == "approximate" else FramePairer
        return kind(values["sync.slop"], values["sync.timeout"], values["sync.history"])

    def _subscribe(self, values: dict) -> None:
        compressed = values["image_transport"] == "compressed"
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        reliable = values["qos.reliability"] == "reliable"
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=values["qos.depth"], reliability=reliability)
        for stream in (RGB, THERMAL):
            on_image, on_info = partial(self._on_image, stream), partial(self._on_info, stream)
            self._subscriptions_of_cameras += [
                self.create_subscription(kind, f"{stream}/image{suffix}", on_image, qos),
                self.create_subscription(CameraInfo, f"{stream}/camera_info", on_info, qos_profile_sensor_data),
            ]

    def _on_image(self, stream: str, message: Image | CompressedImage) -> None:
        arrival, worker = time.monotonic_ns(), self.worker
        if worker is None:  # deactivated while the message was on its way
            return
        self.reporter.arrivals[stream].note()
        try:
            conversions.check_image(message)
        except conversions.ImageError as error:
            self.faults.report(f"{stream} image", f"{stream} image cannot be used: {error}")
            return
        stamp = conversions.to_nanoseconds(message.header.stamp)
        if stamp <= 0:
            self.faults.report(
                f"{stream} stamp", f"{stream} images have no stamp: the time of reception is used instead"
            )
            stamp = self.get_clock().now().nanoseconds
        load = partial(conversions.load_image, message)
        verdict = worker.add(Frame(stream, stamp, arrival, load, message.header.frame_id))
        if verdict in _WRONG_ORDER:
            self.faults.report(f"{stream} order", _WRONG_ORDER[verdict].format(stream))

    def _on_info(self, stream: str, message: CameraInfo) -> None:
        known = self._infos.get(stream)
        self._infos[stream] = message
        if known is None or not np.array_equal(known.k, message.k):
            self._apply(self.values)

    def _validate(self, values: dict) -> None:
        configuration.tracker_config(values)
        configuration.registration(values, self._infos)

    def _apply(self, values: dict) -> None:
        """Bring validated values into effect while running."""
        if self.worker is None:
            return
        self.worker.configure_pairing(values["sync.slop"], values["sync.timeout"], values["sync.history"])
        registration, config = self._register(values), configuration.tracker_config(values)
        self.worker.submit(lambda: self.worker.tracker.configure(config, registration))

    def _register(self, values: dict) -> Registration:
        try:
            registration = configuration.registration(values, self._infos)
        except ParameterError as error:  # a camera_info that contradicts the parameters
            self.faults.report("registration", str(error))
            registration = None
        self.reporter.waits_for_calibration = registration is None
        self._outputs.registration = registration or Registration()
        return self._outputs.registration

    def _publish(self, outcome: TrackedPair) -> None:
        if not self.context.ok():  # interrupted: ROS is gone before the worker is told to stop
            return
        self._outputs.publish(outcome)
        self.reporter.note(outcome)

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

    async def _in_worker(self, action: Callable[[TrackerWorker], object]) -> object:
        """The result of an action in the worker's thread; images keep being received meanwhile."""
        worker, executor = self.worker, self.executor
        if worker is None:
            raise RuntimeError("the node is not active: activate it first")
        done: Future = Future(executor=executor)

        def finish(_) -> None:
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
