"""The topics that the tracker node receives: the images and the calibration of both cameras."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ckd_ros.image_messages import MOST_PIXELS
from ckd_ros.ros import conversions
from ckd_ros.ros.calibration import same_camera
from ckd_ros.ros.clock import NodeClock
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.meter import Meter
from ckd_ros.ros.qos import overridable
from ckd_ros.ros.silence import KINDS, SUFFIXES, TYPES, explain_silence
from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.stamps import StampWatch
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Verdict

#: A stream without an image for this long is looked for in the graph of nodes, seconds.
SILENT_AFTER = 5.0

_WRONG_ORDER = {
    Verdict.REPEATED: "the stamp of a {0} image repeats that of the one before: the image is not used",
    Verdict.LATE: "a {0} image is older than the one before: it is not used",
    Verdict.CLOCK_SET_BACK: "the stamps of the {0} images went back: the clock was set, or a bag loops; starting anew",
}

#: Asks publishers for what they sent last before the subscription was there.
_LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
#: Bytes of a serialised message with a header before its frame: four of the encoding, eight of the stamp.
_STAMP_ENDS = 12


class CameraInputs:
    """Receives both cameras between `subscribe` and `unsubscribe`, and checks what can be checked without decoding.

    Args:
        node: the node to subscribe with.
        clock: gives images without a usable stamp the time of their reception.
        faults: told what is wrong with an image, and that none arrive.
        on_calibration: called when the calibration of a camera arrives for the first time, or has changed.

    Attributes:
        calibrations: the newest camera_info of each stream that sent one.
    """

    def __init__(self, node: Node, clock: NodeClock, faults: FaultMonitor, on_calibration: Callable[[], None]) -> None:
        self.calibrations: dict[str, CameraInfo] = {}
        self._node, self._clock, self._faults, self._on_calibration = node, clock, faults, on_calibration
        self._infos: dict[str, bytes] = {}
        self._arrivals = {RGB: Meter(), THERMAL: Meter()}
        self._received = {RGB: 0, THERMAL: 0}
        self._received_infos = {RGB: 0, THERMAL: 0}
        self._subscriptions: list[Subscription] = []
        self._images: dict[str, tuple[Subscription, str]] = {}
        self._latched: dict[str, Subscription] = {}
        self._stamps: dict[str, StampWatch] = {}
        self._newest: dict[str, int] = {}  # arrival of the newest message of a stream, at first of its subscription
        self._offsets = {RGB: 0, THERMAL: 0}
        self._corrects = False
        self._estimated: float | None = None
        self._most_pixels = MOST_PIXELS
        self._on_frame: Callable[[CameraFrame], Verdict] | None = None

    def configure(self, values: dict[str, Any]) -> None:
        """Take over what may change while images come; `values` are the node's parameters by name."""
        self._most_pixels = values["limits.image_pixels"]
        self._corrects = values["sync.estimate_offset"]
        if not self._corrects:
            self._estimated = None
        offset = values["sync.thermal_offset"] if self._estimated is None else self._estimated
        self._offsets[THERMAL] = round(offset * 1e9)

    def correct(self, offset: float) -> None:
        """Take off another offset, seconds, from the thermal stamps to come, where `sync.estimate_offset` asks for it.

        May be called from any thread.
        """
        if self._corrects:
            if self._estimated is None:
                text = f"the stamps of the thermal camera are found to be {1e3 * offset:+.0f} ms ahead of the colour's"
                self._node.get_logger().info(f"{text}: taken off from now on (sync.estimate_offset)")
            self._estimated = offset
            self._offsets[THERMAL] = round(offset * 1e9)

    def subscribe(self, values: dict[str, Any], on_frame: Callable[[CameraFrame], Verdict]) -> None:
        """Give every usable image to `on_frame` from now on; `values` are the node's parameters by name."""
        self._on_frame, self._estimated = on_frame, None
        self.configure(values)
        reliable = values["qos.reliability"] == "reliable"
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        streams = (RGB, THERMAL) if values["modality"] == "both" else (values["modality"],)
        for stream in streams:
            transport = values[f"image_transport.{stream}"]
            kind, topic = KINDS[transport], f"{stream}/image{SUFFIXES[transport]}"
            qos = QoSProfile(depth=values["qos.depth"], reliability=reliability)
            images = self._node.create_subscription(kind, topic, partial(self._on_image, stream), **overridable(qos))
            self._subscriptions += [images, self._subscribe_info(stream, **overridable(qos_profile_sensor_data))]
            self._images[stream] = (images, transport)
            self._stamps[stream], self._newest[stream] = StampWatch(), time.monotonic_ns()
            self._received[stream] = self._received_infos[stream] = 0
        topics = [f"{images.topic_name} ({TYPES[transport]})" for images, transport in self._images.values()]
        self._node.get_logger().info(f"waiting for images on {' and '.join(topics)}")
        self.hear_latched()

    def hear_latched(self) -> None:
        """Receive the camera_info that was published before the node was there, where a publisher has kept it.

        That needs a subscription of its own: one that asks for kept messages hears nothing of publishers that keep
        none, and has both sides warn of it. So it is made when such a publisher is seen; call this now and then.
        """
        for stream in self._images:
            topic = self._node.resolve_topic_name(f"{stream}/camera_info")
            publishers = self._node.get_publishers_info_by_topic(topic)
            if stream not in self._latched and any(_keeps(publisher.qos_profile) for publisher in publishers):
                self._latched[stream] = self._subscribe_info(stream, qos_profile=_LATCHED)

    def _subscribe_info(self, stream: str, **qos: Any) -> Subscription:
        callback = partial(self._on_info, stream)
        return self._node.create_subscription(CameraInfo, f"{stream}/camera_info", callback, raw=True, **qos)

    def unsubscribe(self) -> None:
        """Receive nothing from now on; the calibrations stay."""
        for subscription in (*self._subscriptions, *self._latched.values()):
            self._node.destroy_subscription(subscription)
        self._subscriptions, self._images, self._latched = [], {}, {}
        for meter in self._arrivals.values():
            meter.restart()
        self._on_frame = None

    def check(self) -> None:
        """Report the streams that have been silent for SILENT_AFTER, and what the graph of nodes has instead."""
        for stream, (subscription, transport) in self._images.items():
            if time.monotonic_ns() - self._newest[stream] > SILENT_AFTER * 1e9:
                silence = explain_silence(self._node, subscription, stream, transport)
                text, alone = silence.text, self._lone_stream(stream)
                if alone:
                    text += f". If there is no such camera: set modality to {alone}"
                self._faults.report(f"{stream} silent ({silence.cause})", text, remind=not alone)

    def _lone_stream(self, silent: str) -> str | None:
        """The other stream, where that delivers and `silent` never did: perhaps the robot has that camera only."""
        others = [stream for stream in self._images if stream != silent and self._received[stream]]
        return others[0] if others and not self._received[silent] else None

    def why_none(self, stream: str) -> str | None:
        """Why there is no (new) image of a stream, for a person; None where that is not known."""
        if stream not in self._images:
            alone = next(iter(self._images), None)
            return alone and f"modality is {alone}: draw the box in the {alone} image ('image' of the request)"
        if self._arrivals[stream].rate() == 0.0:
            subscription, transport = self._images[stream]
            return explain_silence(self._node, subscription, stream, transport).text
        active = self._faults.active()
        refused = [active[key].message for key in (f"{stream} image", f"{stream} order") if key in active]
        return f"images come but are refused: {'; '.join(refused)}" if refused else None

    def describe_stream(self, status: Status, stream: str) -> None:
        """Contribute the rate of a stream; a warning if no images arrive and nothing else explains it."""
        rate = self._arrivals[stream].rate()
        status.add("rate", f"{rate:.1f}")
        status.add("received", self._received[stream])
        status.add("camera_info", self._received_infos[stream])
        if self._images and stream not in self._images:
            status.note("not received: modality is set to the other camera")
            return
        status.note(f"{rate:.1f} Hz")
        if rate == 0.0 and not status.warnings:
            status.warn("no images arrive")

    def _on_image(self, stream: str, message: Image | CompressedImage) -> None:
        arrival, on_frame = time.monotonic_ns(), self._on_frame
        if on_frame is None:  # unsubscribed while the message was on its way
            return
        self._arrivals[stream].note()
        self._received[stream] += 1
        if self._received[stream] == 1:
            self._node.get_logger().info(f"{stream} images arrive")
        self._newest[stream] = arrival
        try:
            conversions.check_image(message, self._most_pixels)
        except conversions.ImageError as error:
            self._faults.report(f"{stream} image", f"{stream} image cannot be used: {error}")
            return
        stamp, offset = conversions.to_nanoseconds(message.header.stamp), self._offsets[stream]
        problem = self._stamps[stream].problem(stamp)
        if problem:
            self._faults.report(f"{stream} stamp", f"{stream} images {problem}: the time of reception is used instead")
            stamp, offset = self._clock.now(), 0
        load = partial(conversions.load_image, message, self._most_pixels)
        frame = CameraFrame(stream, stamp, arrival, load, message.header.frame_id, offset, stamped=not problem)
        verdict = on_frame(frame)
        if verdict in _WRONG_ORDER:
            self._faults.report(f"{stream} order", _WRONG_ORDER[verdict].format(stream))

    def _on_info(self, stream: str, serialized: bytes) -> None:
        self._received_infos[stream] += 1
        # It comes with every image, twice from a publisher that both subscriptions hear, and hardly ever changes.
        content = serialized[_STAMP_ENDS:]
        if self._infos.get(stream) == content:
            return
        try:
            message = deserialize_message(serialized, CameraInfo)
        except RuntimeError as error:  # any node on the network may send any bytes
            reason = " ".join(str(error).split())
            text = f"{stream}/camera_info cannot be used: its {len(serialized)} bytes are no CameraInfo ({reason})"
            self._faults.report(f"{stream} camera_info", text)
            return
        self._infos[stream] = content
        known = self.calibrations.get(stream)
        self.calibrations[stream] = message
        if known is None or not same_camera(known, message):
            self._on_calibration()


def _keeps(qos: QoSProfile) -> bool:
    """Whether a publisher gives what it has sent to those who come later."""
    return (qos.durability, qos.reliability) == (_LATCHED.durability, _LATCHED.reliability)
