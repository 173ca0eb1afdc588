"""Two cameras that do not agree, on the simulator with truth: what the tracker makes of it, beside what it must reach.

    python benchmarks/robustness.py [--json FILE] [--seeds 8] [--seconds 24] [--rows rates offset]

The images of a simulated sequence arrive as those of two cameras would, in simulated time and without the middleware:
through the node's own pairing and decoding (`FramePairer`, `PairLoader`) to the `Tracker`. A row of the table is a
condition: a function of the scene that gives its figures, entered in `ROWS`. `ideal` stands for the same tracker on the
same sequence, with both cameras at the full rate, in time and without loss; AUC are compared on the same frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
import tyro
from bootstrap import mean_interval
from hiding import hidings
from rich.console import Console
from rich.table import Table

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.files import replacing
from ckd_ros.frames import Image
from ckd_ros.metrics import calibration_error, overlaps, success_curve
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.pair_loader import PairLoader
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame
from ckd_ros.tracking import OnnxEngine, Tracker, suited_model
from ckd_ros.tracking.engine import Engine

RATE = 30.0
#: Stamps are epoch times, arrivals are not.
EPOCH, START = 1_700_000_000_000_000_000, 10_000_000_000
#: How long an image is on its way, seconds.
TRANSPORT = 0.015
#: When an offset must have been noticed, and when the target is marked: before, and after it was taken off; seconds.
NOTICED, MARKED, MARKED_LATE = 10.0, 2.0, 12.0


@dataclass(frozen=True)
class Scene:
    """A rendered sequence at RATE, its truth `(N, 4)`, and the network it is tracked with."""

    seed: int
    rgb: list[Image]
    thermal: list[Image]
    boxes: np.ndarray
    engine: Engine
    ideals: dict[float, Run] = field(default_factory=dict)

    def ideal(self, marked: float) -> Run:
        """What becomes of it with cameras that agree, the target marked after `marked` seconds."""
        if marked not in self.ideals:
            self.ideals[marked] = play(self, Camera(), marked=marked, correct=False)
        return self.ideals[marked]

    @staticmethod
    def rendered(seed: int, seconds: float, engine: Engine) -> Scene:
        """Cameras that see the same at the same time: what is wrong between them is what a row adds."""
        config = SimulatorConfig(seed=seed, frames=round(seconds * RATE), rate=RATE)
        sequence = SimulatedSequence(replace(config, jitter=0.0, misregistration=0.0, parallax=0.0))
        pairs = list(sequence.frames())
        return Scene(seed, [p.rgb for p in pairs], [p.thermal for p in pairs], sequence.boxes, engine)


@dataclass(frozen=True)
class Camera:
    """How the images of one camera reach the node.

    Attributes:
        rate: images per second, of those that were rendered.
        offset: by how much its stamps are ahead, seconds.
        jitter: standard deviation of its stamps, seconds.
        loss: chance of an image to be lost.
    """

    rate: float = RATE
    offset: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0

    def frames(self, stream: str, images: list[Image], rng: np.random.Generator) -> Iterator[tuple[CameraFrame, int]]:
        """What arrives, with the index of the image."""
        for index in np.unique(np.round(np.arange(0, len(images), RATE / self.rate)).astype(int)):
            if index >= len(images) or rng.random() < self.loss:
                continue
            taken = index / RATE
            stamp = EPOCH + round(1e9 * (taken + self.offset + self.jitter * rng.normal()))
            arrival = START + round(1e9 * (taken + TRANSPORT + rng.exponential(0.003)))
            yield CameraFrame(stream, stamp, arrival, partial(images.__getitem__, index)), int(index)


@dataclass
class Run:
    """What became of a scene.

    Attributes:
        boxes: those of the tracks, by the index of their colour image.
        confidences: the same.
        offsets: what was to be taken off the thermal stamps, and since when, seconds.
        noticed: when an intolerable offset was said, seconds; None: never.
    """

    boxes: dict[int, np.ndarray] = field(default_factory=dict)
    confidences: dict[int, float] = field(default_factory=dict)
    offsets: list[tuple[float, float]] = field(default_factory=list)
    noticed: float | None = None


def play(scene: Scene, thermal: Camera, rgb: Camera | None = None, marked: float = MARKED, correct: bool = True) -> Run:
    """Drive the pairing and the tracker with what two cameras send; the target is marked after `marked` seconds.

    `correct`: take an estimated offset off the stamps.
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
    tracker, index_of = Tracker(scene.engine), {}
    for frame, index in sorted(arriving, key=lambda one: one[0].arrival):
        now = (frame.arrival - START) / 1e9
        index_of[frame.stream, frame.stamp] = index
        pairer.add(replace(frame, offset=round(1e9 * taken_off)) if frame.stream == THERMAL else frame)
        pair = pairer.take()
        if pair is None or pair.rgb is None:
            continue
        images, driven = loader.load(pair)[0], index_of[RGB, pair.rgb.stamp]
        if run.boxes:
            result = tracker.update(images)
            run.boxes[driven], run.confidences[driven] = result.box, result.confidence
        elif now >= marked and np.isfinite(scene.boxes[driven]).all():
            run.boxes[driven] = tracker.init(images, scene.boxes[driven]).box
    return run


