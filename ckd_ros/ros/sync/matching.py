"""Which two frames make a pair: the interface that `FramePairer` calls, and the node's own policy."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Stream

#: Stamps of each stream that are remembered: those of some seconds.
REMEMBERED = 256


def other_stream(stream: str) -> str:
    """The name of the stream whose frames are the partners of a stream's."""
    return THERMAL if stream == RGB else RGB


class PairMatcher(Protocol):
    """Finds the colour and the thermal frame that belong together. The pairer calls it in the order of arrival."""

    def configure(self, slop: int) -> None:
        """Set the largest difference of the stamps of a pair, nanoseconds. Called before anything else."""

    def restart(self, waiting: Iterable[CameraFrame]) -> None:
        """The clock of one stream was set back: only `waiting`, the frames of the other one, count from here on."""

    def match(
        self, frame: CameraFrame, streams: Mapping[str, Stream], overdue: bool
    ) -> tuple[CameraFrame, CameraFrame] | None:
        """The colour and the thermal frame to pair now that `frame` has arrived, None where there are none.

        Args:
            frame: the newest of its stream, already among the stream's `waiting`.
            streams: both streams by name; both frames of a pair must be among their `waiting`.
            overdue: whether a pair should have come by now, had both streams been in order.
        """


class RecentStamps:
    """The moments of the frames that a matcher was shown, by which it sees that a pairing is one image off."""

    def __init__(self) -> None:
        self._moments: dict[str, deque[int]] = {name: deque(maxlen=REMEMBERED) for name in (RGB, THERMAL)}

    def restart(self, waiting: Iterable[CameraFrame]) -> None:
        """See `PairMatcher`."""
        for moments in self._moments.values():
            moments.clear()
        for frame in waiting:
            self._moments[frame.stream].append(frame.moment)

    def candidates(
        self, frame: CameraFrame, waiting: Iterable[CameraFrame], slop: int, overdue: bool
    ) -> list[CameraFrame]:
        """Those of the waiting frames that may pair with `frame`, which has just arrived.

        Two frames do not if either was less than half as far from another one: that one is gone, with another partner
        (that of a frame whose own was lost, or had a wild stamp). Without this a pairing, once one image off, would
        stay so for ever, as every frame finds the partner of its neighbour waiting. Not when overdue.
        """
        self._moments[frame.stream].append(frame.moment)
        near = [other for other in waiting if abs(other.moment - frame.moment) <= slop]
        return [other for other in near if overdue or not self._off(frame, other)]

    def _off(self, frame: CameraFrame, other: CameraFrame) -> bool:
        limit = abs(frame.moment - other.moment) / 2
        return self._has_near(other.stream, frame.moment, limit) or self._has_near(frame.stream, other.moment, limit)

    def _has_near(self, stream: str, moment: int, limit: float) -> bool:
        for one in reversed(self._moments[stream]):  # from the newest
            if one < moment + limit:
                return one > moment - limit
        return False


class LatestMatcher:
    """`sync.policy: latest`: the nearest stamps pair as soon as both frames are there.

    When the next frame of the other stream will foreseeably fit much better, a frame waits for it.
    """

    def __init__(self) -> None:
        self._recent = RecentStamps()

    def configure(self, slop: int) -> None:
        """See `PairMatcher`."""
        self._slop = slop

    def restart(self, waiting: Iterable[CameraFrame]) -> None:
        """See `PairMatcher`."""
        self._recent.restart(waiting)

    def match(
        self, frame: CameraFrame, streams: Mapping[str, Stream], overdue: bool
    ) -> tuple[CameraFrame, CameraFrame] | None:
        """See `PairMatcher`."""
        other = streams[other_stream(frame.stream)]
        candidates = self._recent.candidates(frame, other.waiting, self._slop, overdue)
        partner = min(candidates, key=lambda candidate: abs(candidate.moment - frame.moment), default=None)
        if partner is None:
            return None
        expected = other.expected()
        # Without this, a pairing that started one image off would stay one image off for ever. Less than half
        # as far, because a small gain is not worth the wait; not when overdue, because then expectations have failed.
        near_enough = abs(partner.moment - frame.moment) / 2
        if expected is not None and not overdue and abs(expected - frame.moment) < near_enough:
            return None
        return (frame, partner) if frame.stream == RGB else (partner, frame)
