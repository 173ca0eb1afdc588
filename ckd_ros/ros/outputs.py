"""The topics that the tracker node publishes, one TrackedPair at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from ckd_ros.msg import Track
from ckd_ros.ros import messages
from ckd_ros.ros.conversions import compressed_message, image_message
from ckd_ros.ros.markers import is_calibrated, target_markers
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.ros.worker import TrackedPair
from ckd_ros.tracking import Registration
from ckd_ros.tracking.overlay import draw_overlay, panel_size


class Outputs:
    """Publishes `track` (and `detections`) for every outcome, and what costs work only while somebody listens.

    Args:
        node: the node to publish from.
        values: the node's parameters by name, as they are at the time of the call.
        infos: the newest camera_info of each stream, kept up to date by the node.
    """

    def __init__(self, node: LifecycleNode, values: Callable[[], dict], infos: Mapping[str, CameraInfo]) -> None:
        self._node, self._values, self._infos = node, values, infos
        self._overlay_due = 0.0
        self.registration = Registration()
        self._track = node.create_lifecycle_publisher(Track, "track", 10)
        self._overlay = node.create_lifecycle_publisher(Image, "overlay", 1)
        self._compressed = node.create_lifecycle_publisher(CompressedImage, "overlay/compressed", 1)
        self._markers = node.create_lifecycle_publisher(MarkerArray, "markers", 1)
        self._publishers = [self._track, self._overlay, self._compressed, self._markers]
        self._detections = None
        if messages.Detection2DArray is not None:
            self._detections = node.create_lifecycle_publisher(messages.Detection2DArray, "detections", 10)
            self._publishers.append(self._detections)

    def destroy(self) -> None:
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, outcome: TrackedPair) -> None:
        """Publish what there is to say of an outcome; the track first, for it is what others wait for."""
        values = self._values()
        frames = {RGB: values["frames.rgb"], THERMAL: values["frames.thermal"]}
        header = messages.header(outcome.pair, frames)
        track = messages.track(outcome, header, self._node.get_clock().now().nanoseconds)
        self._track.publish(track)
        if self._detections is not None:
            self._detections.publish(messages.detections(track))
        if self._markers.get_subscription_count():
            self._publish_markers(outcome, track, values, frames)
        if self._overlay.get_subscription_count() or self._compressed.get_subscription_count():
            self._publish_overlay(outcome, values, header.frame_id)

    def _publish_markers(self, outcome: TrackedPair, track: Track, values: dict, frames: dict[str, str]) -> None:
        views = ((RGB, outcome.images.rgb, track.box), (THERMAL, outcome.images.thermal, track.thermal_box))
        for stream, image, box in views:
            info = self._infos.get(stream)
            if image is None or not is_calibrated(info):
                continue
            header = messages.Header(stamp=track.header.stamp, frame_id=frames[stream] or info.header.frame_id)
            size = (image.width, image.height)
            self._markers.publish(target_markers(track, box, info, size, header, values["markers.distance"]))
            return

    def _publish_overlay(self, outcome: TrackedPair, values: dict, frame_id: str) -> None:
        now = time.monotonic()
        if values["overlay.rate"] > 0:
            if now < self._overlay_due:
                return
            self._overlay_due = now + 1 / values["overlay.rate"]
        size = panel_size(outcome.images, values["overlay.width"])
        picture = draw_overlay(outcome.images, outcome.result, self.registration, size)
        stamp = outcome.pair.header.stamp
        if self._overlay.get_subscription_count():
            self._overlay.publish(image_message(picture, "bgr8", stamp, frame_id))
        if self._compressed.get_subscription_count():
            self._compressed.publish(compressed_message(picture, stamp, frame_id, values["overlay.quality"]))
