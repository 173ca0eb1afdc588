"""A node in a context and a thread of its own, for commands that do something else meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions


class BackgroundNode:
    """Made at once, spun from `start` to `end`.

    Without ROS's signal handlers: Ctrl-C ends the process as it ends every command.

    Args:
        name: of the node, and of the thread.
        arguments: further ones of `rclpy.create_node`, whose exceptions are raised.

    Attributes:
        node: to be furnished before `start`.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            self.node = rclpy.create_node(name, context=self._context, **arguments)
        except Exception:
            rclpy.try_shutdown(context=self._context)
            raise
        self._executor = SingleThreadedExecutor(context=self._context)
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def start(self) -> None:
        """Serve the node's subscriptions, timers and services from now on."""
        self._executor.add_node(self.node)
        self._thread.start()

    def end(self) -> None:
        """Serve them no longer, and leave ROS."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
