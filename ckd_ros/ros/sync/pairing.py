"""Colour and thermal images into pairs of (nearly) the same moment, from two streams that guarantee nothing.

`FramePairer` works with the stamps of the images and the time of their arrival, needs no timer and never waits: every
decision is made when an image arrives.

* Where the cameras' rates are alike, two images pair when their stamps differ by at most the slop and the matcher
  (`sync.policy`) chooses them. An image pairs once.
* Where one stream drives (`sync.drive`, see `drive`), each of its images makes a pair at once, with the newest image of
  the other, which may be used several times.
* When one stream is silent for the timeout, or for some of its own intervals where they are regular, the images of the
  other go out alone, whichever drives. When both come but no pair could be made for the timeout (their stamps never
  agree), colour images go out alone.
* Repeated and late images are refused. A stamp far in the past, or several late images in a row, mean that the
  clock of the stream was set back (a bag loops, a simulation restarts): that stream starts anew.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.drive import Drive
from ckd_ros.ros.sync.matching import PairMatcher, other_stream
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, CameraPair, Counters, Stream, Verdict

#: A stamp this much older than the newest of its stream is a clock set back, not a late image: nanoseconds.
CLOCK_JUMP = 1_000_000_000
#: This many late images in a row are a clock set back by less than CLOCK_JUMP.
LATE_IN_A_ROW = 5


@dataclass(frozen=True)
class PairingSnapshot:
    """How the pairing of the two streams goes, at one moment; the default is that of a pairer before any image.

    Attributes:
        counters: a copy.
        offset: stamp of the newest thermal image minus that of the newest colour image, without the offset that was set
            by hand, seconds; None before both came.
        slop: largest difference of the stamps of a pair, seconds.
        drive: which stream drives and why, for a person.
        ages: seconds by which the images of the newest pair are older than its moment, by stream.
    """

    counters: Counters = field(default_factory=Counters)
    offset: float | None = None
    slop: float = 0.0
    drive: str = ""
    ages: Mapping[str, float] = field(default_factory=dict)

    def describe(self, status: Status) -> None:
        """Contribute to the status of the node."""
        status.add("drive", self.drive)
        status.add("paired", self.counters.paired)
        status.add("single", self.counters.single)
        status.add("stamp offset ms", "" if self.offset is None else f"{1e3 * self.offset:.1f}")

    def describe_stream(self, status: Status, stream: str) -> None:
        """Contribute to the status of a stream."""
        status.add("usable", self.counters.received[stream])
        for name in ("unpaired", "reused", "repeated", "late", "clock_set_back"):
            status.add(name.replace("_", " "), getattr(self.counters, name)[stream])
        status.add("age ms", f"{1e3 * self.ages[stream]:.0f}" if stream in self.ages else "")


class FramePairer:
    """Pairs two streams and keeps the recent past. Not thread-safe.

    Args:
        matcher: finds the two frames of a pair.
        slop: largest difference of the stamps of a pair, seconds.
        timeout: time without a pair after which images go out alone, seconds.
        history: how far back frames and pairs are kept for `start_at` and `after`, seconds of arrival time.
        drive: which stream drives.
        say: told, for the log, which stream drives and why, whenever that changes.

    Attributes:
        counters: what happened so far.
        streams: what is known of each stream, by its name.
        pairs: the pairs that are kept, oldest first.
    """

    def __init__(
        self,
        matcher: PairMatcher,
        slop: float,
        timeout: float,
        history: float,
        drive: str = "pair",
        say: Callable[[str], object] = str,
    ) -> None:
        self.counters = Counters()
        self._matcher, self._drive, self._say = matcher, Drive(drive), say
        self.streams = {RGB: Stream(), THERMAL: Stream()}
        self.pairs: deque[CameraPair] = deque()
        self._number = self._taken = 0
        self._last_pair = 0
        self._first_arrival = math.inf
        self.configure(slop, timeout, history, drive)

    def configure(self, slop: float, timeout: float, history: float, drive: str) -> None:
        """Change the limits and the drive; what is buffered stays."""
        self._drive.configure(drive)
        self._slop, self._timeout, self._history = (int(value * 1e9) for value in (slop, timeout, history))
        self._matcher.configure(self._slop)

    def add(self, frame: CameraFrame) -> Verdict:
        """Handle an image that has just arrived; a pair may be ready afterwards."""
        stream = self.streams[frame.stream]
        self.counters.received[frame.stream] += 1
        verdict = self._check_order(stream, frame)
        if verdict in (Verdict.REPEATED, Verdict.LATE):
            return verdict
        if verdict is Verdict.CLOCK_SET_BACK or self._silent(stream, frame.arrival):
            stream.revive(frame.arrival)
        self._first_arrival = min(self._first_arrival, frame.arrival)
        stream.accept(frame)
        if self._drive.update(self.streams):
            self._say(self._drive.reason)
        if self._drive.stream is None:
            self._match(frame)
        else:
            self._drive_on(frame, self._drive.stream)
        self._forget(frame.arrival)
        return verdict

    def _match(self, frame: CameraFrame) -> None:
        """Pair a new frame with one of its moment, if that is there, or let it go alone if it is time."""
        match = self._matcher.match(frame, self.streams, self._overdue(frame.arrival))
        if match is not None:
            self._emit(*match)
        elif self._alone(frame):
            self._emit_with(frame, None)

    def _drive_on(self, frame: CameraFrame, driver: str) -> None:
        """Pair a new frame of the driving stream with the newest of the other, be it used already.

        Frames of the other go out, alone, while the driver is missing. A frame of the driver waits only where it came
        before any of the other, or before it was decided that it drives.
        """
        other = self.streams[other_stream(frame.stream)]
        newest, missing = other.newest, self._other_is_missing(frame)
        # Of another time altogether where one clock was set and the other not yet, or the cameras have no common one.
        near = newest is not None and abs(frame.moment - newest.moment) <= other.patience(self._timeout)
        if frame.stream == driver and near and not missing:
            self._emit_with(frame, newest)
        elif frame.stream != driver and other.waiting:
            self._match(frame)
        elif (frame.stream == driver or missing) and frame.arrival - self._first_arrival > self._timeout:
            self._emit_with(frame, None)

    @property
    def ready(self) -> bool:
        """Whether there is a pair that was not taken."""
        return self._number > self._taken

    def take(self) -> CameraPair | None:
        """The newest pair, once; older ones that nobody took are passed over."""
        if not self.ready:
            return None
        self.mark_taken(self.pairs[-1])
        return self.pairs[-1]

    def mark_taken(self, pair: CameraPair) -> None:
        """Take a pair that `after` or `start_at` gave, and with it all before it."""
        self._taken = max(self._taken, pair.number)

    def after(self, pair: CameraPair) -> list[CameraPair]:
        """The buffered pairs that came after one, oldest first."""
        return [later for later in self.pairs if later.number > pair.number]

    def newest(self, stream: str) -> CameraPair:
        """The newest pair with an image of a stream. Raises LookupError when none of it is buffered."""
        for pair in reversed(self.pairs):
            if any(frame.stream == stream for frame in pair.frames):
                return pair
        history = self.streams[stream].history
        if not history:
            raise LookupError(f"no {stream} image has arrived")
        return self.start_at(stream, history[-1].stamp)

    def start_at(self, stream: str, stamp: int) -> CameraPair:
        """The buffered pair with the image of a stream nearest to a stamp (that image alone, if it never paired).

        Raises LookupError, with what is in the buffer, when no image is as near to the stamp as half the slop: a box
        drawn on one image must not be laid on the next.
        """
        history = self.streams[stream].history
        if not history:
            raise LookupError(f"no {stream} image has arrived")
        frame = min(reversed(history), key=lambda kept: abs(kept.stamp - stamp))
        if abs(frame.stamp - stamp) > self._slop / 2:
            first, last = history[0].stamp, history[-1].stamp
            raise LookupError(
                f"no {stream} image at {stamp / 1e9:.3f} s: the buffer reaches from {first / 1e9:.3f} s "
                f"to {last / 1e9:.3f} s (sync.history says how far back)"
            )
        for pair in self.pairs:
            if frame in pair.frames:
                return pair
        before = [pair.number for pair in self.pairs if pair.arrival <= frame.arrival]
        number = before[-1] if before else (self.pairs[0].number - 1 if self.pairs else 0)
        return CameraPair(frame if stream == RGB else None, frame if stream == THERMAL else None, number)

    def snapshot(self) -> PairingSnapshot:
        """How the pairing goes."""
        rgb, thermal = self.streams[RGB].newest, self.streams[THERMAL].newest
        offset = None if rgb is None or thermal is None else (thermal.moment - rgb.moment) / 1e9
        newest = self.pairs[-1] if self.pairs else None
        ages = {} if newest is None else {f.stream: (newest.driving.moment - f.moment) / 1e9 for f in newest.frames}
        return PairingSnapshot(copy.deepcopy(self.counters), offset, self._slop / 1e9, self._drive.reason, ages)

    def _check_order(self, stream: Stream, frame: CameraFrame) -> Verdict:
        if stream.newest is None:
            return Verdict.ACCEPTED
        step = frame.stamp - stream.newest.stamp
        if step == 0:
            self.counters.repeated[frame.stream] += 1
            return Verdict.REPEATED
        if step > 0:
            stream.late_in_a_row = 0
            stream.stamp_intervals.append(step)
            return Verdict.ACCEPTED
        stream.late_in_a_row += 1
        if -step <= CLOCK_JUMP and stream.late_in_a_row < LATE_IN_A_ROW:
            self.counters.late[frame.stream] += 1
            return Verdict.LATE
        stream.late_in_a_row = 0
        stream.restart()
        self._matcher.restart(self.streams[other_stream(frame.stream)].waiting)
        self.counters.clock_set_back[frame.stream] += 1
        return Verdict.CLOCK_SET_BACK

    def _silent(self, stream: Stream, now: int) -> bool:
        return stream.newest is None or now - stream.newest.arrival > stream.patience(self._timeout)

    def _overdue(self, now: int) -> bool:
        """Whether a pair should have come by now, had both streams been in order."""
        streams = self.streams.values()
        since = max(self._last_pair, *(stream.alive_since for stream in streams))
        return now - since > max(stream.patience(self._timeout) for stream in streams)

    def _alone(self, frame: CameraFrame) -> bool:
        """Whether a frame without a partner goes out alone instead of waiting for one."""
        if self._other_is_missing(frame):
            return frame.arrival - self._first_arrival > self._timeout  # at first the other may still be starting
        return frame.stream == RGB and self._overdue(frame.arrival)

    def _other_is_missing(self, frame: CameraFrame) -> bool:
        """Whether the other stream is silent, or a frame of it must have come before this one."""
        own, other = self.streams[frame.stream], self.streams[other_stream(frame.stream)]
        return self._silent(other, frame.arrival) or (other.misses(frame.arrival) and not own.came_late)

    def _emit_with(self, frame: CameraFrame, other: CameraFrame | None) -> None:
        self._emit(*((frame, other) if frame.stream == RGB else (other, frame)))

    def _emit(self, rgb: CameraFrame | None, thermal: CameraFrame | None) -> None:
        self._number += 1
        pair = CameraPair(rgb, thermal, self._number, self._drive.stream or RGB)
        self.pairs.append(pair)
        if len(pair.frames) == 2:
            self.counters.paired += 1
            self._last_pair = pair.arrival
        else:
            self.counters.alone[pair.reference.stream] += 1
        for frame in pair.frames:  # stamps of later pairs must not go back, so what is older has missed its chance
            self._discard(frame.stream, lambda waiting_frame: waiting_frame.stamp, frame.stamp)
            waiting = self.streams[frame.stream].waiting
            if waiting and waiting[0] is frame:
                waiting.popleft()
            else:
                self.counters.reused[frame.stream] += 1

    def _discard(self, name: str, time_of: Callable[[CameraFrame], int], limit: int) -> None:
        """Give up on the waiting frames of a stream whose `time_of` is before `limit`."""
        waiting = self.streams[name].waiting
        while waiting and time_of(waiting[0]) < limit:
            waiting.popleft()
            self.counters.unpaired[name] += 1

    def _forget(self, now: int) -> None:
        """Drop what is too old; the newest frame of each stream and the newest pair always stay."""
        for name, stream in self.streams.items():
            self._discard(name, lambda waiting_frame: waiting_frame.arrival, now - stream.patience(self._timeout))
            while len(stream.history) > 1 and now - stream.history[0].arrival > self._history:
                stream.history.popleft()
        while len(self.pairs) > 1 and now - self.pairs[0].arrival > self._history:
            self.pairs.popleft()
