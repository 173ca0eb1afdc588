"""Accuracy of the shipped student beside its peers: composed sequences from held-out real pairs, and held-out videos.

    python benchmarks/accuracy.py --data DIR [--peers DIR] [--each 6] [--frames 80] [--videos 16]

DIR holds `roadscene/`, `drone_thermal/`, `drone_visible/`; the peers' folder NanoTrack's `backbone.onnx` and
`head.onnx`.
Prints success AUC (mean over sequences) per tracker and degradation, and writes them as JSON with --out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ckd_ros.datasets.composed import DEGRADATIONS, composed_sequences
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.sources import open_source
from ckd_ros.datasets.splits import held_out
from ckd_ros.evaluation.one_pass import one_pass
from ckd_ros.evaluation.trackers.spec import TrackerSpec, parse_tracker
from ckd_ros.files import replacing
from ckd_ros.metrics import score


@dataclass(frozen=True)
class Options:
    """What is measured.

    Attributes:
        data: folder with `roadscene/`, `drone_thermal/`, `drone_visible/`.
        peers: folder with NanoTrack's files; None leaves NanoTrack out.
        model: network file; None: the shipped one.
        each: sequences per degradation; 0 leaves them out.
        frames: their length.
        videos: held-out videos per modality; 0 leaves them out.
        classical: whether to measure OpenCV's classical trackers.
        out: JSON file for the results.
    """

    data: Path
    peers: Path | None = None
    model: Path | None = None
    each: int = 6
    frames: int = 80
    videos: int = 16
    classical: bool = True
    out: Path | None = None


def main(options: Options) -> None:
    """Measure and print."""
    data, each = options.data, options.each
    trackers = _trackers(options.model, options.peers, options.classical)
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def compare(group: str, sequence: FrameSequence, trackers: list[TrackerSpec]) -> None:
        # A video may begin before its target comes into view: it is taken from there on.
        start = int(np.isfinite(sequence.boxes).all(axis=1).argmax())
        pairs, truth = list(islice(sequence.frames(), start, None)), sequence.boxes[start:]
        for tracker in trackers:
            done = one_pass(tracker.make(), pairs, len(pairs), truth[0])
            if done.faults:
                raise RuntimeError(f"{tracker.label} on {sequence.name}: {done.faults[0]}")
            results[tracker.label][group].append(score(done.boxes[1:], truth[1 : len(pairs)]).success_auc)

    if each:
        total = each * len(DEGRADATIONS)
        for group, sequence in track(composed_sequences(data / "roadscene", each, options.frames), "composed", total):
            compare(group, sequence, trackers)
    for modality, folder in (("thermal", "drone_thermal"), ("rgb", "drone_visible")) if options.videos else ():
        files = sorted((data / folder).glob("*.mp4"))
        kept = held_out(f.stem for f in files)
        files = [f for f in files if f.stem in kept]
        chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(options.videos, len(files))).astype(int)]
        for file in track(chosen, f"{modality} videos"):
            sequence = open_source(str(file), modality=modality)
            compare(f"{modality} video", sequence, [t for t in trackers if t.label in ("ckd", f"nano-{modality}")])
    _report(results)
    if options.out:
        means = {name: {g: float(np.mean(v)) for g, v in r.items()} for name, r in results.items()}
        with replacing(options.out) as temporary:
            temporary.write_text(json.dumps(means))


def _trackers(model: Path | None, peers: Path | None, classical: bool) -> list[TrackerSpec]:
    ours = "threads=2" if model is None else f"threads=2,model={model}"
    names = [f"ckd=ckd:{ours}", *(f"ckd-{modality}=ckd:{ours},modality={modality}" for modality in ("rgb", "thermal"))]
    for modality in ("rgb", "thermal"):
        if classical:
            names += [f"{kind}:modality={modality},threads=2" for kind in ("template", "kcf", "csrt")]
        if peers:
            names.append(f"nano:models={peers},modality={modality},threads=2")
    return [parse_tracker(name) for name in names]


def _report(results: dict[str, dict[str, list[float]]]) -> None:
    groups = [g for g in (*DEGRADATIONS, "thermal video", "rgb video") if any(g in r for r in results.values())]
    table = Table(title="success AUC")
    for column in ("tracker", "all composed", *groups):
        table.add_column(column, justify="left" if column == "tracker" else "right")
    for name, result in results.items():
        composed = [value for g in DEGRADATIONS for value in result.get(g, [])]
        cells = [composed, *(result.get(g, []) for g in groups)]
        table.add_row(name, *(f"{np.mean(cell):.3f}" if cell else "" for cell in cells))
    Console(width=180).print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
