"""What arrives from the two cameras: frames, the streams they make up, and the pairs made of them."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ckd_ros.frames import Image

RGB, THERMAL = "rgb", "thermal"


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of one stream that need not be decoded yet.

    Attributes:
        stream: RGB or THERMAL.
        stamp: acquisition time, nanoseconds of the camera's clock.
        arrival: reception time, nanoseconds of this machine's monotonic clock.
        load: decodes the image; raises ValueError when it is broken.
        frame_id: coordinate frame of the camera.
    """

    stream: str
    stamp: int
    arrival: int
    load: Callable[[], Image]
    frame_id: str = ""


@dataclass(frozen=True, eq=False)
class Pair:
    """One frame of each stream, or one alone; `number` counts the pairs of a pairer from 1."""

    rgb: Frame | None
    thermal: Frame | None
    number: int

    @property
    def frames(self) -> tuple[Frame, ...]:
        return tuple(frame for frame in (self.rgb, self.thermal) if frame is not None)

    @property
    def arrival(self) -> int:
        """When the newest of its images arrived."""
        return max(frame.arrival for frame in self.frames)

    @property
    def header(self) -> Frame:
        """The frame whose stamp and coordinate frame stand for the pair: colour where there is one."""
        return self.frames[0]


class Verdict(Enum):
    """What became of an image that arrived."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # its stamp is that of the image before
    LATE = "late"  # older than the image before
    CLOCK_SET_BACK = "clock set back"  # accepted; the stream started anew


@dataclass
class Counters:
    """What happened since the pairer was made; those per stream by its name."""

    received: dict[str, int] = field(default_factory=lambda: {RGB: 0, THERMAL: 0})
    repeated: dict[str, int] = field(default_factory=lambda: {RGB: 0, THERMAL: 0})
    late: dict[str, int] = field(default_factory=lambda: {RGB: 0, THERMAL: 0})
    clock_set_back: dict[str, int] = field(default_factory=lambda: {RGB: 0, THERMAL: 0})
    unpaired: dict[str, int] = field(default_factory=lambda: {RGB: 0, THERMAL: 0})  # found no partner, not used
    paired: int = 0
    single: int = 0  # went out alone


class Stream:
    """What is known of one stream. `waiting` holds the images that may still find a partner, oldest first."""

    def __init__(self) -> None:
        self.newest: Frame | None = None
        self.since = 0  # arrival of the first image after the last silence
        self.late_in_a_row = 0
        self.history: deque[Frame] = deque()
        self.arrivals: deque[int] = deque(maxlen=9)  # intervals of arrival
        self.restart()

    def restart(self) -> None:
        self.waiting: deque[Frame] = deque()
        self.intervals: deque[int] = deque(maxlen=9)  # of the stamps
        self.history.clear()

    def accept(self, frame: Frame) -> None:
        if self.newest is not None:
            self.arrivals.append(frame.arrival - self.newest.arrival)
        self.newest = frame
        self.waiting.append(frame)
        self.history.append(frame)

    def patience(self, timeout: int) -> int:
        """After so long without an image the stream is silent: `timeout`, or longer for a slow camera."""
        return max(timeout, 2 * int(statistics.median(self.arrivals))) if self.arrivals else timeout

    def expected(self) -> int | None:
        """Stamp of the next image, if the last few came regularly enough to say."""
        if self.newest is None or len(self.intervals) < 3:
            return None
        return self.newest.stamp + int(statistics.median(self.intervals))
