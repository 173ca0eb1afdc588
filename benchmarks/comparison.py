"""Trackers compared on real video first, then on what was made, with intervals over sequences.

    python benchmarks/comparison.py --data DIR --peers DIR [--out runs/comparison] [--sets m3svd lookalikes]
    python benchmarks/comparison.py --data DIR --peers DIR --models new=runs/new/student.onnx     one more of ours
    python benchmarks/comparison.py --data DIR --ours --sets lookalikes --look-alikes 6           a quick look

DIR of data: `m3svd/`, `roadscene/`, `flir_crops.tar`, `drone_thermal/`, `drone_visible/`; of peers: `nanotrack/` with
`backbone.onnx` and `head.onnx`, `vittrack/` with an `.onnx` file. Weights are chosen by this table, real video before
composed.

Each set leaves boxes, scores and a report in its own folder of OUT (what is finished is not run again, so that another
network of ours costs its own time alone), and all of them `OUT/comparison.json`. Figures are means over sequences, in
brackets the interval that holds 95 % of bootstrapped means:

* SR: success AUC, percent; *lost*: frames whose box overlaps the target by .05 or less, percent;
* *both*: SR less that of the better of the two cameras alone, of the same network on the same sequences;
* *failures*: times a minute that the box comes off the target; *again*: seconds, median, until the target is found
  after it was out of sight; *in 1 s*: how often that, or finding it after the box came off it, takes no longer than a
  second, percent (`finding.py`);
* *wrong*: frames in which the box lies on another object, percent, where the others' boxes are known;
* *ROC*: how well the confidence tells frames with an overlap of .3 or more from the others (area under the curve);
  *calibration*: how far it is from the share of frames whose overlap is .5 or more (expected calibration error).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from bootstrap import Interval, mean_interval, ratio_interval
from finding import finds_within
from rich.console import Console
from rich.table import Table
from two_nanotracks import TwoNanoTracksKind

from ckd_ros.app.terminal import evaluation_progress
from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.composed import composed_sequences, look_alike_sequences
from ckd_ros.datasets.m3svd import open_m3svd
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.evaluate import EvaluationOptions, evaluate_set
from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.protocols import protocol_for
from ckd_ros.evaluation.scores import SequenceScores, TrackerScores
from ckd_ros.evaluation.trackers.spec import TrackerSpec
from ckd_ros.files import replacing
from ckd_ros.metrics import calibration_error, lost_share, roc_area, wrong_target_share

FOUND, HALF = 0.3, 0.5  # overlaps that make a frame right, for the ROC area and for the calibration
SOON = 1.0  # seconds within which a target should be found again
UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))
SETS = ("m3svd", "drones", "lookalikes", "composed", "simulator")
#: Columns, and their decimals.
COLUMNS = {
    "SR": 1, "both": 1, "lost": 0, "failures": 1, "again": 2, "in 1 s": 0, "wrong": 0, "ROC": 2, "calibration": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What is compared.

    Attributes:
        data: folder with the data sets.
        peers: folder with NanoTrack and VitTrack; None leaves them out.
        out: folder for the results.
        models: networks of ours, by name or file, as LABEL=FILE where files have the same name.
        ours: leave all other trackers out.
        sets: which of the sets.
        videos: drone videos kept out of training, of each camera; 0: all.
        look_alikes: sequences of 15 s with look-alikes; a smaller number takes the first ones.
        each: composed sequences for each degradation.
        simulated: simulated sequences of 15 s, with everything in turn.
        processes: how many sequences are run at a time; None: as many as there are cores.
    """

    data: Path
    peers: Path | None = None
    out: Path = Path("runs/comparison")
    models: tuple[str, ...] = ("tiny", "tiny-int8")
    ours: bool = False
    sets: tuple[Literal["m3svd", "drones", "lookalikes", "composed", "simulator"], ...] = SETS
    videos: int = 12
    look_alikes: int = 24
    each: int = 8
    simulated: int = 16
    processes: int | None = None


def main(options: Options) -> None:
    """Run what is missing, print a table for each set and write them as JSON."""
    compared: dict[str, dict[str, dict[str, float]]] = {}
    for name, sequences in _sets(options):
        evaluation_set = EvaluationSet(protocol_for("folder"), total=len(sequences), data={"set": name})
        for sequence in sequences:
            evaluation_set.sequences[sequence.name] = sequence
            evaluation_set.truths[sequence.name] = evaluation_set.protocol.truth_of(sequence)
            evaluation_set.rates[sequence.name] = sequence.rate
        trackers = list(list_trackers(options, sequences[0].modality))
        request = EvaluationOptions(name, trackers=trackers, out=options.out / name, processes=options.processes)
        with evaluation_progress(name) as on_progress:
            evaluation = evaluate_set(evaluation_set, request, on_progress)
        figures = {tracker.label: _figures(tracker, evaluation_set) for tracker in evaluation.trackers}
        for label, gain in _gains({tracker.label: tracker for tracker in evaluation.trackers}, options).items():
            figures[label]["both"] = gain
        Console(width=180).print(_table(f"{name}, {len(sequences)} sequences", figures))
        for tracker in evaluation.trackers:
            for sequence_name, fault in tracker.faults.items():
                Console(stderr=True).print(f"{name}: {tracker.label} {sequence_name}: {fault}", markup=False)
        compared[name] = {label: {key: mean for key, (mean, *_) in row.items()} for label, row in figures.items()}
        with replacing(options.out / "comparison.json") as temporary:
            temporary.write_text(json.dumps(compared, indent=1) + "\n")


