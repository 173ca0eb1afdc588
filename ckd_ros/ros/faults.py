"""What is wrong at the moment: said once in the log when it begins, kept for the diagnostics while it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

#: A fault that was not seen for so long is over, seconds.
OVER_AFTER = 5.0
#: A fault that lasts is logged again after so long, seconds.
REMIND_AFTER = 60.0


@dataclass
class ActiveFault:
    """Something wrong: what was last reported of it, how often, and when (seconds of a monotonic clock)."""

    message: str
    count: int
    last: float
    logged: float


class FaultMonitor:
    """Collects faults from any thread.

    Args:
        warn: writes a line to the log when a fault begins, or still lasts after a minute.
        info: writes a line when it is over.
        clock: seconds, monotonic.
    """

    def __init__(
        self, warn: Callable[[str], None], info: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._warn, self._info, self._clock = warn, info, clock
        self._lock = threading.Lock()
        self._faults: dict[str, ActiveFault] = {}

    def report(self, key: str, message: str) -> None:
        """Something is wrong; `key` says what kind of thing, so that it is logged once and not per frame."""
        now = self._clock()
        with self._lock:
            fault = self._faults.get(key)
            if fault is None:
                fault = self._faults[key] = ActiveFault(message, 0, now, now)
                line = message
            elif now - fault.logged >= REMIND_AFTER:
                fault.logged = now
                line = f"{message} (still, {fault.count + 1} times by now)"
            else:
                line = None
            fault.message, fault.count, fault.last = message, fault.count + 1, now
        if line is not None:
            self._warn(line)

    def active(self) -> dict[str, ActiveFault]:
        """The faults that last, by key; those that are over are forgotten and said to be over."""
        now = self._clock()
        with self._lock:
            over = {key: fault for key, fault in self._faults.items() if now - fault.last > OVER_AFTER}
            for key in over:
                del self._faults[key]
            lasting = dict(self._faults)
        for key, fault in over.items():
            self._info(f"over after {fault.count} time(s): {key}: {fault.message}")
        return lasting
