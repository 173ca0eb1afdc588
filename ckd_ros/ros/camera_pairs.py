"""Pairs of both cameras' images for somebody who looks at a few of them, through the topics that the tracker takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from functools import partial
from itertools import product

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from ckd_ros.frames import FramePair
from ckd_ros.ros.conversions import ImageError, load_image, to_nanoseconds
from ckd_ros.ros.silence import KINDS, SUFFIXES, TYPES
from ckd_ros.ros.sync.streams import RGB, THERMAL

#: Newest images of a camera that are kept, and the largest difference of a pair's stamps, nanoseconds.
_KEPT, _REACH = 8, 60_000_000
_QOS = QoSProfile(depth=_KEPT, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraPairs:
    """Receives both cameras from the first `look` until `close`; raw images where there are any, else compressed ones.

    `look` and `close` are for the thread that spins the node, the other methods for one more.

    Args:
        node: to subscribe with.
        topics: of the raw images, of RGB and of THERMAL.
        thermal_offset: by how much the stamps of the thermal camera are ahead of the colour camera's at one moment,
            seconds.
    """

    def __init__(self, node: Node, topics: Mapping[str, str], thermal_offset: float = 0.0) -> None:
        self._node = node
        self._offsets = {RGB: 0, THERMAL: round(thermal_offset * 1e9)}
        self._topics = {stream: node.resolve_topic_name(topics[stream]) for stream in (RGB, THERMAL)}
        self._subscriptions: dict[str, tuple[str, Subscription]] = {}
        self._lock = threading.Lock()
        self._messages: dict[str, deque[Image | CompressedImage]] = {
            stream: deque(maxlen=_KEPT) for stream in self._topics
        }
        self._fault = ""

    def look(self) -> None:
        """Receive what is published now: call it about twice a second."""
        for stream in self._topics:
            transport = next((one for one in SUFFIXES if self._is_published(stream, one)), None)
            known = self._subscriptions.get(stream)
            if transport is None or known is not None and known[0] == transport:
                continue
            if known is not None:
                self._node.destroy_subscription(known[1])
            topic = self._topics[stream] + SUFFIXES[transport]
            receive = partial(self._on_image, stream)
            self._subscriptions[stream] = (
                transport,
                self._node.create_subscription(KINDS[transport], topic, receive, _QOS),
            )

    def close(self) -> None:
        """Receive nothing more, and forget what came."""
        for _, subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        with self._lock:
            for messages in self._messages.values():
                messages.clear()

    def take(self) -> FramePair | None:
        """The two images of late that are nearest to one moment, and are gone then, with all older ones."""
        with self._lock:
            colour, thermal = (list(enumerate(self._moments(stream))) for stream in (RGB, THERMAL))
            nearest = min(
                product(colour, thermal), key=lambda both: (abs(both[0][1] - both[1][1]), -both[0][0]), default=None
            )
            if nearest is None or abs(nearest[0][1] - nearest[1][1]) > _REACH:
                return None
            taken = [self._take(stream, index) for stream, (index, _) in zip((RGB, THERMAL), nearest, strict=True)]
        try:
            pair = FramePair(load_image(taken[0]), load_image(taken[1]), _stamp(taken[0]), _stamp(taken[1]))
        except ImageError as error:
            self._fault = str(error)
            return None
        self._fault = ""
        return pair

    def _take(self, stream: str, index: int) -> Image | CompressedImage:
        """One of the images that are kept; it is gone then, with those before it."""
        messages = self._messages[stream]
        return [messages.popleft() for _ in range(index + 1)][-1]

    def missing(self) -> str:
        """Why there is no pair, for a person."""
        if self._fault:
            return f"an image cannot be used: {self._fault}"
        with self._lock:
            newest = {stream: self._moments(stream)[-1] for stream, messages in self._messages.items() if messages}
        reasons = []
        for stream, topic in self._topics.items():
            if stream in newest:
                continue
            known = self._subscriptions.get(stream)
            if known is None:
                reasons.append(f"nobody publishes {topic}, nor {topic}{SUFFIXES['compressed']}")
            else:
                reasons.append(f"no images arrive on {topic}{SUFFIXES[known[0]]}, which is published")
        if reasons:
            return "; ".join(reasons)
        ahead = (newest[THERMAL] - newest[RGB]) / 1e9
        return (
            f"the newest stamp of {self._topics[THERMAL]} is {ahead:+.2f} s from that of {self._topics[RGB]}: if they "
            "are of one moment nevertheless, state the offset (sync.thermal_offset)"
        )

    def _moments(self, stream: str) -> list[int]:
        """When the images that are kept were taken, on the colour camera's clock, nanoseconds."""
        return [_stamp(message) - self._offsets[stream] for message in self._messages[stream]]

    def _is_published(self, stream: str, transport: str) -> bool:
        publishers = self._node.get_publishers_info_by_topic(self._topics[stream] + SUFFIXES[transport])
        return any(publisher.topic_type == TYPES[transport] for publisher in publishers)

    def _on_image(self, stream: str, message: Image | CompressedImage) -> None:
        with self._lock:
            self._messages[stream].append(message)


def _stamp(message: Image | CompressedImage) -> int:
    return to_nanoseconds(message.header.stamp)
