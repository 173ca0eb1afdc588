"""Two simulated cameras, whose images arrive as those of real ones would: what the node's pairing and the tracker make
of them, in simulated time and without the middleware. Driven by `robustness.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import cv2
import numpy as np

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import Image
from ckd_ros.geometry import centre, translation
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.pair_loader import PairLoader
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame
from ckd_ros.tracking import Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.engine import Engine

RATE = 30.0
#: Stamps are epoch times, arrivals are not.
EPOCH, START = 1_700_000_000_000_000_000, 10_000_000_000
#: How long an image is on its way, seconds.
TRANSPORT = 0.015
#: Largest shift of the target's thermal image, in sides of the target, and the seconds in which it goes round.
SHIFT, ROUND = 0.15, 16.0
#: When the target is marked, seconds.
MARKED = 2.0


@dataclass(frozen=True)
class Scene:
    """A rendered sequence at RATE, its truth `(N, 4)`, and the network it is tracked with.

    `shifts` `(N, 2)`: pixels from the target in the colour image to that in the thermal one.
    """

    seed: int
    rgb: list[Image]
    thermal: list[Image]
    boxes: np.ndarray
    engine: Engine
    shifts: np.ndarray
    ideals: dict[float, Run] = field(default_factory=dict)

    def ideal(self, marked: float) -> Run:
        """What becomes of it with cameras that agree in time, the target marked after `marked` seconds."""
        if marked not in self.ideals:
            self.ideals[marked] = play(self, Camera(), marked=marked, correct=False)
        return self.ideals[marked]

    @cached_property
    def unrefined(self) -> Run:
        """The same, with the registration as it is."""
        return play(self, Camera(), correct=False, config=TrackerConfig(refine_bound=0.0))

    @staticmethod
    def rendered(seed: int, seconds: float, engine: Engine, shift: float = 0.0) -> Scene:
        """Cameras that see the same at the same time: what is wrong between them is what a row adds.

        `shift`: parallax of the target, sides.
        """
        config = SimulatorConfig(seed=seed, frames=round(seconds * RATE), rate=RATE, jitter=0.0, misregistration=0.0)
        return Scene.of(SimulatedSequence(replace(config, parallax=shift * config.target_size)), engine)

    @staticmethod
    def of(sequence: SimulatedSequence, engine: Engine) -> Scene:
        """A simulated sequence of RATE."""
        pairs = list(sequence.frames())
        shifts = centre(sequence.thermal_boxes) - centre(sequence.boxes)
        images = [p.rgb for p in pairs], [p.thermal for p in pairs]
        return Scene(sequence.config.seed, *images, sequence.boxes, engine, shifts)

    def drifting(self) -> Scene:
        """The thermal camera looks elsewhere, further and further round: by SHIFT of the target's first side."""
        angle = 2 * np.pi * (np.arange(len(self.thermal)) / RATE / ROUND + np.random.default_rng(self.seed).random())
        side = np.sqrt(self.boxes[np.isfinite(self.boxes).all(1)][0, 2:].prod())
        shifts = SHIFT * side * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        thermal = [
            Image(
                cv2.warpAffine(one.data, translation(*shift)[:2], one.size, borderMode=cv2.BORDER_REPLICATE),
                one.encoding,
            )
            for one, shift in zip(self.thermal, shifts, strict=True)
        ]
        return replace(self, thermal=thermal, shifts=shifts, ideals={})


@dataclass(frozen=True)
class Camera:
    """How the images of one camera reach the node.

    Attributes:
        rate: images per second, of those that were rendered.
        offset: by how much its stamps are ahead, seconds.
        jitter: standard deviation of its stamps, seconds.
        loss: chance of an image to be lost.
        silent: seconds from and to which it sends nothing.
    """

    rate: float = RATE
    offset: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    silent: tuple[float, float] = (np.inf, np.inf)

    def frames(self, stream: str, images: list[Image], rng: np.random.Generator) -> Iterator[tuple[CameraFrame, int]]:
        """What arrives, with the index of the image."""
        for index in np.unique(np.round(np.arange(0, len(images), RATE / self.rate)).astype(int)):
            if index >= len(images) or rng.random() < self.loss:
                continue
            taken = index / RATE
            if self.silent[0] <= taken < self.silent[1]:
                continue
            stamp = EPOCH + round(1e9 * (taken + self.offset + self.jitter * rng.normal()))
            arrival = START + round(1e9 * (taken + TRANSPORT + rng.exponential(0.003)))
            yield CameraFrame(stream, stamp, arrival, partial(images.__getitem__, index)), int(index)


@dataclass
class Run:
    """What became of a scene.

    Attributes:
        boxes: those of the tracks, by the index of the image that drives: of the colour image where there is one.
        states, confidences: those of the tracks, in the same way; no confidence of the start.
        offsets: what was to be taken off the thermal stamps, and since when, seconds.
        noticed: when an intolerable offset was said, seconds; None: never.
        shifts: of the target's thermal image as measured while it was TRACKING, in the same way.
    """

    boxes: dict[int, np.ndarray] = field(default_factory=dict)
    states: dict[int, TrackState] = field(default_factory=dict)
    confidences: dict[int, float] = field(default_factory=dict)
    offsets: list[tuple[float, float]] = field(default_factory=list)
    noticed: float | None = None
    shifts: dict[int, tuple[float, float]] = field(default_factory=dict)


def play(
    scene: Scene,
    thermal: Camera,
    rgb: Camera | None = None,
    marked: float = MARKED,
    correct: bool = True,
    config: TrackerConfig | None = None,
) -> Run:
    """Drive the pairing and the tracker with what two cameras send; the target is marked after `marked` seconds.

    `correct`: take an estimated offset off the stamps. `config`: of the tracker.
    """
    rng = np.random.default_rng(scene.seed)
    arriving = [*(rgb or Camera()).frames(RGB, scene.rgb, rng), *thermal.frames(THERMAL, scene.thermal, rng)]
    run, now, taken_off = Run(), 0.0, 0.0

    def take_off(offset: float) -> None:
        nonlocal taken_off
        run.offsets.append((now, offset))
        taken_off = offset if correct else 0.0

    def notice(text: str) -> None:
        if "thermal stamps are" in text and run.noticed is None:
            run.noticed = now

    pairer = FramePairer(LatestMatcher(), slop=0.05, timeout=0.5, history=2.0, drive="auto")
    loader = PairLoader(FaultMonitor(notice, str, clock=lambda: now), take_off)
    tracker, index_of = Tracker(scene.engine, config=config), {}
    for frame, index in sorted(arriving, key=lambda one: one[0].arrival):
        now = (frame.arrival - START) / 1e9
        index_of[frame.stream, frame.stamp] = index
        pairer.add(replace(frame, offset=round(1e9 * taken_off)) if frame.stream == THERMAL else frame)
        pair = pairer.take()
        if pair is None:
            continue
        images, driven = loader.load(pair)[0], index_of[pair.driving.stream, pair.driving.stamp]
        if run.boxes:
            result = tracker.update(images)
            run.confidences[driven] = result.confidence
            if result.state is TrackState.TRACKING:
                run.shifts[driven] = result.registration_offset
        elif now >= marked and pair.rgb is not None and np.isfinite(scene.boxes[driven]).all():
            result = tracker.init(images, scene.boxes[driven])
        else:
            continue
        run.boxes[driven], run.states[driven] = result.box, result.state
    return run
