"""`sync.policy: approximate`: pairs as ROS's `message_filters` makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from rclpy.time import Time

from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Stream

#: Frames of each stream that wait for a partner.
QUEUE_SIZE = 10


class ApproximateMatcher:
    """A `PairMatcher` that asks `message_filters.ApproximateTimeSynchronizer`.

    Silent streams, clocks that are set back and the buffer stay with the pairer: message_filters knows none of them.
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

    def configure(self, slop: int) -> None:
        """See `PairMatcher`. The synchronizer's queues start empty."""
        self._slop = slop
        self.restart(())

    def restart(self, waiting: Iterable[CameraFrame]) -> None:
        """See `PairMatcher`."""
        # Its queues throw away the oldest stamps, which are the good ones after a clock was set back. Of the other
        # stream, whose clock may have been set back before, the frames that still wait are fed to it again.
        self._inputs = {name: self._message_filters.SimpleFilter() for name in (RGB, THERMAL)}
        self._pair: tuple[CameraFrame, CameraFrame] | None = None
        self._synchronizer = self._message_filters.ApproximateTimeSynchronizer(
            list(self._inputs.values()), QUEUE_SIZE, self._slop / 1e9
        )
        self._synchronizer.registerCallback(self._on_pair)
        for frame in waiting:
            self._feed(frame)

    def match(
        self, frame: CameraFrame, streams: Mapping[str, Stream], overdue: bool
    ) -> tuple[CameraFrame, CameraFrame] | None:
        """See `PairMatcher`."""
        self._pair = None
        self._feed(frame)
        if self._pair is None or any(member not in streams[member.stream].waiting for member in self._pair):
            return None  # a pair of frames that went out alone or are too old by now
        return self._pair

    def _on_pair(self, rgb: SimpleNamespace, thermal: SimpleNamespace) -> None:
        self._pair = (rgb.frame, thermal.frame)

    def _feed(self, frame: CameraFrame) -> None:
        header = SimpleNamespace(stamp=Time(nanoseconds=frame.stamp))
        self._inputs[frame.stream].signalMessage(SimpleNamespace(header=header, frame=frame))
