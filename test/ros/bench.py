"""A tracker node in this process with cameras and a client around it, connected by real middleware."""

from __future__ import annotations

import threading
import time
from functools import partial

import numpy as np
import rclpy
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.srv import InitTarget, StopTarget
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from scene import Scene
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ckd_ros.frames import FramePair
from ckd_ros.ros import conversions
from ckd_ros.ros.tracker_node import TrackerNode

MS = 1_000_000
#: Between the frames of the cameras, nanoseconds.
PERIOD = 33 * MS
#: The correlation of the scene's background with the target reaches 0.4 by chance.
CONFIDENCE = {
    "tracker.uncertain_below": 0.5,
    "tracker.tracking_above": 0.55,
    "tracker.lost_below": 0.45,
    "tracker.reacquire_above": 0.55,
}
#: How far a box's centre may be off, pixels: the network is exact to a cell of 5 x 5.
CELL = 7.5
#: Patches of the background, far from the way of the target, that can be followed too: `(x, y, w, h)`.
PATCH, OTHER_PATCH = (250.0, 30.0, 40.0, 32.0), (30.0, 180.0, 40.0, 32.0)


class Bench:
    """Shows frame after frame of a scene to the node, in lockstep with its tracks.

    Args:
        model: the network.
        parameters: of the node, besides those that the scene and the network ask for.
    """

    def __init__(self, model, parameters: dict) -> None:
        own = {"model.path": str(model), "model.threads": 1, "qos.reliability": "reliable", "qos.depth": 10}
        own["tracker.box_correction"] = 0.0  # the network's error is its grid's, another one in every frame
        own["tracker.refine_bound"] = 0.0  # the thermal box is where the registration says
        own["sync.timeout"] = 5.0  # a busy machine is no silent camera
        values = {**own, **CONFIDENCE, **parameters}
        self.node = TrackerNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        self.scene = Scene()
        self.frame = 0
        self.start_stamp = time.time_ns() - 10_000_000_000  # lockstep is faster than the stamps: keep them in the past
        self.tracks: list[Track] = []
        self._received = threading.Condition()
        self._statuses: dict[str, object] = {}
        self.user = rclpy.create_node("user", namespace="ckd")
        self.cameras = {}
        for stream in ("rgb", "thermal"):
            compressed = values.get(f"image_transport.{stream}") == "compressed"
            kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
            self.cameras[stream] = self.user.create_publisher(kind, f"{stream}/image{suffix}", 10)
        self.calibrations = {
            s: self.user.create_publisher(CameraInfo, f"{s}/camera_info", 10) for s in ("rgb", "thermal")
        }
        self.user.create_subscription(Track, "track", self._on_track, QoSProfile(depth=200))
        self.user.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.init_client = self.user.create_client(InitTarget, "init_target")
        self.stop_client = self.user.create_client(StopTarget, "stop")
        self._executors = [SingleThreadedExecutor(), SingleThreadedExecutor()]
        self._threads = []
        for executor, node in zip(self._executors, (self.node, self.user), strict=True):
            executor.add_node(node)
            self._threads.append(threading.Thread(target=executor.spin, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        for executor in self._executors:
            executor.shutdown()
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        self.user.destroy_node()

    def start(self) -> Bench:
        """Activate the node and wait until everybody knows everybody."""
        assert self.node.start()
        self.connect()
        return self

    def connect(self) -> None:
        wait_for(lambda: all(c.get_subscription_count() for c in (*self.cameras.values(), *self.calibrations.values())))
        wait_for(lambda: self.init_client.service_is_ready() and self.stop_client.service_is_ready())
        wait_for(lambda: self.user.count_publishers("track"))

    # -- cameras -----------------------------------------------------------------------------------------------------

    def stamp(self, frame: int | None = None) -> int:
        """Nanoseconds at which a frame (default: the present one) is taken."""
        return self.start_stamp + (self.frame if frame is None else frame) * PERIOD

    def centre(self, frame: int | None = None) -> tuple[float, float]:
        """Where the target is in a frame: it runs back and forth, 1.7 pixels a frame."""
        at = (self.frame if frame is None else frame) % 160
        at = at if at < 80 else 160 - at
        return 80.0 + 1.5 * at, 80.0 + 0.8 * at

    def box(self, frame: int | None = None) -> np.ndarray:
        return self.scene.box(self.centre(frame))

    def pair(self, **show) -> FramePair:
        return self.scene(self.centre(), **show)

    def send(self, rgb=None, thermal=None) -> None:
        """Publish messages of the present frame; None: nothing."""
        for stream, message in (("rgb", rgb), ("thermal", thermal)):
            if message is not None:
                self.cameras[stream].publish(message)

    def messages(self, **show) -> tuple[Image | None, Image | None]:
        """The present frame as messages of both cameras; see `Scene` for what can be shown."""
        pair = self.pair(**show)
        return tuple(
            None if image is None else conversions.image_message(image.data, image.encoding, self.stamp(), frame_id)
            for image, frame_id in ((pair.rgb, "rgb_frame"), (pair.thermal, "thermal_frame"))
        )

    def step(self, make=None, **show) -> Track:
        """Go on to the next frame, publish it and return its track.

        `make` makes the frame's messages of both cameras, `messages` by default; `show` is passed on to it.
        """
        self.frame += 1
        self.send(*(make or self.messages)(**show))
        return self.track(lambda t: conversions.to_nanoseconds(t.header.stamp) == self.stamp())

    def play(self, seconds: float, make=None, **show) -> None:
        """Publish frame after frame at the cameras' pace, whatever the node makes of it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.frame += 1
            self.send(*(make or self.messages)(**show))
            time.sleep(PERIOD / 1e9)

    def steps(self, count: int, **show) -> Track:
        for _ in range(count):
            track = self.step(**show)
        return track

    def follow(self, count: int = 10, **show) -> Track:
        """Go on, and see the node follow the target all the way."""
        for _ in range(count):
            track = self.step(**show)
            assert track.state == Track.TRACKING
            assert self.error(track) < CELL
        return track

    def error(self, track: Track) -> float:
        """Distance of a track's box from the target of the present frame, pixels between centres."""
        x, y = track.box.x + track.box.width / 2, track.box.y + track.box.height / 2
        return float(np.hypot(*(np.array([x, y]) - self.box()[:2] - self.box()[2:] / 2)))

    # -- the user ----------------------------------------------------------------------------------------------------

    def init(self, box=None, image: int = InitTarget.Request.RGB, stamp: int = 0) -> InitTarget.Response:
        x, y, w, h = (float(v) for v in (self.box() if box is None else box))
        request = InitTarget.Request(image=image, box=BoundingBox(x=x, y=y, width=w, height=h))
        request.stamp = conversions.to_stamp(stamp)
        return self.call(self.init_client, request)

    def started(self, **show) -> Bench:
        """Start the node and have it follow the target."""
        self.start().steps(3, **show)
        response = self.init()
        assert response.success, response.message
        self.follow(3, **show)
        return self

    def stop(self, target: int = 0) -> StopTarget.Response:
        return self.call(self.stop_client, StopTarget.Request(target_id=target))

    def call(self, client, request):
        future = client.call_async(request)
        wait_for(future.done)
        return future.result()

    def track(self, wanted, timeout: float = 20.0) -> Track:
        """The newest track for which `wanted` holds, waited for."""
        matching: list[Track] = []

        def look() -> bool:
            matching[:] = [track for track in reversed(self.tracks) if wanted(track)][:1]
            return bool(matching)

        with self._received:
            assert self._received.wait_for(look, timeout), f"no such track; faults: {self.faults()}"
        return matching[0]

    def faults(self) -> dict[str, str]:
        return {key: fault.message for key, fault in self.node.faults.active().items()}

    def wait_for_fault(self, key: str) -> str:
        wait_for(lambda: key in self.faults())
        return self.faults()[key]

    def status(self, name: str = "tracker", wanted=lambda values: True, timeout: float = 20.0) -> dict[str, str]:
        """The next diagnostics of the node (or of a stream) for which `wanted` holds: values, `level` and `message`."""
        end = time.monotonic() + timeout
        while True:
            self._statuses.pop(name, None)
            self.node.executor.create_task(self.node.diagnostics.update)  # rather than wait for its timer
            wait_for(lambda: name in self._statuses)
            status = self._statuses[name]
            if wanted(status):
                return status
            assert time.monotonic() < end, f"no such status, but {status}"
            time.sleep(0.05)

    def _on_track(self, track: Track) -> None:
        with self._received:
            self.tracks.append(track)
            self._received.notify_all()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            values.update(level=status.level, message=status.message)
            self._statuses[status.name.removeprefix("ckd/tracker: ")] = values

    def subscribe(self, kind, topic: str) -> list:
        """The messages that come on a topic from now on."""
        received: list = []
        self.user.create_subscription(kind, topic, received.append, 10)
        wait_for(lambda: self.node.count_subscribers(topic))
        wait_for(partial(self.user.count_publishers, topic))
        time.sleep(0.2)  # the graph knows before the endpoints are matched
        return received


def wait_for(condition, timeout: float = 20.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {condition}"
        time.sleep(0.005)
