"""The state of a node as `/diagnostics`, once a second.

The counterpart of ROS's `diagnostic_updater`, which the ROS packages on PyPI lack. It does not know who owns a
value: each owner contributes its values to a named status with a task.
"""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ckd_ros.ros.conversions import to_stamp
from ckd_ros.ros.qos import overridable
from ckd_ros.ros.status import Status, Task

#: Time from one publication to the next, seconds.
PERIOD = 1.0


class DiagnosticUpdater:
    """Publishes the statuses of a node, each filled in by its tasks, every PERIOD seconds.

    Args:
        node: gives the statuses their prefix (`<node>: <name>`), the publisher and the timer.
        now: the time, nanoseconds.
    """

    def __init__(self, node: Node, now: Callable[[], int]) -> None:
        self._node, self._now = node, now
        self._tasks: dict[str, list[Task]] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", **overridable(10))
        # of a steady clock: simulated time may not have begun, or stand still, and that is to be said
        self._timer = node.create_timer(PERIOD, self.update, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def add(self, name: str, *tasks: Task) -> None:
        """Have tasks contribute to the status `name`, after those that were added before."""
        self._tasks.setdefault(name, []).extend(tasks)

    def update(self) -> None:
        """Publish all statuses now."""
        message = DiagnosticArray(status=[self._status(name, tasks) for name, tasks in self._tasks.items()])
        message.header.stamp = to_stamp(self._now())
        self._publisher.publish(message)

    def _status(self, name: str, tasks: list[Task]) -> DiagnosticStatus:
        status = Status()
        for task in tasks:
            task(status)
        node = self._node.get_fully_qualified_name().lstrip("/")
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if status.warnings else DiagnosticStatus.OK,
            name=f"{node}: {name}",
            message=status.message,
            hardware_id="",
            values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
        )
