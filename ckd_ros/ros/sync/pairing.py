"""Colour and thermal images into pairs of (nearly) the same moment, from two streams that keep no promises.

`FramePairer` implements `sync.policy: latest`. It works with the stamps of the images and the time of their arrival,
needs no timer and never waits: every decision is made when an image arrives.

* Two images pair when their stamps differ by at most the slop. An image pairs once. When the next image of the
  other stream will foreseeably fit much better, the image waits for it.
* When one stream is silent for the timeout, the images of the other go out alone. When both come but no pair could be
  made for the timeout (their stamps never agree), colour images go out alone.
* Repeated and late images are refused. A stamp far in the past, or several late images in a row, mean that the
  clock of the stream was set back (a bag loops, a simulation restarts): that stream starts anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ckd_ros.ros.sync.streams import RGB, THERMAL, Counters, Frame, Pair, Stream, Verdict

#: A stamp this much older than the newest of its stream is a clock set back, not a late image: nanoseconds.
CLOCK_JUMP = 1_000_000_000
#: So many late images in a row are a clock set back by less than CLOCK_JUMP.
LATE_IN_A_ROW = 5


class FramePairer:
    """Pairs two streams and keeps the recent past. Not thread-safe.

    Args:
        slop: largest difference of the stamps of a pair, seconds.
        timeout: time without a pair after which images go out alone, seconds.
        history: how far back frames and pairs are kept for `start_at` and `after`, seconds of arrival time.
    """

    def __init__(self, slop: float, timeout: float, history: float) -> None:
        self.counters = Counters()
        self._streams = {RGB: Stream(), THERMAL: Stream()}
        self._pairs: deque[Pair] = deque()
        self._number = self._taken = 0
        self._last_pair = 0
        self._begun: int | None = None
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
        if verdict is Verdict.CLOCK_SET_BACK or self._silent(stream, frame.arrival):
            stream.since = frame.arrival
        if self._begun is None:
            self._begun = frame.arrival
        stream.accept(frame)
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

        Raises LookupError, with what is in the buffer, when no image is as near to the stamp as half the slop: a box
        drawn on one image must not be laid on the next.
        """
        history = self._streams[stream].history
        if not history:
            raise LookupError(f"no {stream} image has come")
        frame = min(reversed(history), key=lambda f: abs(f.stamp - stamp))
        if abs(frame.stamp - stamp) > self._slop / 2:
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

    def _check_order(self, stream: Stream, frame: Frame) -> Verdict:
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

    def _silent(self, stream: Stream, now: int) -> bool:
        return stream.newest is None or now - stream.newest.arrival > stream.patience(self._timeout)

    def _overdue(self, now: int) -> bool:
        """Whether a pair should have come by now, had both streams been in order."""
        streams = self._streams.values()
        since = max(self._last_pair, *(stream.since for stream in streams))
        return now - since > max(stream.patience(self._timeout) for stream in streams)

    def _alone(self, frame: Frame) -> bool:
        """Whether a frame without a partner is not to wait for one."""
        if self._silent(self._streams[THERMAL if frame.stream == RGB else RGB], frame.arrival):
            return frame.arrival - self._begun > self._timeout  # at first the other may still be starting
        return frame.stream == RGB and self._overdue(frame.arrival)

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
            limit = now - stream.patience(self._timeout)
            self._discard(name, lambda f, limit=limit: f.arrival < limit)
            while len(stream.history) > 1 and now - stream.history[0].arrival > self._history:
                stream.history.popleft()
        while len(self._pairs) > 1 and now - self._pairs[0].arrival > self._history:
            self._pairs.popleft()
