"""The services by which a user shows the tracker node its target, and has it forget it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_srvs.srv import Trigger

from ckd_ros.ros.conversions import to_nanoseconds
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.inputs import CameraInputs
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.ros.worker import TrackerWorker
from ckd_ros.srv import InitTarget

T = TypeVar("T")

#: `limits.starts` are counted over so many seconds.
_WINDOW = 10.0
_STREAM_OF = {InitTarget.Request.RGB: RGB, InitTarget.Request.THERMAL: THERMAL}


class TargetServices:
    """Offers `init_target` and `stop`.

    Args:
        node: the node to offer them from.
        worker: gives the worker of an active node, None while there is none.
        inputs: knows why there is no image.
        faults: told of refused targets.
        values: gives the node's parameters by name, as they are at the time of a call.
    """

    def __init__(
        self,
        node: LifecycleNode,
        worker: Callable[[], TrackerWorker | None],
        inputs: CameraInputs,
        faults: FaultMonitor,
        values: Callable[[], dict[str, Any]],
    ) -> None:
        self._node, self._worker, self._inputs, self._faults, self._values = node, worker, inputs, faults, values
        self._starts: deque[float] = deque()  # when init_target was asked for
        node.create_service(InitTarget, "init_target", self._on_init_target)
        node.create_service(Trigger, "stop", self._on_stop)

    async def _on_init_target(self, request: InitTarget.Request, response: InitTarget.Response) -> InitTarget.Response:
        try:
            self._check_rate()
            if request.image not in _STREAM_OF:
                raise ValueError(f"image is {request.image}: it must be RGB (0) or THERMAL (1)")
            stream = _STREAM_OF[request.image]
            box = np.array([request.box.x, request.box.y, request.box.width, request.box.height])
            target, confidence = await self._init_target(box, stream, to_nanoseconds(request.stamp) or None)
        except Exception as error:
            response.success, response.message = False, str(error)
            self._faults.report("init_target", f"init_target refused: {error}")
            return response
        response.success, response.target_id, response.confidence = True, target, confidence
        weak = confidence < self._values()["tracker.uncertain_below"]
        response.message = f"following target {target}; {'weak' if weak else 'confidence'}: {confidence:.2f}"
        self._node.get_logger().info(f"{response.message}, box {box.tolist()} in the {stream} image")
        return response

    def _check_rate(self) -> None:
        """Raise RuntimeError where targets are started so often that nothing would be left for the images."""
        now, most = time.monotonic(), self._values()["limits.starts"]
        while self._starts and now - self._starts[0] > _WINDOW:
            self._starts.popleft()
        if most and len(self._starts) >= most:
            raise RuntimeError(f"more than {most} requests within {_WINDOW:g} s (limits.starts): ask again later")
        self._starts.append(now)

    async def _init_target(self, box: np.ndarray, stream: str, stamp: int | None) -> tuple[int, float]:
        """See `TrackerWorker.init_target`. Where there is no image, the error says why."""
        enough = self._values()["init.min_confidence"]
        try:
            return await self._in_worker(lambda worker: worker.init_target(box, stream, stamp, enough))
        except LookupError as error:
            reason = self._inputs.why_none(stream)
            raise LookupError(f"{error}; {reason}" if reason else str(error)) from error

    async def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            target = await self._in_worker(lambda worker: worker.stop_target())
        except Exception as error:
            response.success, response.message = False, str(error)
            return response
        response.success = True
        response.message = f"target {target} is no longer followed" if target else "no target was followed"
        self._node.get_logger().info(response.message)
        return response

    async def _in_worker(self, action: Callable[[TrackerWorker], T]) -> T:
        """The result of an action in the worker's thread; images keep being received meanwhile."""
        worker, executor = self._worker(), self._node.executor
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
