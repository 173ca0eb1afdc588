"""How often something happens, and how long it takes."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable

from ckd_ros.ros.status import Status

#: Rates and durations cover the last SPAN seconds.
SPAN = 5.0


class Meter:
    """Rate and durations of an event over the last SPAN. Thread-safe.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[tuple[float, float]] = deque()
        self.restart()

    def restart(self) -> None:
        """Forget what was counted."""
        with self._lock:
            self._start = self._clock()
            self._events.clear()

    def note(self, duration: float = 0.0) -> None:
        """Count one event, which took `duration` seconds."""
        with self._lock:
            self._events.append((self._clock(), duration))
            self._forget()

    def rate(self) -> float:
        """Events per second."""
        with self._lock:
            self._forget()
            return len(self._events) / max(1e-3, min(SPAN, self._clock() - self._start))

    def durations(self) -> list[float]:
        """Seconds that each event took, oldest first."""
        with self._lock:
            self._forget()
            return [duration for _, duration in self._events]

    def describe_latency(self, status: Status) -> None:
        """Contribute the rate of the tracks and how long after the images it follows."""
        durations = sorted(self.durations())
        status.add("rate", f"{self.rate():.1f}")
        status.add("latency median ms", f"{1e3 * statistics.median(durations):.1f}" if durations else "")
        status.add("latency p95 ms", f"{1e3 * durations[int(0.95 * (len(durations) - 1))]:.1f}" if durations else "")

    def _forget(self) -> None:
        now = self._clock()
        while self._events and now - self._events[0][0] > SPAN:
            self._events.popleft()
