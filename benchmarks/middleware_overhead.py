"""What ROS adds to tracking: from the newest image published to the track received, less the network's time.

    tools/env.sh python benchmarks/middleware_overhead.py [--model FILE] [--frames 300] [--rate 30]

Camera, tracker and receiver are processes of their own, as on a robot; images are 640 x 512, rgb8 and mono8. It is run
with Fast DDS's default transports, whose shared memory is smaller than a colour image, and with the two settings for
large images: `FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA`, and the profile in `config/fastdds.xml`.
Goal: a median below 5 ms with a setting for large images.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import rclpy
import tyro
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.srv import InitTarget
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import Image

from ckd_ros.ros.conversions import image_message, to_nanoseconds, to_stamp
from ckd_ros.ros.fastdds import use_large_images
from ckd_ros.tracking import default_model

GOAL_MS = 5.0
WARM_UP = 20
_ROOT = Path(__file__).resolve().parents[1]
#: What chooses transports, in any version of Fast DDS.
_VARIABLES = ("FASTDDS_BUILTIN_TRANSPORTS", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
#: Never in doubt, so that every pair is one inference.
_SURE = ("tracker.uncertain_below:=0.0", "tracker.tracking_above:=0.0", "tracker.lost_below:=0.0")


def main(
    model: Path | None = None,
    frames: int = 300,
    rate: float = 30.0,
    threads: int = 2,
    role: Literal["all", "camera", "receiver"] = "all",
) -> None:
    """Measure with each transport setting and print.

    Args:
        model: the network; default: the shipped student.
        frames: tracks to take the time of.
        rate: pairs per second.
        threads: CPU threads of the network.
        role: `camera` and `receiver` are the benchmark's own child processes.
    """
    model = model or default_model()
    if role == "camera":
        with suppress(RuntimeError):  # what publish raises when it is interrupted
            play_camera(rate)
        return
    if role == "receiver":
        with running(model, rate, threads):
            print(json.dumps(measure(frames, rate)))
        return
    table = Table(
        "transports", "median ms", "p95 ms", "less update ms", "tracks", "pairs lost", title="middleware overhead"
    )
    medians = {}
    arguments = ["--model", str(model), "--frames", str(frames), "--rate", str(rate), "--threads", str(threads)]
    for name, environment in _settings().items():
        child = [sys.executable, __file__, "--role", "receiver", *arguments]
        printed = subprocess.run(child, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        measured = json.loads(printed.splitlines()[-1])
        overhead = np.array(measured["overhead"]) if measured["overhead"] else np.array([np.nan])
        beyond = np.array(measured["beyond_update"]) if measured["beyond_update"] else np.array([np.nan])
        medians[name] = float(np.median(overhead))
        table.add_row(
            name,
            f"{medians[name]:.2f}",
            f"{np.percentile(overhead, 95):.2f}",
            f"{np.median(beyond):.2f}",
            str(len(measured["overhead"])),
            f"{100 * measured['lost']:.0f} %",
        )
    console = Console()
    console.print(table)
    for name in ("LARGE_DATA", "config/fastdds.xml"):
        verdict = "reached" if medians[name] < GOAL_MS else "missed"
        ratio = medians[name] / medians["default"]
        console.print(f"{name}: {ratio:.2f} times the default; goal of {GOAL_MS:g} ms {verdict}")


class Receiver(Node):
    """Starts a target and takes the time of every track that rests on both images."""

    def __init__(self) -> None:
        super().__init__("receiver", namespace="ckd")
        self.overhead: list[float] = []
        self.beyond_update: list[float] = []
        self.idle = self.tracks = 0
        self.first = self.last = 0
        self._init = self.create_client(InitTarget, "init_target")
        self.create_subscription(Track, "track", self._on_track, QoSProfile(depth=100))

    def start_target(self) -> None:
        self._init.call_async(InitTarget.Request(box=BoundingBox(x=300.0, y=240.0, width=60.0, height=50.0)))

    def _on_track(self, track: Track) -> None:
        now = time.time_ns()
        if not track.target_id:
            self.idle += 1
            return
        self.tracks += 1
        if self.tracks <= WARM_UP:
            return
        self.first, self.last = self.first or now, now
        if not (track.rgb_used and track.thermal_used):
            return
        newest = max(to_nanoseconds(track.header.stamp), to_nanoseconds(track.thermal_stamp))
        total = (now - newest) / 1e6
        self.overhead.append(total - 1e3 * track.inference_time)
        self.beyond_update.append(total - 1e3 * track.processing_time)


def measure(frames: int, rate: float) -> dict:
    """Milliseconds of overhead for `frames` camera periods, and the share of pairs that led to no track."""
    rclpy.init()
    receiver, executor = Receiver(), SingleThreadedExecutor()
    executor.add_node(receiver)
    asked = 0.0
    give_up = time.monotonic() + 30.0 + 2 * frames / rate
    while (receiver.last - receiver.first) / 1e9 < frames / rate and time.monotonic() < give_up:
        executor.spin_once(timeout_sec=0.1)
        if not receiver.tracks and receiver.idle and time.monotonic() - asked > 1.0:
            receiver.start_target()
            asked = time.monotonic()
    sent = max(1, round((receiver.last - receiver.first) / 1e9 * rate) + 1)
    rclpy.shutdown()
    return {
        "overhead": receiver.overhead,
        "beyond_update": receiver.beyond_update,
        "lost": max(0.0, 1 - len(receiver.overhead) / sent),
    }


def play_camera(rate: float) -> None:
    """Publish two pairs in turn for ever (no camera repeats an image), stamped with the moment of publication."""
    rclpy.init()
    node = rclpy.create_node("camera", namespace="ckd")
    publishers = [node.create_publisher(Image, f"{s}/image", qos_profile_sensor_data) for s in ("rgb", "thermal")]
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(0, 255, (32, 40, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    scenes = itertools.cycle((scene, scene ^ 1))
    due = time.monotonic()
    while node.context.ok():
        scene = next(scenes)
        messages = [image_message(scene, "rgb8"), image_message(scene[..., 0], "mono8")]
        time.sleep(max(0.0, due - time.monotonic()))
        for publisher, message in zip(publishers, messages, strict=True):
            message.header.stamp = to_stamp(time.time_ns())
            publisher.publish(message)
        due += 1 / rate


@contextmanager
def running(model: Path, rate: float, threads: int) -> Iterator[None]:
    """The camera and the tracker as processes with this process's environment."""
    settings = (f"model.path:={model}", f"model.threads:={threads}", *_SURE)
    tracker = ["-m", "ckd_ros.ros.tracker_node", "--ros-args", *(w for s in settings for w in ("-p", s))]
    camera = [__file__, "--role", "camera", "--rate", str(rate)]
    children = [subprocess.Popen([sys.executable, *command], stdout=sys.stderr) for command in (tracker, camera)]
    try:
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def _settings() -> dict[str, dict[str, str]]:
    """Name -> environment for all processes: this one's with the sources of this checkout and other transports."""
    python_path = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
    for name in _VARIABLES:
        os.environ.pop(name, None)
    default = {**os.environ, "PYTHONPATH": python_path}
    use_large_images()
    profile = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return {
        "default": default,
        "LARGE_DATA": {**default, "FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"},
        "config/fastdds.xml": {**default, **profile},
    }


if __name__ == "__main__":
    tyro.cli(main)
