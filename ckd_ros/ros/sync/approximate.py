"""`sync.policy: approximate`: pairs as ROS's `message_filters` makes them."""

from __future__ import annotations

from types import SimpleNamespace

from rclpy.time import Time

from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, Frame, Stream, Verdict

#: Images of each stream that wait for a partner.
QUEUE_SIZE = 10


class SynchronizedPairer(FramePairer):
    """A FramePairer whose pairs are found by `message_filters.ApproximateTimeSynchronizer`.

    Silent streams, clocks set back and the buffer work as they do in FramePairer; message_filters knows none of them.
    Raises ImportError, with the package to install, where message_filters is missing.
    """

    def __init__(self, slop: float, timeout: float, history: float) -> None:
        try:
            import message_filters
        except ImportError as error:
            raise ImportError(
                "sync.policy 'approximate' needs the ROS package message_filters (apt install "
                "ros-$ROS_DISTRO-message-filters); without it set sync.policy to 'latest'"
            ) from error
        self._message_filters = message_filters
        super().__init__(slop, timeout, history)

    def configure(self, slop: float, timeout: float, history: float) -> None:
        super().configure(slop, timeout, history)
        self._restart()

    def _restart(self) -> None:
        self._inputs = {name: self._message_filters.SimpleFilter() for name in (RGB, THERMAL)}
        self._found: tuple[Frame, Frame] | None = None
        self._synchronizer = self._message_filters.ApproximateTimeSynchronizer(
            list(self._inputs.values()), QUEUE_SIZE, self._slop / 1e9
        )
        self._synchronizer.registerCallback(self._on_pair)

    def _on_pair(self, rgb: SimpleNamespace, thermal: SimpleNamespace) -> None:
        self._found = (rgb.frame, thermal.frame)

    def _check_order(self, stream: Stream, frame: Frame) -> Verdict:
        verdict = super()._check_order(stream, frame)
        if verdict is Verdict.CLOCK_SET_BACK:
            # Its queues throw away the oldest stamps, which now are the good ones. The other stream may be back first.
            self._restart()
            for waiting in self._streams[THERMAL if frame.stream == RGB else RGB].waiting:
                self._show(waiting)
        return verdict

    def _match(self, frame: Frame) -> tuple[Frame, Frame] | None:
        self._found = None
        self._show(frame)
        if self._found is None or any(f not in self._streams[f.stream].waiting for f in self._found):
            return None  # a pair of images that went out alone or are too old by now
        return self._found

    def _show(self, frame: Frame) -> None:
        header = SimpleNamespace(stamp=Time(nanoseconds=frame.stamp))
        self._inputs[frame.stream].signalMessage(SimpleNamespace(header=header, frame=frame))