def auc_lost(scene: Scene, run: Run, marked: float = MARKED) -> float:
    """By how much the success AUC is below that of `ideal`, on the frames that both have."""
    ideal = scene.ideal(marked)
    frames = sorted(set(run.boxes) & set(ideal.boxes))
    return auc(scene, ideal, frames) - auc(scene, run, frames)


def auc(scene: Scene, run: Run, frames: list[int]) -> float:
    return float(success_curve(overlaps([run.boxes[i] for i in frames], scene.boxes[frames])).mean())


def offset_error(run: Run, offset: float) -> float:
    """Of what was known within NOTICED, milliseconds; infinite where nothing was."""
    known = [one for when, one in run.offsets if when <= NOTICED]
    return 1e3 * abs(known[-1] - offset) if known else float("inf")


def rates(scene: Scene) -> dict[str, float]:
    """Thermal 9 Hz beside colour 30 Hz, 40 ms of offset, 10 ms of jitter, 10 % of both lost."""
    colour, thermal = Camera(loss=0.1), Camera(rate=9.0, offset=0.04, jitter=0.01, loss=0.1)
    run = play(scene, thermal, colour)
    arrived = sum(
        index >= min(run.boxes) for _, index in colour.frames(RGB, scene.rgb, np.random.default_rng(scene.seed))
    )
    return {
        "tracks for each colour image that arrived": len(run.boxes) / arrived,
        "AUC lost": auc_lost(scene, run),
        "offset error in 10 s, ms": offset_error(run, 0.04),
    }


def offset(scene: Scene) -> dict[str, float]:
    """Thermal stamps 300 ms ahead."""
    thermal = Camera(offset=0.3)
    run = play(scene, thermal, marked=MARKED_LATE)
    wrong = play(scene, thermal, marked=MARKED_LATE, correct=False)
    return {
        "noticed in 10 s": float(run.noticed is not None and run.noticed <= NOTICED),
        "offset error in 10 s, ms": offset_error(run, 0.3),
        "AUC lost once corrected": auc_lost(scene, run, MARKED_LATE),
        "AUC lost uncorrected": auc_lost(scene, wrong, MARKED_LATE),
    }


def agreeing(scene: Scene) -> dict[str, float]:
    """Cameras that agree, with what is estimated taken off nevertheless."""
    run = play(scene, Camera())
    return {"AUC lost": auc_lost(scene, run), "offset error in 10 s, ms": offset_error(run, 0.0)}


def hiding(scene: Scene) -> dict[str, float]:
    """Something of another kind hides the target for 1 s and keeps up with it; others like it are about."""
    return hidings(scene.seed, len(scene.boxes) / RATE, scene.engine, turning=False)


def hiding_turning(scene: Scene) -> dict[str, float]:
    """The same before a camera that swings by up to 170 pixels a second."""
    return hidings(scene.seed, len(scene.boxes) / RATE, scene.engine, turning=True)


def confidence(scene: Scene) -> dict[str, np.ndarray]:
    """Cameras that agree, with all that makes the scenes hard: the confidence, and whether the box overlaps by half."""
    run = scene.ideal(MARKED)
    frames = [index for index in sorted(run.confidences) if np.isfinite(scene.boxes[index]).all()]
    overlap = overlaps([run.boxes[index] for index in frames], scene.boxes[frames])
    return {"calibration error": np.column_stack([[run.confidences[index] for index in frames], overlap >= 0.5])}


class Target(NamedTuple):
    """What a figure must reach: its mean or median over the scenes, or the calibration error of all their frames, at
    least or at most a limit."""

    kind: Literal["mean", "median", "calibration"]
    sense: Literal["at least", "at most"]
    limit: float

    def met(self, value: float) -> bool:
        return value >= self.limit if self.sense == "at least" else value <= self.limit


