"""The node over hours of frames, as fast as it goes: does it keep its memory, its handles and its pace?

    tools/env.sh python benchmarks/soak.py --frames 200000 --json soak.json

Simulated frames on simulated time go through what the executor calls, the pairing, the worker and real publishers; only
the middleware's way to the node is left out. Every loop of the sequence begins with `init_target` and a changed
parameter, every tenth with the node deactivated and activated again.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rclpy
import tyro
from builtin_interfaces.msg import Time
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.srv import InitTarget
from private_ros import private_ros
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import Image
from ckd_ros.ros import conversions
from ckd_ros.ros.tracker_node import TrackerNode
from ckd_ros.tracking import default_model

LOOP = 200  # frames
RESTART_EVERY = 10  # loops
PERIOD = 50_000_000  # ns
#: A frame whose track does not come within this time is a fault, seconds.
PATIENCE = 30.0


@dataclass(frozen=True)
class Sample:
    """The process after so many frames; times, in milliseconds, are of the frames since the sample before.

    Attributes:
        rss: resident memory, MB.
        descriptors, threads: how many it has open, and runs.
        p50, p99: of the tracker's own time for a frame.
        round_trip_p99: from the images handed over to the track received.
    """

    frames: int
    rss: float
    descriptors: int
    threads: int
    p50: float
    p99: float
    round_trip_p99: float


@dataclass(frozen=True)
class Trend:
    """What changes over the second half, per 10,000 frames: memory in MB and the p99 in milliseconds; and how many more
    descriptors and threads there are at the end than after the first sample."""

    rss: float
    p99: float
    descriptors: int
    threads: int


def main(
    frames: int = 200_000,
    every: int = 2_000,
    model: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Run and print; interrupted, what there is by then.

    Args:
        frames: pairs of images.
        every: frames from one sample to the next.
        model: the network; default: the shipped student.
        json_file: where the figures go.
    """
    begin, samples = time.monotonic(), []
    print("  frames  RSS MB  descriptors  threads  p50 ms  p99 ms  round trip p99 ms")
    # A shell that starts this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with private_ros() as context, suppress(KeyboardInterrupt):
        for sample in soak(context, frames, every, model or default_model()):
            samples.append(sample)
            print(
                f"{sample.frames:8d} {sample.rss:7.1f} {sample.descriptors:12d} {sample.threads:8d} {sample.p50:7.2f} "
                f"{sample.p99:7.2f} {sample.round_trip_p99:18.2f}",
                flush=True,
            )
    found = trend(samples)
    print(
        f"second half, per 10,000 frames: RSS {found.rss:+.2f} MB, p99 {found.p99:+.3f} ms; since the first sample "
        f"{found.descriptors:+d} descriptors, {found.threads:+d} threads; {time.monotonic() - begin:.0f} s"
    )
    if json_file is not None:
        figures = {"samples": [asdict(sample) for sample in samples], "trend": asdict(found)}
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def soak(context: Context, frames: int, every: int, model: Path) -> Iterator[Sample]:
    """Yields a Sample after every so many of the frames."""
    runner = Runner(context, model)
    try:
        own, round_trips = [], []
        for number in range(1, frames + 1):
            start = time.perf_counter()
            own.append(1e3 * runner.step().processing_time)
            round_trips.append(1e3 * (time.perf_counter() - start))
            if number % every == 0:
                yield _sample(number, own, round_trips)
                own, round_trips = [], []
    finally:
        runner.close()


