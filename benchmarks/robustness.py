"""Two cameras that do not agree, on the simulator with truth: what the tracker makes of it, beside what it must reach.

    tools/env.sh python benchmarks/robustness.py --data DIR [--json FILE]
    python benchmarks/robustness.py [--seeds 8] [--seconds 24] [--rows rates offset]

The images of a simulated sequence arrive as those of two cameras would, in simulated time and without the middleware:
through the node's own pairing and decoding (`FramePairer`, `PairLoader`) to the `Tracker`. A row of the table is a
condition: a function of the scene that gives its figures, entered in `ROWS`. `ideal` stands for the same tracker on the
same sequence, with both cameras at the full rate, in time and without loss; AUC are compared on the same frames.

Rows of `ONCE` need no scene. Those of `RECORDED` among them need DIR, with `roadscene/` and `m3svd/`; "four targets"
takes its people and cars from there (`roadscene/`, `flir_crops.tar`) where it is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import cv2
import failing_sensors
import measured_once
import numpy as np
import tyro
from bootstrap import mean_interval
from hiding import hidings
from rich.console import Console
from rich.table import Table
from simulated_cameras import MARKED, RATE, SHIFT, Camera, Run, Scene, play

from ckd_ros.files import replacing
from ckd_ros.metrics import calibration_error, overlaps, success_curve
from ckd_ros.ros.sync.streams import RGB
from ckd_ros.tracking import OnnxEngine, suited_model

#: When an offset must have been noticed, and when the target is marked after it was taken off; seconds.
NOTICED, MARKED_LATE = 10.0, 12.0


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


def _refined(scene: Scene, registered: Scene) -> dict[str, float]:
    """What refinement makes of a scene that is the registered one, but for its shifts."""
    run, off, perfect = scene.ideal(MARKED), scene.unrefined, registered.unrefined
    frames = sorted(set(run.boxes) & set(off.boxes) & set(perfect.boxes))
    best = auc(registered, perfect, frames)
    errors = [np.hypot(*(shift - scene.shifts[index])) for index, shift in run.shifts.items()]
    return {
        "AUC lost against perfect registration": best - auc(scene, run, frames),
        "AUC lost without refinement": best - auc(scene, off, frames),
        "offset error, px": float(np.nanmedian(errors)),
    }


def drift(scene: Scene) -> dict[str, float]:
    """The thermal image is off by 15 % of the target's side, in a direction that goes round in 16 s."""
    return _refined(scene.drifting(), scene)


def parallax(scene: Scene) -> dict[str, float]:
    """The target, not its background, is off by 15 % of its side in the thermal image, and comes and goes."""
    return _refined(Scene.rendered(scene.seed, len(scene.rgb) / RATE, scene.engine, SHIFT), scene)


def aligned(scene: Scene) -> dict[str, float]:
    """Perfectly registered, with refinement against without it."""
    run, off = scene.ideal(MARKED), scene.unrefined
    frames = sorted(set(run.boxes) & set(off.boxes))
    return {
        "AUC lost by refinement": auc(scene, off, frames) - auc(scene, run, frames),
        "offset error, px": float(np.median([np.hypot(*shift) for shift in run.shifts.values()])),
    }


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


REFINED = {
    "AUC lost against perfect registration": Target("mean", "at most", 0.03),
    "offset error, px": Target("median", "at most", 2.0),
}
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
    **{
        name: (fault, {failing_sensors.KEPT: Target("mean", "at least", 0.95)})
        for name, fault in failing_sensors.FAULTS.items()
    },
    "drift": (drift, REFINED),
    "parallax": (parallax, REFINED),
    "aligned": (aligned, {"AUC lost by refinement": Target("mean", "at most", 0.005)}),
    "hiding": (hiding, _HIDING),
    "hiding, turning": (hiding_turning, _HIDING),
    "confidence": (confidence, {"calibration error": Target("calibration", "at most", 0.08)}),
}
#: Those that need no scene: functions of the folder with data sets, or of None where there is none.
ONCE: dict[str, tuple[Callable, dict[str, Target]]] = {
    "four targets": (
        measured_once.four_targets,
        {
            "times the time of one": Target("mean", "at most", 2.5),
            "exchanged, share of meetings": Target("mean", "at most", 0.02),
        },
    ),
    "fuzz": (
        measured_once.fuzz,
        {"failures": Target("mean", "at most", 0.0), "calls without an answer": Target("mean", "at most", 0.0)},
    ),
    "calibration": (
        measured_once.calibration,
        {
            "error of those accepted, median, px": Target("mean", "at most", 2.0),
            "the largest, px": Target("mean", "at most", 6.0),
        },
    ),
    "confidence on video": (
        measured_once.confidence_on_video,
        {"calibration error": Target("calibration", "at most", 0.08)},
    ),
}
RECORDED = ("calibration", "confidence on video")


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
    function, targets = (ROWS | ONCE)[row]
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


def measure(rows: Sequence[str], seeds: int, seconds: float, data: Path | None = None) -> list[Figure]:
    """Every row, those of `ROWS` on the same scenes. Raises KeyError for a row that is none, ValueError for one that
    needs `data` without it."""
    if data is None and (needed := [row for row in rows if row in RECORDED]):
        raise ValueError(f"the row '{needed[0]}' is of recordings: give their folder with --data")
    engine = OnnxEngine(suited_model(), threads=1)
    found: dict[str, list[Figures]] = {row: [] for row in rows}
    of_scenes = [row for row in rows if row not in ONCE]
    for row in rows:
        if row in ONCE:
            found[row].append(ONCE[row][0](data))
    for seed in range(seeds if of_scenes else 0):
        scene = Scene.rendered(seed, seconds, engine)
        for row in of_scenes:
            found[row].append(ROWS[row][0](scene))
    return [figure for row, values in found.items() for figure in figures(row, values)]


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    seeds: int = 8,
    seconds: float = 24.0,
    rows: tuple[str, ...] | None = None,
    data: Path | None = None,
) -> None:
    """Measure and print.

    Args:
        json_file: where to write the figures too.
        seeds: number of scenes.
        seconds: length of each.
        rows: conditions, of those in `ROWS` and `ONCE`; none: all for which there is data.
        data: folder with the data sets.
    """
    cv2.setNumThreads(1)
    if rows is None:
        rows = tuple(row for row in (*ROWS, *ONCE) if data is not None or row not in RECORDED)
    found = measure(rows, seeds, seconds, data)
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
