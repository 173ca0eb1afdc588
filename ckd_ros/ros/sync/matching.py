"""Which two frames make a pair: the interface that `FramePairer` calls, and the node's own policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Stream


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


class LatestMatcher:
    """`sync.policy: latest`: the nearest stamps pair as soon as both frames are there.

    When the next frame of the other stream will foreseeably fit much better, a frame waits for it.
    """

    def configure(self, slop: int) -> None:
        """See `PairMatcher`."""
        self._slop = slop

    def restart(self, waiting: Iterable[CameraFrame]) -> None:
        """Nothing to do: nothing is kept beside the streams."""

    def match(
        self, frame: CameraFrame, streams: Mapping[str, Stream], overdue: bool
    ) -> tuple[CameraFrame, CameraFrame] | None:
        """See `PairMatcher`."""
        other = streams[other_stream(frame.stream)]
        partner = min(other.waiting, key=lambda candidate: abs(candidate.stamp - frame.stamp), default=None)
        if partner is None or abs(partner.stamp - frame.stamp) > self._slop:
            return None
        expected = other.expected()
        # Without this, a pairing that started one image off would stay one image off for ever. Less than half
        # as far, because a small gain is not worth the wait; not when overdue, because then expectations have failed.
        if expected is not None and not overdue and abs(expected - frame.stamp) < abs(partner.stamp - frame.stamp) / 2:
            return None
        return (frame, partner) if frame.stream == RGB else (partner, frame)
