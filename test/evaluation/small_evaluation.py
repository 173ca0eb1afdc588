"""A small evaluation with all that a report has to show: good and bad trackers, faults, names that mean mischief."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ckd_ros.datasets.folder import FolderSequence
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.protocols import protocol_for
from ckd_ros.evaluation.result_files import TrackerResults
from ckd_ros.evaluation.scores import Evaluation
from ckd_ros.evaluation.scoring import evaluate_results

FRAMES = 40
MISCHIEF = '<script>alert(1)</script>|$x$ & "y"'
#: Of the tracker `lost`: it is off the target from here on, in `broken & <b>`.
LOST_FROM = 17
BROKEN = "broken & <b>"


def write_sequences(root: Path) -> dict[str, FolderSequence]:
    """Three sequences of two cameras; one image of `broken & <b>` is damaged."""
    sequences = {}
    for seed, name in enumerate(("plain", BROKEN, "third")):
        config = SimulatorConfig(seed=seed, frames=FRAMES, width=160, height=128, thermal_width=80, thermal_height=64)
        write_lasher(SimulatedSequence(config), root / name)
        sequences[name] = FolderSequence(root / name)
    sequences[BROKEN].files(LOST_FROM)[0].write_bytes(b"no image")
    return sequences


def evaluate(sequences: dict[str, FolderSequence], trackers: int = 3, attributes: int = 3) -> Evaluation:
    """`good` (with times and settings), `lost`, one with a mischievous name, and more of them if wanted."""
    random = np.random.default_rng(0)
    results = []
    for place in range(trackers):
        label = ("good", "lost", MISCHIEF)[place] if place < 3 else f"tracker number {place} with a long name"
        passes = {}
        for name, sequence in sequences.items():
            boxes = np.where(np.isnan(sequence.boxes), 20.0, sequence.boxes)
            boxes = boxes + random.normal(0, 0.3 + 0.6 * place, boxes.shape)
            if place == 1 and name == BROKEN:
                boxes[LOST_FROM:] = [0, 0, 5, 5]
            seconds = np.full(FRAMES, 0.004 * (place + 1)) if place != 2 else np.full(FRAMES, np.nan)
            passes[name] = OnePassResult(
                boxes, seconds, np.full(FRAMES, np.nan), ("frame 17: damaged",) if place == 0 else ()
            )
        faults = {}
        if place == 2:
            del passes["third"]
            faults["third"] = "no file third.txt"
        results.append(TrackerResults(label, passes, faults=faults, settings={"model": "x"} if place == 0 else {}))
    protocol = protocol_for("folder")
    evaluation_set = EvaluationSet(
        protocol,
        truths={name: protocol.truth_of(sequence) for name, sequence in sequences.items()},
        rates={name: sequence.rate for name, sequence in sequences.items()},
        faults={f"gone{number}": f"no folder /data/gone{number} with visible/" for number in range(9)}
        | {"bad": "line 3"},
        attributes={f"hard{n}": list(sequences)[n:] + ["plain"] * (n > 0) for n in range(attributes)},
    )
    return evaluate_results(evaluation_set, results, 20.0)
