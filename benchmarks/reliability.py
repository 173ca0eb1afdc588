"""What a network's scores are worth: how often its box overlaps the target by half at each of them.

    python benchmarks/reliability.py --data DIR --models tiny tiny-int8        measure, and print
    python benchmarks/reliability.py --data DIR --models new.onnx --write      and keep it in the file's metadata
    python benchmarks/reliability.py --data DIR --models tiny --plot FILE.png  and draw a reliability plot

DIR holds `m3svd/`, which is tracked from four starts (the first frame, a third into the sequence, and two where the
box is drawn a little off), `drone_thermal/` and `drone_visible/`; beside them there are simulated sequences of seeds
that no other table uses. Each of the three counts the same. The probabilities are the shares of frames in bins of the
score, made to rise (isotonic regression). Printed are the expected calibration error of the score itself, of the
probabilities, and of probabilities that were measured without the video or the seed that they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import onnx
import tyro
from rich.console import Console

from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.m3svd import open_m3svd
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.files import replacing
from ckd_ros.metrics import calibration_error, overlaps
from ckd_ros.tracking import OnnxEngine, Tracker, TrackState
from ckd_ros.tracking.engine import model_file
from ckd_ros.tracking.engine.spec import RELIABILITY
from ckd_ros.tracking.reliability import Reliability

#: Bins of the score: most frames have a high one, and there it tells most.
EDGES = np.array([0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.93, 0.96, 0.98, 0.99, 1.0001])
#: Frames that are taken to lie in each bin beforehand, as good as its middle says.
BEFOREHAND = 2.0
STARTS = 4
#: Of the simulated sequences: the first seed, how many, and their frames; drone videos of each camera.
SEED, SIMULATED, LENGTH, VIDEOS = 100, 8, 300, 12
SETS = ("m3svd", "drones", "simulator")
HALF = 0.5


class Frames(NamedTuple):
    """Frames of one sequence, `(N,)` each: the score, whether the target counts as lost, the overlap with the truth."""

    group: str
    score: np.ndarray
    lost: np.ndarray
    overlap: np.ndarray


def main(
    data: Path,
    models: tuple[str, ...] = ("tiny",),
    write: bool = False,
    plot: Path | None = None,
    processes: int | None = None,
) -> None:
    """Measure networks and print what their scores are worth.

    Args:
        data: folder with the data sets.
        models: by name or file.
        write: keep it in the files' metadata.
        plot: a picture of the last one's reliability.
        processes: how many sequences are run at a time; None: as many as there are cores.
    """
    console = Console()
    for path in map(model_file, models):
        jobs = [
            ("m3svd", number, start) for number in range(len(open_m3svd(data / "m3svd"))) for start in range(STARTS)
        ]
        jobs += [("drones", number, 0) for number in range(2 * VIDEOS)]
        jobs += [("simulator", SEED + number, 0) for number in range(SIMULATED)]
        with ProcessPoolExecutor(processes) as pool:
            seen = list(pool.map(partial(observe, path, data), jobs))
        reliability = fit(seen)
        console.print(f"{path.name}: {reliability}")
        for name in SETS:
            of_set = [one for one in seen if one.group.startswith(name)]
            without = error_held_out(seen, of_set)
            console.print(
                f"  {name}: calibration error {error(of_set, Reliability()):.3f} of the score, "
                f"{error(of_set, reliability):.3f} of the probability, {without:.3f} without its own video or seed"
            )
        if write:
            keep(path, reliability)
        if plot is not None:
            draw(seen, reliability, plot)


def observe(path: Path, data: Path, job: tuple[str, int, int]) -> Frames:
    """Track a sequence: (set, its number or seed, which of the starts)."""
    cv2.setNumThreads(1)
    name, number, start = job
    sequence: FrameSequence
    if name == "m3svd":
        sequence = open_m3svd(data / "m3svd")[number]
        group = f"{name} {sequence.name.rpartition('_')[0]}"
    elif name == "drones":
        folder, modality = (("drone_thermal", "thermal"), ("drone_visible", "rgb"))[number // VIDEOS]
        videos = list(open_dataset("videos", data / folder, "held_out", modality))
        sequence = videos[np.linspace(0, len(videos) - 1, VIDEOS).astype(int)[number % VIDEOS]]
        group = f"{name} {sequence.name}"
    else:
        sequence = SimulatedSequence(SimulatorConfig(seed=number, frames=LENGTH))
        group = f"{name} {number}"
    return Frames(group, *track(_engine(path), sequence, start))


_engine = lru_cache(maxsize=1)(partial(OnnxEngine, threads=1))


def track(engine: OnnxEngine, sequence: FrameSequence, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, whether lost, and overlap of the frames in which the target is visible."""
    truth = np.asarray(sequence.boxes, float)
    first = {1: len(truth) // 3, 3: len(truth) // 6}.get(start, 0)
    first += int(np.argmax(np.isfinite(truth[first:]).all(axis=1)))
    frames = islice(sequence.frames(), first, None)
    tracker = Tracker(engine)
    box = drawn(truth[first], np.random.default_rng([start, len(truth)])) if start > 1 else truth[first]
    marked = next(frames)
    tracker.init(marked, box, "thermal" if marked.rgb is None else "rgb")
    results = [tracker.update(pair) for pair in frames]
    overlap = overlaps([one.box for one in results], truth[first + 1 :])
    known = np.isfinite(overlap)
    lost = np.array([one.state is TrackState.LOST for one in results])
    return np.array([one.score for one in results])[known], lost[known], overlap[known]


def drawn(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box as a person might draw it."""
    size = box[2:] * np.exp(rng.normal(0, 0.06, 2))
    centre = box[:2] + box[2:] * (0.5 + rng.normal(0, 0.04, 2))
    return np.concatenate([centre - size / 2, size])


def fit(seen: Sequence[Frames]) -> Reliability:
    """What the scores of these frames are worth; every set of sequences counts the same."""
    sets = {one.group.split()[0] for one in seen}
    counts = {name: sum(len(one.score) for one in seen if one.group.startswith(name)) for name in sets}
    total = sum(counts.values()) / len(counts)
    known = [one for one in seen if not one.lost.all()]
    score = np.concatenate([one.score[~one.lost] for one in known])
    right = np.concatenate([one.overlap[~one.lost] >= HALF for one in known])
    weight = np.concatenate([np.full((~one.lost).sum(), total / counts[one.group.split()[0]]) for one in known])
    bins, count = np.digitize(score, EDGES) - 1, len(EDGES) - 1
    middle = (EDGES[:-1] + np.minimum(EDGES[1:], 1.0)) / 2
    frames = np.bincount(bins, weight, count) + BEFOREHAND
    scores = (np.bincount(bins, weight * score, count) + BEFOREHAND * middle) / frames
    shares = rising((np.bincount(bins, weight * right, count) + BEFOREHAND * middle) / frames, frames)
    shares = np.clip(shares, 0.002, 0.99) + 5e-4 * np.arange(1, count + 1)  # so that all scores are told apart
    points = [(0.0, 0.001), *zip(scores, shares, strict=True), (1.0, 0.999)]
    return Reliability(*(tuple(round(float(value), 4) for value in column) for column in zip(*points, strict=True)))


def rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest values that never fall: neighbours that do are pooled (isotonic regression)."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            both = last[1] + before[1]
            pools.append([(last[0] * last[1] + before[0] * before[1]) / both, both, last[2] + before[2]])
    return np.concatenate([np.full(int(count), value) for value, _, count in pools])


def probabilities(frames: Sequence[Frames], reliability: Reliability) -> tuple[np.ndarray, np.ndarray]:
    """What would be published, and whether it was right."""
    scores = np.concatenate([np.where(one.lost, 0.0, one.score) for one in frames])
    published = np.array([reliability.probability(score) for score in scores])
    return published, np.concatenate([one.overlap >= HALF for one in frames])


def error(frames: Sequence[Frames], reliability: Reliability) -> float:
    """Expected calibration error."""
    return calibration_error(*probabilities(frames, reliability))


def error_held_out(seen: Sequence[Frames], of_set: Sequence[Frames]) -> float:
    """The same, each group of sequences with what was measured on all others."""

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for group in sorted({one.group for one in of_set}):
            others = fit([one for one in seen if one.group != group])
            yield probabilities([one for one in of_set if one.group == group], others)

    return calibration_error(*map(np.concatenate, zip(*parts(), strict=True)))


def keep(path: Path, reliability: Reliability) -> None:
    """Write it into a file's metadata; the weights stay as they are."""
    model = onnx.load(path)
    known = {item.key: item.value for item in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, RELIABILITY: str(reliability)})
    with replacing(path) as temporary:
        onnx.save(model, temporary)


def draw(seen: Sequence[Frames], reliability: Reliability, path: Path) -> None:
    """A reliability plot: for each set, the share of frames that are right against what is published."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True, layout="constrained")
    for name, colour in zip(SETS, ("tab:blue", "tab:green", "tab:orange"), strict=True):
        of_set = [one for one in seen if one.group.startswith(name)]
        for panel, line in zip(axes, (Reliability(), reliability), strict=True):
            published, right = probabilities(of_set, line)
            bins = np.minimum((published * 10).astype(int), 9)
            points = [
                (published[bins == k].mean(), right[bins == k].mean(), (bins == k).sum()) for k in np.unique(bins)
            ]
            x, y, count = np.array(points).T
            label = f"{name}: error {error(of_set, line):.3f}"
            panel.plot(x, y, "-", color=colour, linewidth=1)
            panel.scatter(x, y, 6 + 120 * count / count.sum(), color=colour, label=label)
    for panel, title in zip(axes, ("the score", "the confidence"), strict=True):
        panel.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        panel.set(xlabel=title, xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
        panel.legend(loc="upper left", fontsize=8)
    axes[0].set_ylabel("share of frames with an overlap of .5")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
