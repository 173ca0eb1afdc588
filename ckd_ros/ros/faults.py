"""What is wrong at the moment: said once in the log when it begins, kept for the diagnostics while it lasts."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from ckd_ros.ros.status import Status

#: A fault is over when it has not been reported for this long, seconds.
OVER_AFTER = 5.0
#: A fault that lasts is logged again after this long, seconds.
REMIND_AFTER = 60.0


@dataclass(frozen=True)
class ActiveFault:
    """Something that is wrong.

    Attributes:
        message: the newest report of it.
        count: how often it was reported.
        last, logged: when it was last reported and last logged, seconds of a monotonic clock.
    """

    message: str
    count: int
    last: float
    logged: float


def described(error: Exception) -> str:
    """An exception that nobody expected, with where it was raised, in one line."""
    origin = traceback.extract_tb(error.__traceback__)[-1]
    return " ".join(f"{error!r} in {origin.name} ({origin.filename}:{origin.lineno})".split())


class FaultMonitor:
    """Collects faults from any thread.

    Args:
        warn: writes a line to the log when a fault begins, or still lasts after a minute.
        info: writes a line when it is over.
        clock: seconds, monotonic.
    """

    def __init__(
        self, warn: Callable[[str], object], info: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._warn, self._info, self._clock = warn, info, clock
        self._lock = threading.Lock()
        self._faults: dict[str, ActiveFault] = {}

    def report(self, key: str, message: str, remind: bool = True) -> None:
        """Something is wrong; `key` names the kind of fault, so that it is logged once and not for every frame.

        `remind`: log it again after a minute; not where it may be as it should be.
        """
        now = self._clock()
        with self._lock:
            fault = self._faults.get(key)
            count = 1 if fault is None else fault.count + 1
            if fault is None or (remind and now - fault.logged >= REMIND_AFTER):
                line, logged = message if fault is None else f"{message} (still, {count} times by now)", now
            else:
                line, logged = None, fault.logged
            self._faults[key] = ActiveFault(message, count, now, logged)
        if line is not None:
            self._warn(line)

    def active(self) -> dict[str, ActiveFault]:
        """The faults that last, by key; those that are over are forgotten, and the log says so."""
        now = self._clock()
        with self._lock:
            over = {key: fault for key, fault in self._faults.items() if now - fault.last > OVER_AFTER}
            for key in over:
                del self._faults[key]
            lasting = dict(self._faults)
        for key, fault in over.items():
            self._info(f"over after {fault.count} time(s): {key}: {fault.message}")
        return lasting

    def describe(self, status: Status) -> None:
        """Contribute every fault to the status of the node."""
        for key, fault in self.active().items():
            status.add(f"fault {key}", f"{fault.message} ({fault.count} times)")
            status.warn(fault.message)

    def describe_stream(self, status: Status, stream: str) -> None:
        """Contribute what is wrong with one stream to its status; the keys of its faults begin with its name."""
        for key, fault in self.active().items():
            if key.startswith(stream):
                status.warn(fault.message)
