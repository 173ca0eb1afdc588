"""`sync.policy: approximate`: pairs as ROS's `message_filters` makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from rclpy.time import Time

from ckd_ros.ros.sync.matching import RecentStamps, other_stream
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Stream


class ApproximateMatcher:
    """A `PairMatcher` that asks `message_filters.ApproximateTimeSynchronizer`.

    It is asked anew about every frame, with all that still wait for a partner: how long they wait is a matter of time,
    not of the length of a queue, and no frame is left in one that was used or given up meanwhile.
    Raises ImportError, with the package to install, where message_filters is missing.
    """

    def __init__(self) -> None:
        try:
            import message_filters
        except ImportError as error:
            raise ImportError(
                "sync.policy 'approximate' needs the ROS package message_filters (apt install "
                "ros-$ROS_DISTRO-message-filters); without it set sync.policy to 'latest'"
            ) from error
        self._message_filters = message_filters
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
        waiting = self._recent.candidates(frame, streams[other_stream(frame.stream)].waiting, self._slop, overdue)
        inputs = {name: self._message_filters.SimpleFilter() for name in (RGB, THERMAL)}
        synchronizer = self._message_filters.ApproximateTimeSynchronizer(
            list(inputs.values()), len(waiting) + 1, self._slop / 1e9
        )
        pairs: list[tuple[CameraFrame, CameraFrame]] = []
        synchronizer.registerCallback(lambda rgb, thermal: pairs.append((rgb.frame, thermal.frame)))
        for one in (*waiting, frame):
            header = SimpleNamespace(stamp=Time(nanoseconds=one.moment))
            inputs[one.stream].signalMessage(SimpleNamespace(header=header, frame=one))
        return pairs[0] if pairs else None
