"""Colour and thermal images into pairs of (nearly) the same moment, from two streams that keep no promises.

`FramePairer` implements `sync.policy: latest`. It works with the stamps of the images and the time of their arrival,
needs no timer and never waits: every decision is made when an image arrives.

* Two images pair when their stamps differ by at most the slop. An image pairs once. When the next image of the
  other stream will foreseeably fit much better, the image waits for it.
* When no pair could be made for the timeout (a stream stopped, or the stamps of the two never agree), colour images
  go out alone, and thermal images where there is no colour stream either.
* Repeated and late images are refused. A stamp far in the past, or several late images in a row, mean that the
  clock of the stream was set back (a bag loops, a simulation restarts): that stream starts anew.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ckd_ros.frames import Image

RGB, THERMAL = "rgb", "thermal"

#: A stamp this much older than the newest of its stream is a clock set back, not a late image: nanoseconds.
CLOCK_JUMP = 1_000_000_000
#: So many late images in a row are a clock set back by less than CLOCK_JUMP.
LATE_IN_A_ROW = 5


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


class _Stream:
    """What is known of one stream. `waiting` holds the images that may still find a partner, oldest first."""

    def __init__(self) -> None:
        self.newest: Frame | None = None
        self.since = 0  # arrival of the first image after the last silence
        self.late_in_a_row = 0
        self.history: deque[Frame] = deque()
        self.restart()

    def restart(self) -> None:
        self.waiting: deque[Frame] = deque()
        self.intervals: deque[int] = deque(maxlen=9)
        self.history.clear()

    def expected(self) -> int | None:
        """Stamp of the next image, if the last few came regularly enough to say."""
        if self.newest is None or len(self.intervals) < 3:
            return None
        return self.newest.stamp + int(statistics.median(self.intervals))


class FramePairer:
    """Pairs two streams and keeps the recent past. Not thread-safe.

    Args:
        slop: largest difference of the stamps of a pair, seconds.
        timeout: time without a pair after which images go out alone, seconds.
        history: how far back frames and pairs are kept for `start_at` and `after`, seconds of arrival time.
    """

    def __init__(self, slop: float, timeout: float, history: float) -> None:
        self.counters = Counters()
        self._streams = {RGB: _Stream(), THERMAL: _Stream()}
        self._pairs: deque[Pair] = deque()
        self._number = self._taken = 0
        self._last_pair = 0
        self.configure(slop, timeout, history)

    def configure(self, slop: float, timeout: float, history: float) -> None:
        """Change the limits; what is buffered stays."""
        self._slop, self._timeout, self._history = (int(value * 1e9) for value in (slop, timeout, history))

    def add(self, frame: Frame) -> Verdict:
        """Take in an image that has just arrived; a pair may be ready afterwards."""
        stream = self._streams[frame.stream]
        self.counters.received[frame.stream] += 1
        verdict = self._check_order(stream, frame)
        if verdict in (Verdict.REPEATED, Verdict.LATE):
            return verdict
        if stream.newest is None or verdict is Verdict.CLOCK_SET_BACK or self._silent(stream, frame.arrival):
            stream.since = frame.arrival
        stream.newest = frame
        stream.waiting.append(frame)
        stream.history.append(frame)
        found = self._match(frame)
        if found is not None:
            self._emit(*found)
        elif self._alone(frame):
            self._emit(*((frame, None) if frame.stream == RGB else (None, frame)))
        self._forget(frame.arrival)
        return verdict

    @property
    def ready(self) -> bool:
        """Whether there is a pair that was not taken."""
        return self._number > self._taken

    def take(self) -> Pair | None:
        """The newest pair, once; older ones that nobody took are passed over."""
        if not self.ready:
            return None
        self.mark_taken(self._pairs[-1])
        return self._pairs[-1]

    def mark_taken(self, pair: Pair) -> None:
        """Take a pair that `after` or `start_at` gave, and with it all before it."""
        self._taken = max(self._taken, pair.number)

    def after(self, pair: Pair) -> list[Pair]:
        """The buffered pairs that came after one, oldest first."""
        return [later for later in self._pairs if later.number > pair.number]

    def newest(self, stream: str) -> Pair:
        """The newest pair with an image of a stream. Raises LookupError when none of it is buffered."""
        for pair in reversed(self._pairs):
            if any(frame.stream == stream for frame in pair.frames):
                return pair
        history = self._streams[stream].history
        if not history:
            raise LookupError(f"no {stream} image has come")
        return self.start_at(stream, history[-1].stamp)

    def start_at(self, stream: str, stamp: int) -> Pair:
        """The buffered pair with the image of a stream nearest to a stamp (that image alone, if it never paired).

        Raises LookupError, with what is in the buffer, when no image is as near to the stamp as the slop.
        """
        history = self._streams[stream].history
        if not history:
            raise LookupError(f"no {stream} image has come")
        frame = min(reversed(history), key=lambda f: abs(f.stamp - stamp))
        if abs(frame.stamp - stamp) > self._slop:
            first, last = history[0].stamp, history[-1].stamp
            raise LookupError(
                f"no {stream} image at {stamp / 1e9:.3f} s: the buffer reaches from {first / 1e9:.3f} s "
                f"to {last / 1e9:.3f} s"
            )
        for pair in self._pairs:
            if frame in pair.frames:
                return pair
        before = [pair.number for pair in self._pairs if pair.arrival <= frame.arrival]
        number = before[-1] if before else (self._pairs[0].number - 1 if self._pairs else 0)
        return Pair(frame if stream == RGB else None, frame if stream == THERMAL else None, number)

    def offset(self) -> float | None:
        """Stamp of the newest thermal image minus that of the newest colour image, seconds; None before both came."""
        rgb, thermal = self._streams[RGB].newest, self._streams[THERMAL].newest
        return None if rgb is None or thermal is None else (thermal.stamp - rgb.stamp) / 1e9

    def _check_order(self, stream: _Stream, frame: Frame) -> Verdict:
        if stream.newest is None:
            return Verdict.ACCEPTED
        step = frame.stamp - stream.newest.stamp
        if step == 0:
            self.counters.repeated[frame.stream] += 1
            return Verdict.REPEATED
        if step > 0:
            stream.late_in_a_row = 0
            stream.intervals.append(step)
            return Verdict.ACCEPTED
        stream.late_in_a_row += 1
        if -step <= CLOCK_JUMP and stream.late_in_a_row < LATE_IN_A_ROW:
            self.counters.late[frame.stream] += 1
            return Verdict.LATE
        stream.late_in_a_row = 0
        stream.restart()
        self.counters.clock_set_back[frame.stream] += 1
        return Verdict.CLOCK_SET_BACK

    def _silent(self, stream: _Stream, now: int) -> bool:
        return stream.newest is None or now - stream.newest.arrival > self._timeout

    def _overdue(self, now: int) -> bool:
        """Whether a pair should have come by now, had both streams been in order."""
        since = max(self._last_pair, *(stream.since for stream in self._streams.values()))
        return now - since > self._timeout

    def _alone(self, frame: Frame) -> bool:
        if not self._overdue(frame.arrival):
            return False
        return frame.stream == RGB or self._silent(self._streams[RGB], frame.arrival)

    def _match(self, frame: Frame) -> tuple[Frame, Frame] | None:
        """The colour and thermal frame to pair now that `frame` arrived, if any."""
        other = self._streams[THERMAL if frame.stream == RGB else RGB]
        partner = min(other.waiting, key=lambda f: abs(f.stamp - frame.stamp), default=None)
        if partner is None or abs(partner.stamp - frame.stamp) > self._slop:
            return None
        expected = other.expected()
        # Without this, a pairing that started one image off would stay one image off for ever. Half as far, because
        # an expectation is not worth a wait for a small gain; not when overdue, because then expectations have failed.
        if expected is not None and not self._overdue(frame.arrival):
            if abs(expected - frame.stamp) < abs(partner.stamp - frame.stamp) / 2:
                return None
        return (frame, partner) if frame.stream == RGB else (partner, frame)

    def _emit(self, rgb: Frame | None, thermal: Frame | None) -> None:
        self._number += 1
        pair = Pair(rgb, thermal, self._number)
        self._pairs.append(pair)
        if len(pair.frames) == 2:
            self.counters.paired += 1
            self._last_pair = pair.arrival
        else:
            self.counters.single += 1
        for frame in pair.frames:  # stamps of later pairs must not go back, so what is older has missed its chance
            self._discard(frame.stream, lambda f, limit=frame.stamp: f.stamp < limit)
            self._streams[frame.stream].waiting.popleft()

    def _discard(self, name: str, old: Callable[[Frame], bool]) -> None:
        waiting = self._streams[name].waiting
        while waiting and old(waiting[0]):
            waiting.popleft()
            self.counters.unpaired[name] += 1

    def _forget(self, now: int) -> None:
        """Drop what is too old; the newest frame of each stream and the newest pair always stay."""
        for name, stream in self._streams.items():
            self._discard(name, lambda f: now - f.arrival > self._timeout)
            while len(stream.history) > 1 and now - stream.history[0].arrival > self._history:
                stream.history.popleft()
        while len(self._pairs) > 1 and now - self._pairs[0].arrival > self._history:
            self._pairs.popleft()