def trend(samples: list[Sample]) -> Trend:
    """Slopes over the second half of the samples; NaN where it has fewer than two."""
    half = samples[len(samples) // 2 :]
    rss = p99 = float("nan")
    if len(half) > 1:
        tens = [sample.frames / 10_000 for sample in half]
        rss, p99 = (
            float(np.polyfit(tens, [getattr(sample, name) for sample in half], 1)[0]) for name in ("rss", "p99")
        )
    first, last = samples[0], samples[-1]
    return Trend(rss, p99, last.descriptors - first.descriptors, last.threads - first.threads)


def _sample(frames: int, own: list[float], round_trips: list[float]) -> Sample:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Sample(
        frames,
        int(status["VmRSS"].split()[0]) / 1024,
        len(os.listdir("/proc/self/fd")),
        int(status["Threads"]),
        *(float(np.percentile(own, part)) for part in (50, 99)),
        float(np.percentile(round_trips, 99)),
    )


class Runner:
    """The tracker node in this process, shown one frame after the other; each is waited for."""

    def __init__(self, context: Context, model: Path) -> None:
        settings: dict[str, Any] = {"model.path": str(model), "model.threads": 1, "use_sim_time": True}
        settings |= {"limits.starts": 0, "sync.timeout": 5.0}  # time runs many times faster than the limit counts
        overrides = [Parameter(name, value=value) for name, value in settings.items()]
        self._tracker = TrackerNode(context=context, parameter_overrides=overrides)
        self._user = rclpy.create_node("user", namespace="ckd", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        for node in (self._tracker, self._user):
            self._executor.add_node(node)
        self._track: Track | None = None
        self._user.create_subscription(Track, "track", self._on_track, QoSProfile(depth=10))
        self._clock = self._user.create_publisher(Clock, "/clock", 10)
        self._init = self._user.create_client(InitTarget, "init_target")
        small = {"width": 160, "height": 128, "thermal_width": 160, "thermal_height": 128, "target_size": 24.0}
        sequence = SimulatedSequence(SimulatorConfig(frames=LOOP, thermal_bits=16, **small))
        self._pairs, self._boxes = list(sequence.frames()), sequence.boxes
        self._numbers = itertools.count()
        if not self._tracker.start():
            raise RuntimeError("the node did not start")
        self._until(lambda: self._init.service_is_ready() and self._user.count_publishers("track"))

    def close(self) -> None:
        self._executor.shutdown()
        for node in (self._tracker, self._user):
            node.destroy_node()

    def step(self) -> Track:
        """Show the next frame. Returns its track."""
        number = next(self._numbers)
        loop, index = divmod(number, LOOP)
        if index == 0 and loop and loop % RESTART_EVERY == 0:
            self._tracker.trigger_deactivate()
            self._tracker.trigger_activate()
            self._until(lambda: self._user.count_publishers("track"))
        stamp = 10**9 + number * PERIOD
        self._clock.publish(Clock(clock=conversions.to_stamp(stamp)))
        pair = self._pairs[index]
        self._track = None
        for stream, image in (("rgb", pair.rgb), ("thermal", pair.thermal)):
            self._hand_over(stream, image, stamp)
        self._until(lambda: self._track is not None and self._track.header.stamp == conversions.to_stamp(stamp))
        track = self._track
        if index == 0:
            self._begin(loop, self._boxes[0])
        return track

    def _hand_over(self, stream: str, image: Image, stamp: int) -> None:
        topic = f"/ckd/{stream}/image"
        (subscription,) = (known for known in self._tracker.subscriptions if known.topic_name == topic)
        subscription.callback(conversions.image_message(image.data, image.encoding, stamp, stream))

    def _begin(self, loop: int, box: np.ndarray) -> None:
        """Show the target anew, and change a parameter."""
        x, y, width, height = map(float, box)
        request = InitTarget.Request(box=BoundingBox(x=x, y=y, width=width, height=height), stamp=Time())
        answer = self._init.call_async(request)
        self._until(answer.done)
        if not answer.result().success:
            raise RuntimeError(f"the target is refused: {answer.result().message}")
        self._tracker.set_parameters([Parameter("tracker.lead", value=0.5 + 0.1 * (loop % 2))])

    def _on_track(self, track: Track) -> None:
        self._track = track

    def _until(self, done: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            self._executor.spin_once(timeout_sec=0.02)
            if time.monotonic() > end:
                raise TimeoutError(f"nothing came within {PATIENCE:g} s: {self._tracker.faults.active()}")


if __name__ == "__main__":
    tyro.cli(main)