def _sets(options: Options) -> Iterator[tuple[str, list[FrameSequence]]]:
    """Name and sequences of each set, the real ones first."""
    data = options.data
    if "m3svd" in options.sets:
        yield "m3svd", list(open_m3svd(data / "m3svd"))
    if "drones" in options.sets:
        for name, folder, modality in (("drones-thermal", "thermal", "thermal"), ("drones-colour", "visible", "rgb")):
            videos = list(open_dataset("videos", data / f"drone_{folder}", "held_out", modality))
            count = options.videos or len(videos)
            yield name, [videos[i] for i in np.linspace(0, len(videos) - 1, min(count, len(videos))).astype(int)]
    if "lookalikes" in options.sets:
        look_alikes = list(look_alike_sequences(data / "roadscene", data / "flir_crops.tar", options.look_alikes))
        for sequence in look_alikes:
            sequence.name = f"lookalikes-{sequence.config.seed}"
        yield "lookalikes", look_alikes
    if "composed" in options.sets:
        sequences = []
        for degradation, sequence in composed_sequences(data / "roadscene", options.each, 60):
            sequence.name = f"{degradation}-{sequence.config.seed}"
            sequences.append(sequence)
        yield "composed", sequences
    if "simulator" in options.sets:
        yield "simulator", list(open_dataset("simulator", data / "roadscene", "held_out"))[: options.simulated]


def list_trackers(options: Options, modality: str) -> Iterator[str | TrackerSpec]:
    """Ours and the peers, on both cameras and on each alone, as far as a set has them."""
    cameras = ("rgb", "thermal") if modality == "both" else (modality,)
    for label, model in _models(options):
        if modality == "both":
            yield f"{label}=ckd:model={model}"
        for camera in cameras:
            yield f"{label}-{camera}=ckd:model={model},modality={camera}"
    if options.ours:
        return
    if options.peers is not None and modality == "both":
        kind = TwoNanoTracksKind(models=options.peers / "nanotrack")
        kind.check()
        yield TrackerSpec(kind.label(), kind, kind.label())
    for camera in cameras:
        if options.peers is not None:
            yield f"nano:models={options.peers / 'nanotrack'},modality={camera}"
            yield f"vit:model={next((options.peers / 'vittrack').glob('*.onnx'))},modality={camera}"
        yield f"csrt:modality={camera}"


def _models(options: Options) -> list[tuple[str, str]]:
    """Label and name or file of each network of ours."""
    texts = [model.rpartition("=") for model in options.models]
    return [(label or Path(model).stem, model) for label, _, model in texts]


def _gains(trackers: dict[str, TrackerScores], options: Options) -> dict[str, Interval]:
    """Label of each network of ours -> SR on both cameras less that on the one which is better over the whole set."""
    gains = {}
    for label, _ in _models(options):
        alone = [trackers[name] for camera in ("rgb", "thermal") if (name := f"{label}-{camera}") in trackers]
        if label in trackers and len(alone) == 2:
            better = max(alone, key=lambda tracker: tracker.scores["SR"])
            both = trackers[label].sequences
            shared = [name for name in both if name in better.sequences]
            differences = [100 * (both[n].scores["SR"] - better.sequences[n].scores["SR"]) for n in shared]
            gains[label] = mean_interval(np.array(differences)) if len(shared) > 1 else UNKNOWN
    return gains


def _figures(tracker: TrackerScores, evaluation_set: EvaluationSet) -> dict[str, Interval]:
    """Mean and interval over sequences of each figure; ROC area and calibration error are over all frames at once."""
    per_sequence = {
        "SR": [100 * scores.scores["SR"] for scores in tracker.sequences.values()],
        "lost": [100 * lost_share(scores.overlap) for scores in tracker.sequences.values()],
        "failures": [scores.robot.failures_per_minute for scores in tracker.sequences.values()],
        "wrong": [
            100 * wrong_target_share(scores.boxes, sequence.boxes, sequence.other_boxes)
            for name, scores in tracker.sequences.items()
            if (sequence := evaluation_set.sequences[name]).other_boxes is not None
        ],
    }
    figures = dict.fromkeys(COLUMNS, UNKNOWN)
    figures.update({name: mean_interval(np.array(v)) for name, v in per_sequence.items() if len(v) > 1})
    finds = [
        finds_within(scores.overlap, round(SOON * evaluation_set.rates[name]))
        for name, scores in tracker.sequences.items()
    ]
    if finds:
        figures["in 1 s"] = ratio_interval(*np.array(finds, float).T * [[100], [1]])
    roc, calibration = _confidence_figures(list(tracker.sequences.values()))
    for name, value in (("again", tracker.robot.reacquired_s), ("ROC", roc), ("calibration", calibration)):
        if value is not None:
            figures[name] = Interval(value, float("nan"), float("nan"))
    return figures


def _confidence_figures(sequences: list[SequenceScores]) -> tuple[float | None, float | None]:
    """ROC area and calibration error over the frames whose overlap and confidence are known, without the first ones."""
    known = [s for s in sequences if s.confidences is not None]
    if not known:
        return None, None
    confidence = np.concatenate([s.confidences[1:] for s in known])
    overlap = np.concatenate([s.overlap[1:] for s in known])
    used = np.isfinite(confidence) & np.isfinite(overlap)
    confidence, overlap = confidence[used], overlap[used]
    return roc_area(confidence, overlap >= FOUND), calibration_error(confidence, overlap >= HALF)


def _table(title: str, figures: dict[str, dict[str, Interval]]) -> Table:
    table = Table(title=title)
    table.add_column("tracker")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for label, row in figures.items():
        cells = []
        for name, digits in COLUMNS.items():
            mean, low, high = row[name]
            text = "" if np.isnan(mean) else f"{mean:.{digits}f}"
            cells.append(text if np.isnan(low) else f"{text} ({low:.{digits}f} to {high:.{digits}f})")
        table.add_row(label, *cells)
    return table


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
