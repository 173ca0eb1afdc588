"""How far two networks agree on the same crops: what a quantised or converted file is checked by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.geometry import CropWindow
from ckd_ros.metrics import overlaps
from ckd_ros.tracking import OnnxEngine, Tracker
from ckd_ros.tracking.decoding import decode
from ckd_ros.tracking.track_sequence import track_sequence

SEEDS = range(4)  # of the simulated sequences that a file is checked on
FRAMES = 25
LEAST = 0.9  # mean overlap below which a file is not the same network any more
_CROP = CropWindow(0.0, 0.0, 1.0)


class _Witness:
    """An engine that answers as `engine` and notes what `other` makes of the same inputs."""

    def __init__(self, engine: OnnxEngine, other: OnnxEngine):
        self.engine, self.other = engine, other
        self.spec, self.grid, self.provider = engine.spec, engine.grid, engine.provider
        self.boxes: list[tuple[np.ndarray, np.ndarray]] = []  # of every run, in fractions of the search crop

    def run(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        maps = self.engine.run(inputs)
        found = [decode(*m, _CROP) for m in (maps, self.other.run(inputs))]
        self.boxes.append(tuple(np.full(4, np.nan) if find is None else find.box for find in found))
        return maps


def agreement(reference: OnnxEngine, other: OnnxEngine, sequence: FrameSequence) -> np.ndarray:
    """Overlap (IoU) of both networks' boxes, one for every crop that a tracker on `reference` looks at.

    The sequence must say where its target is in the first frame. No usable box counts as no overlap.
    """
    witness = _Witness(reference, other)
    for _ in track_sequence(Tracker(witness), sequence.frames(), sequence.init_box):
        pass
    first, second = map(np.array, zip(*witness.boxes, strict=True))
    return np.nan_to_num(overlaps(second, first))


def checked_agreement(reference: Path, other: Path) -> float:
    """Mean overlap of two model files' boxes on crops of procedural sequences (no data needed).

    Raises ValueError when it is below `LEAST`.
    """
    engines = OnnxEngine(reference, ["cpu"]), OnnxEngine(other, ["cpu"])
    sequences = (SimulatedSequence(SimulatorConfig(seed=seed, frames=FRAMES)) for seed in SEEDS)
    mean = float(np.concatenate([agreement(*engines, sequence) for sequence in sequences]).mean())
    if mean < LEAST:
        raise ValueError(
            f"the boxes of {other.name} overlap those of {reference} by {mean:.2f} only, {LEAST} is needed: "
            f"use {reference}"
        )
    return mean