#: What a row gives for a scene: figures, or for a calibration error the frames' `(N, 2)` confidence and rightness.
Figures = Mapping[str, float] | Mapping[str, np.ndarray]
_HIDING = {
    "found within .5 s": Target("mean", "at least", 0.85),
    "wrong target": Target("mean", "at most", 0.03),
}
#: Conditions by name: what gives their figures, and what those must reach. A figure without a target is for comparison.
ROWS: dict[str, tuple[Callable[[Scene], Figures], dict[str, Target]]] = {
    "rates": (
        rates,
        {
            "tracks for each colour image that arrived": Target("mean", "at least", 0.99),
            "AUC lost": Target("mean", "at most", 0.03),
            "offset error in 10 s, ms": Target("median", "at most", 8.0),
        },
    ),
    "offset": (
        offset,
        {
            "noticed in 10 s": Target("mean", "at least", 1.0),
            "offset error in 10 s, ms": Target("median", "at most", 15.0),
            "AUC lost once corrected": Target("mean", "at most", 0.03),
        },
    ),
    "agreeing": (agreeing, {"AUC lost": Target("mean", "at most", 0.005)}),
    "hiding": (hiding, _HIDING),
    "hiding, turning": (hiding_turning, _HIDING),
    "confidence": (confidence, {"calibration error": Target("calibration", "at most", 0.08)}),
}


@dataclass(frozen=True)
class Figure:
    """A line of the table; `low` and `high` hold 95 % of bootstrapped means."""

    row: str
    condition: str
    figure: str
    value: float
    low: float
    high: float
    target: str
    met: bool | None
    scenes: list[float]


def figures(row: str, of_scenes: Sequence[Figures]) -> Iterator[Figure]:
    """The figures of a row, from those of each scene."""
    function, targets = ROWS[row]
    for name in of_scenes[0]:
        target = targets.get(name)
        pooled = target is not None and target.kind == "calibration"
        if pooled:
            value = calibration_error(*np.concatenate([one[name] for one in of_scenes]).T)
            values = [calibration_error(*np.transpose(one[name])) for one in of_scenes]
        else:
            values = [float(one[name]) for one in of_scenes if not np.isnan(one[name])]
            value = float(np.median(values) if target is not None and target.kind == "median" else np.mean(values))
        sure = len(values) > 1 and np.isfinite(values).all() and not pooled
        low, high = mean_interval(np.array(values))[1:] if sure else (float("nan"), float("nan"))
        text = "" if target is None else f"{target.kind} {target.sense} {target.limit:g}"
        met = None if target is None else target.met(value)
        yield Figure(row, " ".join((function.__doc__ or "").split()), name, value, low, high, text, met, values)


def measure(rows: Sequence[str], seeds: int, seconds: float) -> list[Figure]:
    """Every row on the same scenes. Raises KeyError for a row that is none."""
    engine = OnnxEngine(suited_model(), threads=1)

    def of_scene(seed: int) -> dict[str, Figures]:
        scene = Scene.rendered(seed, seconds, engine)
        return {row: ROWS[row][0](scene) for row in rows}

    of_scenes = [of_scene(seed) for seed in range(seeds)]
    return [figure for row in rows for figure in figures(row, [one[row] for one in of_scenes])]


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    seeds: int = 8,
    seconds: float = 24.0,
    rows: tuple[str, ...] = tuple(ROWS),
) -> None:
    """Measure and print.

    Args:
        json_file: where to write the figures too.
        seeds: number of scenes.
        seconds: length of each.
        rows: conditions, of those in `ROWS`.
    """
    cv2.setNumThreads(1)
    found = measure(rows, seeds, seconds)
    table = Table("condition", "figure", "value", "95 %", "to reach", "")
    for one in found:
        sure = "" if np.isnan(one.low) else f"{one.low:.3f} ... {one.high:.3f}"
        met = "" if one.met is None else "yes" if one.met else "NO"
        table.add_row(one.condition, one.figure, f"{one.value:.3f}", sure, one.target, met)
    Console(width=160).print(table)
    if json_file is not None:
        with replacing(json_file) as file:
            file.write_text(json.dumps({"seeds": seeds, "seconds": seconds, "figures": [asdict(f) for f in found]}))


if __name__ == "__main__":
    tyro.cli(main)
