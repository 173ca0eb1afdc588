"""A node as a process: from its first line to its exit status, with signals that end it in order at any moment.

The main thread does nothing but wait for a signal; the node is loaded and runs in a thread of its own. So a signal
never becomes an exception in the middle of an import, of a callback or of the end itself, and ROS is shut down only
when the node no longer uses it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from ckd_ros.ros.faults import FaultMonitor, described

if TYPE_CHECKING:
    from rclpy.executors import Executor

#: What asks a node to end. Further ones change nothing.
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: A node that was asked to end and has not within this time is ended all the same, seconds: what it waits for (a model
#: that is being built, a middleware that hangs) may take minutes.
GRACE = 1.0
#: Exit status of a process that Ctrl-C has interrupted in the middle of something.
INTERRUPTED = 130


class StopRequest:
    """Whether a process has been asked to end; may be used from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._calls: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def set(self) -> None:
        """Ask the process to end."""
        with self._lock:
            self._event.set()
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    def is_set(self) -> bool:
        """Whether it has been asked to."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for so long, or until the process is asked to end; whether it has been."""
        return self._event.wait(max(0.0, seconds))

    def when_set(self, call: Callable[[], object]) -> None:
        """Have `call` called once the process is asked to end, at once if it has been."""
        with self._lock:
            if not self._event.is_set():
                self._calls.append(call)
                return
        call()


def private_domain() -> dict[str, str]:
    """Variables of the environment that keep other nodes out, and what this process starts to itself.

    Domains up to 101 are safe on Linux.
    """
    return {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def begin_ros() -> None:
    """Start ROS 2 with the arguments of the process. Raises ValueError, in one line, for what it does not take."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from ckd_ros.ros.parameter_files import unusable_files

    if texts := unusable_files(sys.argv):
        raise ValueError("; ".join(texts))
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error


def spin(executor: Executor, stop: StopRequest, faults: FaultMonitor) -> None:
    """Spin until the process is asked to end. Unlike a shutdown of ROS this leaves everything usable.

    The exceptions of callbacks are faults: rclpy has some for what others may send, such as a `/clock` before 1970.
    """
    # A task wakes the executor. (Spinning until a future is complete grows with every callback before Kilted.)
    stop.when_set(lambda: executor.create_task(lambda: None))
    while not stop.is_set():
        try:
            executor.spin_once()
        except Exception as error:
            if not executor.context.ok():
                raise
            faults.report("callback", f"a callback failed: {described(error)}")


def run(node: str) -> NoReturn:
    """Run `main` of the module `ckd_ros.ros.NODE`, which takes a StopRequest, and end the process with what it returns.

    Call it before anything else is imported. The status is 1 after an exception, and INTERRUPTED for a node that was
    stopped before it had begun, or had to be ended after GRACE.
    """
    # Signals that are blocked wait for sigwait, also in shells that have their background jobs ignore Ctrl-C.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    stop, begun = StopRequest(), threading.Event()
    threading.Thread(target=_work, args=(node, stop, begun), name=node, daemon=True).start()
    signal.sigwait(SIGNALS)
    stop.set()
    if begun.is_set():  # before that there is nothing that must end in order
        time.sleep(GRACE)
        print(f"{node}: not ready to end {GRACE:g} s after it was asked to: ended all the same", file=sys.stderr)
    _exit(INTERRUPTED)


def _work(node: str, stop: StopRequest, begun: threading.Event) -> None:
    try:
        main = import_module(f"ckd_ros.ros.{node}").main
        begun.set()
        status = main(stop)
    except BaseException:  # also SystemExit, which would end this thread only
        traceback.print_exc()
        status = 1
    _exit(status)


def _exit(status: int) -> NoReturn:
    """End at once. The end of the interpreter would meet threads of libraries at work, and crash now and then."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
