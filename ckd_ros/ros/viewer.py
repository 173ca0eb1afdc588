"""What a person sees of the cameras and the tracker, and asks of it, from a process of its own: `ckd view`."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rclpy.client import Client
from rclpy.exceptions import NameValidationException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.task import Future
from rclpy.validate_namespace import validate_namespace
from sensor_msgs.msg import CompressedImage, Image

from ckd_ros.colour import for_display
from ckd_ros.frames import FramePair
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.msg import BoundingBox
from ckd_ros.ros.background_node import BackgroundNode
from ckd_ros.ros.camera_pairs import CameraPairs
from ckd_ros.ros.conversions import ImageError, load_image, to_nanoseconds, to_stamp
from ckd_ros.ros.shown_frame import ShownFrame
from ckd_ros.ros.silence import KINDS, SUFFIXES, TYPES
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.srv import InitTarget, StopTarget

OVERLAY = "overlay"
#: Between looks at what is published, seconds.
PERIOD = 0.5
#: So long an image of each camera is waited for, which tells the size of its images, seconds.
PATIENCE = 2.0
#: Without a picture for so long, it is said where one is waited for, seconds.
SILENT_AFTER = 2.0
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_IMAGES = {RGB: InitTarget.Request.RGB, THERMAL: InitTarget.Request.THERMAL}


class Source(NamedTuple):
    """A topic with pictures: OVERLAY, or the images of a stream."""

    name: str
    transport: str

    @property
    def topic(self) -> str:
        """Relative to the namespace."""
        base = self.name if self.name == OVERLAY else f"{self.name}/image"
        return base + SUFFIXES[self.transport]


class Camera(NamedTuple):
    """How the images of a camera are."""

    size: Size
    frame_id: str


class Viewer:
    """Node `view`, spinning in a thread of its own while its context lasts.

    It shows the overlay, or where nobody publishes one the images of the colour camera, or of the thermal one. Its
    methods are for one thread. Entering raises ValueError for a namespace or remappings that ROS does not take.

    Args:
        namespace: of the tracker.
        remappings: `FROM:=TO`, as ROS takes them.
        compressed: receive `overlay/compressed` rather than `overlay`.
        thermal_offset: of the cameras' stamps, see `CameraPairs`.
    """

    def __init__(
        self,
        namespace: str,
        remappings: Sequence[str] = (),
        compressed: bool = False,
        thermal_offset: float = 0.0,
    ) -> None:
        transports = ("compressed", "raw") if compressed else ("raw", "compressed")
        self._sources = [Source(OVERLAY, transport) for transport in transports]
        self._sources += [Source(stream, transport) for stream in (RGB, THERMAL) for transport in SUFFIXES]
        self._namespace, self._remappings, self._thermal_offset = namespace, remappings, thermal_offset
        self._source: Source | None = None
        self._subscription: Subscription | None = None
        self._newest: tuple[Source, Any] | None = None
        self._probes: dict[str, Subscription] = {}
        self._cameras: dict[str, Camera] = {}
        self._probed = self._seen = time.monotonic()
        self._shape: Size | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._pairs_wanted = False

    def __enter__(self) -> Viewer:
        arguments = ["--ros-args", *(word for one in self._remappings for word in ("-r", one))]
        try:
            validate_namespace(f"/{self._namespace.lstrip('/')}")
            self._background = BackgroundNode("view", namespace=self._namespace, cli_args=arguments)
        except (NameValidationException, RuntimeError) as error:
            raise ValueError(f"namespace {self._namespace}, remappings {[*self._remappings]}: {error}") from error
        self._node = self._background.node
        topics = {stream: f"{stream}/image" for stream in _IMAGES}
        self._pairs = CameraPairs(self._node, topics, self._thermal_offset)
        self._init = self._node.create_client(InitTarget, "init_target")
        self._stop = self._node.create_client(StopTarget, "stop")
        self._node.create_timer(PERIOD, self._look)
        self._background.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._background.end()

    # -- pictures ----------------------------------------------------------------------------------------------------

    def newest(self) -> ShownFrame | None:
        """The newest picture, if it was not given before."""
        waiting, self._newest = self._newest, None
        if waiting is None:
            return None
        source, message = waiting
        try:
            image = load_image(message)
        except ImageError:  # the next may be whole
            return None
        self._seen = time.monotonic()
        picture = for_display(image, source.name == THERMAL)
        stream: str = source.name
        size: Size | None = image.size
        if source.name == OVERLAY:
            if self._shape not in (None, image.size):  # of other images than before, perhaps
                self._cameras.clear()
                self._probed = time.monotonic()
            self._shape = image.size
            stream, size = self._reference(message.header.frame_id)
        return ShownFrame(np.ascontiguousarray(picture), to_nanoseconds(message.header.stamp), stream, size)

    def waiting(self) -> str:
        """Where pictures are waited for, if none has come for a while."""
        if time.monotonic() - self._seen < SILENT_AFTER:
            return ""
        if self._source is not None:
            return f"no images arrive on {self._topic(self._source)}: is the tracker active, is the camera running?"
        names = ", ".join(self._topic(source) for source in self._sources)
        return f"waiting for images: nobody publishes {names} (other names: --namespace, --remap)"

    def _reference(self, frame_id: str) -> tuple[str, Size | None]:
        """The camera in whose pixels a box on an overlay is, and the size of its images: as the tracker has it, the
        colour camera where its images come."""
        cameras = dict(self._cameras)
        if len(cameras) < len(_IMAGES) and time.monotonic() - self._probed < PATIENCE:
            return RGB, None
        stream = RGB if RGB in cameras or not cameras else THERMAL
        if len(cameras) == len(_IMAGES) and cameras[RGB].frame_id != frame_id == cameras[THERMAL].frame_id:
            stream = THERMAL  # the colour camera has fallen silent
        return stream, cameras[stream].size if stream in cameras else None

    def _look(self) -> None:
        """Receive the best of what is published, and with an overlay an image of each camera."""
        published = [source for source in self._sources if self._is_published(source)]
        best = published[0] if published else None
        if best != self._source:
            if self._subscription is not None:
                self._node.destroy_subscription(self._subscription)
            self._source = best
            self._subscription = None if best is None else self._subscribe(best, partial(self._on_picture, best))
        if self._pairs_wanted:
            self._pairs.look()
        else:
            self._pairs.close()
        for stream in _IMAGES:
            source = next((source for source in published if source.name == stream), None)
            wanted = stream not in self._cameras and best is not None and best.name == OVERLAY
            if wanted and source is not None and stream not in self._probes:
                self._probes[stream] = self._subscribe(source, partial(self._on_probe, stream))
                self._probed = time.monotonic()
            elif not wanted and stream in self._probes:
                self._node.destroy_subscription(self._probes.pop(stream))

    def _is_published(self, source: Source) -> bool:
        publishers = self._node.get_publishers_info_by_topic(self._topic(source))
        return any(publisher.topic_type == TYPES[source.transport] for publisher in publishers)

    def _topic(self, source: Source) -> str:
        return self._node.resolve_topic_name(source.topic)

    def _subscribe(self, source: Source, callback: Callable[[Any], None]) -> Subscription:
        return self._node.create_subscription(KINDS[source.transport], source.topic, callback, _NEWEST)

    def _on_picture(self, source: Source, message: Image | CompressedImage) -> None:
        self._newest = source, message

    def _on_probe(self, stream: str, message: Image | CompressedImage) -> None:
        try:
            image = load_image(message)
        except ImageError:
            return
        self._cameras[stream] = Camera(image.size, message.header.frame_id)

    # -- both cameras ------------------------------------------------------------------------------------------------

    def want_pairs(self, wanted: bool) -> None:
        """Begin to receive the images of both cameras, or end it."""
        self._pairs_wanted = wanted

    def pair(self) -> FramePair | None:
        """Images of both cameras of one moment, if they have come since they were wanted."""
        return self._pairs.take()

    def missing(self) -> str:
        """Why there is no pair of images, for a person."""
        return self._pairs.missing()

    # -- requests ----------------------------------------------------------------------------------------------------

    def init_target(self, box: FloatArray, stream: str, stamp: int) -> None:
        """Ask the tracker to follow what is in `box` `(x, y, w, h)` of the image of `stream` with that stamp."""
        x, y, w, h = (float(value) for value in box)
        request = InitTarget.Request(image=_IMAGES[stream], box=BoundingBox(x=x, y=y, width=w, height=h))
        request.stamp = to_stamp(stamp)
        self._ask(self._init, request)

    def stop(self) -> None:
        """Ask the tracker to forget its targets."""
        self._ask(self._stop, StopTarget.Request())

    def answer(self) -> str | None:
        """The next answer to what was asked, if there is one."""
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def _ask(self, client: Client, request: Any) -> None:
        if not client.service_is_ready():
            name = self._node.resolve_service_name(client.srv_name)
            self._answers.put(f"nobody answers {name}: is the tracker running, in this namespace?")
            return
        client.call_async(request).add_done_callback(self._on_answer)

    def _on_answer(self, future: Future) -> None:
        answer = future.result()
        self._answers.put(answer.message if answer.success else f"refused: {answer.message}")
