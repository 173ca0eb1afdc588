"""Publishes any source of frames as the topics of a colour and a thermal camera.

Every image goes out at its own moment with its own stamp, so that the offset, jitter and loss of the source's two
cameras reach the subscriber as they would from a real pair of cameras.
"""

from __future__ import annotations

import heapq
import itertools
import math
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from ckd_ros.datasets.sequence import FrameSequence, readable
from ckd_ros.datasets.sources import open_source
from ckd_ros.frames import FramePair, Image
from ckd_ros.ros.camera_truth import CameraTruth
from ckd_ros.ros.conversions import image_message
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.node_parameters import NodeParameters
from ckd_ros.ros.parameters import CAMERA_PARAMETERS
from ckd_ros.ros.process import StopRequest, begin_ros, run, spin
from ckd_ros.ros.qos import overridable, without_effect
from ckd_ros.ros.sync.streams import RGB, THERMAL

#: The stamps of the two images of a pair may differ by up to this, seconds.
MAX_STAMP_OFFSET = 1.0
#: Time for the last messages to be sent, and for a subscriber that was just discovered to be ready, seconds.
LINGER, SETTLE = 1.0, 1.0
#: An image that is sent this late against its stamp is worth a warning, seconds.
LATE = 0.1


class Event(NamedTuple):
    """An image to publish: its stamp in nanoseconds, the number of its pair from 0 on, its stream, the image."""

    stamp: int
    number: int
    stream: str
    image: Image


class NumberedPair(NamedTuple):
    """A pair and its number from 0 on, which counts those that cannot be read and grows on where the source loops."""

    number: int
    pair: FramePair


def in_order(pairs: Iterable[NumberedPair]) -> Iterator[Event]:
    """The images of pairs one by one in the order of their stamps."""
    waiting: list[Event] = []  # no two have the same number and stream, so that images are never compared
    for number, pair in pairs:
        stamps = [stamp for stamp in (pair.stamp, pair.thermal_stamp) if stamp is not None]
        for stream, stamp, image in ((RGB, pair.stamp, pair.rgb), (THERMAL, pair.thermal_stamp, pair.thermal)):
            if image is not None:
                assert stamp is not None, "an image has a stamp"
                heapq.heappush(waiting, Event(stamp, number, stream, image))
        while waiting and waiting[0].stamp < min(stamps) - MAX_STAMP_OFFSET * 1e9:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


