"""The topics that the tracker node publishes, one TrackedPair at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ckd_ros.frames import FramePair
from ckd_ros.msg import Track
from ckd_ros.ros import messages
from ckd_ros.ros.calibration import CalibrationError, read_calibration
from ckd_ros.ros.clock import NodeClock
from ckd_ros.ros.conversions import compressed_message, image_message
from ckd_ros.ros.markers import target_markers
from ckd_ros.ros.qos import overridable
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.ros.worker import TrackedPair
from ckd_ros.tracking import Registration
from ckd_ros.tracking.overlay import Panels, draw_overlay, panel_size
from ckd_ros.tracking.registration_check import same_aspect


class Outputs:
    """Publishes `track` for every target (and `detections`) in every pair, the costly topics only for subscribers.

    Args:
        node: the node to publish from.
        clock: tells how old a pair is.
        values: gives the node's parameters by name, as they are at the time of the call.
        registration: gives the registration in effect at the time of the call.
        calibrations: the newest camera_info of each stream, kept up to date by their receiver.
    """

    def __init__(
        self,
        node: LifecycleNode,
        clock: NodeClock,
        values: Callable[[], dict[str, Any]],
        registration: Callable[[], Registration],
        calibrations: Mapping[str, CameraInfo],
    ) -> None:
        self._node, self._clock, self._values = node, clock, values
        self._registration, self._calibrations = registration, calibrations
        self._overlay_due = 0.0
        self._track = self._create(Track, "track", 10)
        self._overlay = self._create(Image, "overlay", 1)
        self._compressed = self._create(CompressedImage, "overlay/compressed", 1)
        self._markers = self._create(MarkerArray, "markers", 1)
        self._publishers = [self._track, self._overlay, self._compressed, self._markers]
        self._detections = None
        if messages.Detection2DArray is not None:
            self._detections = self._create(messages.Detection2DArray, "detections", 10)
            self._publishers.append(self._detections)

    def _create(self, kind: type, topic: str, depth: int) -> LifecyclePublisher:
        return self._node.create_lifecycle_publisher(kind, topic, **overridable(depth))

    def destroy(self) -> None:
        """End the topics."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, tracked: TrackedPair) -> None:
        """Publish what there is to say about a pair; the tracks first, because they are what others wait for."""
        values = self._values()
        frame_ids = {RGB: values["frames.rgb"], THERMAL: values["frames.thermal"]}
        header = messages.pair_header(tracked.pair, frame_ids)
        tracks = messages.track_messages(tracked, header, self._clock.latency(tracked.pair))
        for track in tracks:
            self._track.publish(track)
        if self._detections is not None:
            self._detections.publish(messages.detections_message(tracks))
        if self._markers.get_subscription_count():
            self._publish_markers(tracked.images, tracks, frame_ids, values)
        if self._overlay.get_subscription_count() or self._compressed.get_subscription_count():
            self._publish_overlay(tracked, values, header.frame_id)

    def _publish_markers(
        self, images: FramePair, tracks: list[Track], frame_ids: dict[str, str], values: dict[str, Any]
    ) -> None:
        """Markers from the view of the colour camera, or of the thermal one where that lacks image or calibration."""
        boxes = {RGB: [track.box for track in tracks], THERMAL: [track.thermal_box for track in tracks]}
        for stream, image in ((RGB, images.rgb), (THERMAL, images.thermal)):
            info = self._calibrations.get(stream)
            if image is None or info is None:
                continue
            try:
                camera = read_calibration(info, values[f"registration.{stream}_images"], stream)
            except CalibrationError:  # drivers of uncalibrated cameras send zeros
                continue
            if not same_aspect(camera.size, image.size):  # a fault, which the registration reports
                continue
            header = Header(stamp=tracks[0].header.stamp, frame_id=frame_ids[stream] or info.header.frame_id)
            distance = values["markers.distance"]
            targets = list(zip(tracks, boxes[stream], strict=True))
            self._markers.publish(target_markers(targets, camera, image.size, header, distance))
            return

    def _publish_overlay(self, tracked: TrackedPair, values: dict[str, Any], frame_id: str) -> None:
        now = time.monotonic()
        if values["overlay.rate"] > 0:
            if now < self._overlay_due:
                return
            self._overlay_due = now + 1 / values["overlay.rate"]
        panels = Panels(*panel_size(tracked.images, values["overlay.width"]), values["modality"])
        picture = draw_overlay(tracked.images, tracked.results, self._registration(), panels)
        stamp = tracked.pair.driving.stamp
        if self._overlay.get_subscription_count():
            self._overlay.publish(image_message(picture, "bgr8", stamp, frame_id))
        if self._compressed.get_subscription_count():
            self._compressed.publish(compressed_message(picture, stamp, frame_id, values["overlay.quality"]))
