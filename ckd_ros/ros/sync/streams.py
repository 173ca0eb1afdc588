"""What arrives from the two cameras: frames that are not decoded yet, the streams they form, the pairs made of them.

Decoded, a `CameraFrame` becomes a `frames.Image` and a `CameraPair` the `frames.FramePair` that the tracker takes.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ckd_ros.frames import Image, Timing

RGB, THERMAL = "rgb", "thermal"
#: A rate is taken over so many images at most, and known from so many and from so long on, nanoseconds.
_RATE_OVER, _RATE_FROM, _RATE_SPAN = 64, 8, 1_000_000_000
#: Intervals that are remembered, and so many of the longest of them after which a frame must have come.
_INTERVALS, _MISSED = 9, 2.5


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """An image as it arrived from a camera, with its times; it need not be decoded yet.

    Attributes:
        stream: RGB or THERMAL.
        stamp: acquisition time, nanoseconds of the camera's clock.
        arrival: reception time, nanoseconds of this machine's monotonic clock.
        load: decodes the image; raises ValueError when it is broken.
        frame_id: coordinate frame of the camera.
        offset: by how much the stamps of its camera are ahead of the colour camera's at one moment, nanoseconds.
        stamped: whether the camera stamped it; else the stamp is the time of reception.
    """

    stream: str
    stamp: int
    arrival: int
    load: Callable[[], Image]
    frame_id: str = ""
    offset: int = 0
    stamped: bool = True

    @property
    def moment(self) -> int:
        """Acquisition time on the colour camera's clock, nanoseconds: what is compared between the streams."""
        return self.stamp - self.offset


@dataclass(frozen=True, eq=False)
class CameraPair:
    """One frame of each stream, or one alone.

    Attributes:
        number: counts the pairs of a pairer from 1.
        driver: the stream for whose frame the pair was made: its moment is that of the pair.
    """

    rgb: CameraFrame | None
    thermal: CameraFrame | None
    number: int
    driver: str = RGB

    @property
    def frames(self) -> tuple[CameraFrame, ...]:
        return tuple(frame for frame in (self.rgb, self.thermal) if frame is not None)

    @property
    def arrival(self) -> int:
        """When the newest of its frames arrived."""
        return max(frame.arrival for frame in self.frames)

    @property
    def reference(self) -> CameraFrame:
        """The frame in whose pixels, and coordinate frame, boxes are: the colour frame where there is one."""
        return self.frames[0]

    @property
    def driving(self) -> CameraFrame:
        """The frame whose stamp stands for the pair: that of the driver where there is one."""
        return self.frames[-1] if self.driver == THERMAL else self.frames[0]

    @property
    def timing(self) -> Timing:
        """When its frames were taken."""
        moment = self.driving.moment
        ages = {f"{frame.stream}_age": (moment - frame.moment) / 1e9 for frame in self.frames}
        return Timing(moment, **ages)


class Verdict(Enum):
    """What the order of the stamps says about a frame that arrived, and what becomes of it."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # refused: its stamp is that of the frame before
    LATE = "late"  # refused: older than the frame before
    CLOCK_SET_BACK = "clock set back"  # accepted: the stream started anew


def _zero_per_stream() -> dict[str, int]:
    return {RGB: 0, THERMAL: 0}


@dataclass
class Counters:
    """What happened since the pairer was made: per stream by its name, and for both together."""

    received: dict[str, int] = field(default_factory=_zero_per_stream)
    repeated: dict[str, int] = field(default_factory=_zero_per_stream)
    late: dict[str, int] = field(default_factory=_zero_per_stream)
    clock_set_back: dict[str, int] = field(default_factory=_zero_per_stream)
    unpaired: dict[str, int] = field(default_factory=_zero_per_stream)  # found no partner, not used
    reused: dict[str, int] = field(default_factory=_zero_per_stream)  # times that an image was used once more
    alone: dict[str, int] = field(default_factory=_zero_per_stream)  # went out without one of the other
    paired: int = 0

    @property
    def single(self) -> int:
        """How many images of either stream went out alone."""
        return sum(self.alone.values())


class Stream:
    """What is known of one stream.

    Attributes:
        newest: the newest frame; None before the first.
        alive_since: arrival of the first frame after the last silence.
        late_in_a_row: how many late frames arrived one after another.
        history: the recent frames, oldest first.
        waiting: those of them that may still find a partner, oldest first.
        arrival_intervals, stamp_intervals: nanoseconds between the last few frames.
    """

    def __init__(self) -> None:
        self.newest: CameraFrame | None = None
        self.alive_since = 0
        self.late_in_a_row = 0
        self.history: deque[CameraFrame] = deque()
        self.arrival_intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._arrivals: deque[int] = deque(maxlen=_RATE_OVER)
        self.restart()

    def restart(self) -> None:
        """Forget the frames: their clock was set back, so that their stamps mean nothing beside those to come."""
        self.waiting: deque[CameraFrame] = deque()
        self.stamp_intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.history.clear()

    def accept(self, frame: CameraFrame) -> None:
        """Add a frame, the newest from now on."""
        if self.newest is not None:
            self.arrival_intervals.append(frame.arrival - self.newest.arrival)
        self.newest = frame
        self._arrivals.append(frame.arrival)
        self.waiting.append(frame)
        self.history.append(frame)

    def revive(self, now: int) -> None:
        """The stream begins, or begins anew: what was known of its rate may no longer hold."""
        self.alive_since = now
        self._arrivals.clear()

    def rate(self) -> float:
        """Images per second, over the last images; 0 while that is not known."""
        count, span = len(self._arrivals) - 1, self._arrivals[-1] - self._arrivals[0] if self._arrivals else 0
        return count / span * 1e9 if count >= _RATE_FROM and span >= _RATE_SPAN else 0.0

    def patience(self, timeout: int) -> int:
        """After this long without a frame the stream is silent: `timeout`, or longer for a slow camera."""
        return max(timeout, 2 * int(statistics.median(self.arrival_intervals))) if self.arrival_intervals else timeout

    def misses(self, now: int) -> bool:
        """Whether a frame must have come by now: none did for much longer than it ever took of late."""
        if self.newest is None or len(self.arrival_intervals) < _INTERVALS:
            return False
        return now - self.newest.arrival > _MISSED * max(self.arrival_intervals)

    @property
    def came_late(self) -> bool:
        """Whether the newest frame came after a gap, as all do when this machine has stalled."""
        intervals = self.arrival_intervals
        return bool(intervals) and intervals[-1] > 2 * statistics.median(intervals)

    def expected(self) -> int | None:
        """Moment of the next frame, if the last few came regularly enough to say."""
        if self.newest is None or len(self.stamp_intervals) < 3:
            return None
        return self.newest.moment + int(statistics.median(self.stamp_intervals))