class Prefetcher:
    """Iterates over pairs that a thread reads or renders ahead of time.

    Args:
        pairs: what to iterate over.
        count: how many pairs may be held.
    """

    def __init__(self, pairs: Iterable[NumberedPair], count: int) -> None:
        self._queue: queue.Queue = queue.Queue(maxsize=count)
        self._thread = threading.Thread(target=self._fill, args=(pairs,), name="source", daemon=True)
        self._thread.start()

    def _fill(self, pairs: Iterable[NumberedPair]) -> None:
        try:
            for pair in pairs:
                self._queue.put(pair)
            self._queue.put(None)
        except Exception as error:
            self._queue.put(error)

    def wait_until_full(self, stop: StopRequest) -> None:
        """Return when as many pairs are held as may be, or all that there are, or the process is to end."""
        while self._thread.is_alive() and not self._queue.full() and not stop.wait(0.01):
            pass

    def end(self) -> None:
        """Have whoever waits for a pair wait no longer."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def __iter__(self) -> Iterator[NumberedPair]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


class CameraNode(Node):
    """Node `camera` in namespace `ckd`. `play` publishes the whole source.

    Raises ParameterError for a bad value of a parameter, and what `open_source` raises for a bad source.
    """

    def __init__(self, **options) -> None:
        super().__init__("camera", namespace="ckd", automatically_declare_parameters_from_overrides=True, **options)
        self._declared = NodeParameters(self, CAMERA_PARAMETERS)
        self.sequence: FrameSequence = open_source(self.values["source"], rate=self.values["rate"] or None)
        reliable = self.values["reliability"] == "reliable"
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=2, reliability=reliability)
        self._images = {name: self._create(ImageMessage, f"{name}/image", qos) for name in (RGB, THERMAL)}
        # Kept for those who join late: the stamp of the first one tells them which image is which.
        kept = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._infos = {name: self._create(CameraInfo, f"{name}/camera_info", kept) for name in (RGB, THERMAL)}
        self._truth = CameraTruth(self, self.sequence, self.values["init"] == "auto")
        for text in without_effect(self, self._declared.given):
            self.get_logger().warning(text)

    def _create(self, kind: type, topic: str, qos: QoSProfile) -> Publisher:
        return self.create_publisher(kind, topic, **overridable(qos))

    @property
    def values(self) -> dict[str, Any]:
        """The parameters by name."""
        return self._declared.values

    def play(self, stop: StopRequest) -> None:
        """Publish the source at its pace; returns at its end, or when the process is to end.

        A frame that cannot be read is named and passed over. Raises ValueError if none can.
        """
        sequence = self.sequence
        self.get_logger().info(f"{sequence.name}: a source of {len(sequence)} pairs at {sequence.rate:g} Hz")
        for note in sequence.notes:
            self.get_logger().warning(note)
        pairs = Prefetcher(self._pairs(), math.ceil(MAX_STAMP_OFFSET * sequence.rate) + 8)
        stop.when_set(pairs.end)
        published, worst_delay, begin = 0, 0.0, 0.0
        shift: int | None = None  # from the stamps of the source to those of the messages
        first = 0
        for stamp, number, stream, image in in_order(pairs):
            if shift is None:
                self._wait_for_others(stream, stop)
                pairs.wait_until_full(stop)  # else filling it would take the processor time of the first second
                shift, first = self.get_clock().now().nanoseconds - stamp, stamp
                begin = time.monotonic()
            due = begin + (stamp - first) / 1e9
            if stop.wait(due - time.monotonic()):
                return
            worst_delay = max(worst_delay, time.monotonic() - due)
            try:
                header = self._publish(stream, image, stamp + shift)
                self._truth.published(stream, number, header)
                published += 1
            except RuntimeError as error:  # a reliable subscriber that does not keep up
                self.get_logger().warning(f"an image was not sent: {error}", throttle_duration_sec=5.0)
        if published and worst_delay > LATE:
            self.get_logger().warning(
                f"images were sent up to {worst_delay:.2f} s late: the source is slower than its rate"
            )
        if shift is None and not stop.is_set():
            raise ValueError(f"no frame of {sequence.name} can be read: nothing was published")
        if published:
            self.get_logger().info(f"{published} images published in {time.monotonic() - begin:.1f} s")
        stop.wait(LINGER)

    def _pairs(self) -> Iterator[NumberedPair]:
        """The pairs of the source that can be read, with stamps that go on growing when it loops."""
        count = self.values["frames"] or None
        return itertools.islice(self._endless() if self.values["loop"] else self._round(), count)

    def _round(self) -> Iterator[NumberedPair]:
        """The pairs of the source, once."""
        for number, pair in enumerate(readable(self.sequence.frames(), len(self.sequence))):
            if isinstance(pair, str):
                self.get_logger().warning(f"frame {number} of {self.sequence.name} is passed over: {pair}")
            else:
                yield NumberedPair(number, pair)

    def _endless(self) -> Iterator[NumberedPair]:
        shift, period = 0, round(1e9 / self.sequence.rate)
        for before in itertools.count(step=len(self.sequence)):
            first: int | None = None
            newest: int | None = None
            for number, pair in self._round():
                newest = pair.stamp if pair.stamp is not None else pair.thermal_stamp
                first = newest if first is None else first
                stamps = (pair.stamp, pair.thermal_stamp)
                stamp, thermal_stamp = (None if one is None else one + shift for one in stamps)
                yield NumberedPair(before + number, FramePair(pair.rgb, pair.thermal, stamp, thermal_stamp))
            if first is None or newest is None:  # a source without a pair
                return
            shift += newest - first + period

    def _wait_for_others(self, stream: str, stop: StopRequest) -> None:
        """Return when all that it must wait for have found it, or the process is to end.

        That may take seconds: the middleware announces a node a few times at first, and where they are lost later on.
        """
        node, streams = self.values["wait_for_node"], []
        if self.values["wait_for_subscribers"]:
            self.get_logger().info("waiting for a subscriber of the image topics")
            streams = [stream] if self.sequence.modality != "both" else list(self._images)
        if not (streams or node):
            return
        while not (all(self._images[one].get_subscription_count() for one in streams) and self._is_heard_by(node)):
            if stop.wait(0.02):
                return
        stop.wait(SETTLE)

    def _is_heard_by(self, node: str) -> bool:
        """Whether a node of this name, if it has one, has subscribed to a camera_info."""
        topics = [publisher.topic_name for publisher in self._infos.values()] if node else []
        return not node or any(
            one.node_name == node for topic in topics for one in self.get_subscriptions_info_by_topic(topic)
        )

    def _publish(self, stream: str, image: Image, stamp: int) -> Header:
        frame_id = self.values[f"frames.{stream}"]
        message = image_message(image.data, image.encoding, stamp, frame_id)
        info = camera_info(image.width, image.height, self.values["field_of_view"])
        info.header = message.header
        self._infos[stream].publish(info)
        self._images[stream].publish(message)
        return message.header


def camera_info(width: int, height: int, field_of_view: float) -> CameraInfo:
    """The calibration of an ideal camera with square pixels, `field_of_view` degrees wide."""
    focal = width / 2 / math.tan(math.radians(field_of_view) / 2)
    # The centre of the image, where the centre of the first pixel is at 0.
    cx, cy = (width - 1) / 2, (height - 1) / 2
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main(stop: StopRequest) -> int:
    """Publish a source until its end. Returns the process's exit status."""
    try:
        begin_ros()
        node = CameraNode()
    except (ValueError, OSError, ImportError) as error:
        rclpy.logging.get_logger("camera").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    faults = FaultMonitor(node.get_logger().warning, node.get_logger().info)
    services = threading.Thread(target=spin, args=(executor, stop, faults))
    services.start()
    try:
        node.play(stop)
    except ValueError as error:
        node.get_logger().fatal(str(error))
        return 1
    finally:
        stop.set()
        services.join()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    run("camera_node")
