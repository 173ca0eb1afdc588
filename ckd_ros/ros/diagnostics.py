"""The state of the node as `/diagnostics`: rates, pairing, latency, engine, faults."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from ckd_ros.ros.faults import ActiveFault
from ckd_ros.ros.health import StreamHealth
from ckd_ros.ros.sync.streams import Counters
from ckd_ros.ros.worker import Progress

#: Rates and latencies are those of this last span, seconds.
WINDOW = 5.0


class Meter:
    """Rate and durations of something that happens, over the last WINDOW. Thread-safe."""

    def __init__(self, clock=time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = clock()
        self._events: deque[tuple[float, float]] = deque()

    def note(self, duration: float = 0.0) -> None:
        """It happened, and took `duration` seconds."""
        with self._lock:
            self._events.append((self._clock(), duration))
            self._forget()

    def rate(self) -> float:
        """How often per second."""
        with self._lock:
            self._forget()
            return len(self._events) / max(1e-3, min(WINDOW, self._clock() - self._begun))

    def durations(self) -> list[float]:
        with self._lock:
            self._forget()
            return [duration for _, duration in self._events]

    def _forget(self) -> None:
        now = self._clock()
        while self._events and now - self._events[0][0] > WINDOW:
            self._events.popleft()


def stream_status(
    name: str, stream: str, meter: Meter, health: StreamHealth, counters: Counters, faults
) -> DiagnosticStatus:
    """One camera stream: its rate, what its images are, and what is wrong with them."""
    width, height, encoding = health.image or (0, 0, "")
    rate = meter.rate()
    values = {
        "rate": f"{rate:.1f}",
        "image": f"{width} x {height} {encoding}",
        **{
            key.replace("_", " "): getattr(counters, key)[stream]
            for key in ("received", "unpaired", "repeated", "late", "clock_set_back")
        },
    }
    own = {key: fault for key, fault in faults.items() if key.startswith(stream)}
    level, message = _level(own, f"{rate:.1f} Hz")
    if rate == 0.0 and level == DiagnosticStatus.OK:
        level, message = DiagnosticStatus.WARN, "no images come"
    return _status(f"{name}: {stream}", level, message, values)


def tracker_status(
    name: str,
    lifecycle: str,
    engine: dict[str, str],
    following: str,
    progress: Progress,
    counters: Counters,
    offset: float | None,
    latency: Meter,
    faults: dict[str, ActiveFault],
) -> DiagnosticStatus:
    """The node as a whole."""
    durations = sorted(latency.durations())
    values = {
        "lifecycle": lifecycle,
        **engine,
        "target": following,
        "pairs": progress.pairs,
        "dropped": progress.dropped,
        "paired": counters.paired,
        "single": counters.single,
        "rate": f"{latency.rate():.1f}",
        "latency median ms": f"{1e3 * statistics.median(durations):.1f}" if durations else "",
        "latency p95 ms": f"{1e3 * durations[int(0.95 * (len(durations) - 1))]:.1f}" if durations else "",
        "stamp offset ms": "" if offset is None else f"{1e3 * offset:.1f}",
        **{f"fault {key}": f"{fault.message} ({fault.count} times)" for key, fault in faults.items()},
    }
    level, message = _level(faults, f"{lifecycle}, {following}")
    return _status(f"{name}: tracker", level, message, values)


def array(stamp, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    message = DiagnosticArray(status=statuses)
    message.header.stamp = stamp
    return message


def _level(faults: dict[str, ActiveFault], fine: str) -> tuple[bytes, str]:
    if not faults:
        return DiagnosticStatus.OK, fine
    return DiagnosticStatus.WARN, "; ".join(fault.message for fault in faults.values())


def _status(name: str, level: bytes, message: str, values: dict[str, object]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id="", values=pairs)
