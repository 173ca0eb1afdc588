"""How far two networks agree on the same crops: what a quantised or converted file is checked by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import Float32Array
from ckd_ros.geometry import CropWindow, FloatArray
from ckd_ros.metrics import overlaps
from ckd_ros.tracking import OnnxEngine, Tracker
from ckd_ros.tracking.decoding import decode
from ckd_ros.tracking.engine.spec import Engine, Maps
from ckd_ros.tracking.track_sequence import track_sequence

SEEDS = range(4)  # of the simulated sequences that a file is checked on
FRAMES = 25
LEAST = 0.9  # mean overlap below which a file is not the same network any more
_CROP = CropWindow(0.0, 0.0, 1.0, 1.0)


class RecordingEngine:
    """An engine that answers as `engine` does, and records both its boxes and those of `other` on the same inputs.

    Attributes:
        boxes: of `engine` and of `other`, `(4,)` each, for every run: fractions of the search crop, NaN for no box.
    """

    narrow_size = None

    def __init__(self, engine: Engine, other: Engine) -> None:
        self.engine, self.other = engine, other
        self.spec, self.grid, self.provider = engine.spec, engine.grid, engine.provider
        self.boxes: list[tuple[FloatArray, FloatArray]] = []

    def describe(self) -> str:
        return f"{self.engine.describe()}, compared with {self.other.describe()}"

    def run(self, inputs: Mapping[str, Float32Array]) -> Maps:
        maps = self.engine.run(inputs)
        self.boxes.append((_box(maps), _box(self.other.run(inputs))))
        return maps

    def run_many(self, inputs: Sequence[Mapping[str, Float32Array]]) -> list[Maps]:
        return [self.run(one) for one in inputs]


def _box(maps: Maps) -> FloatArray:
    found = decode(maps.score, maps.size, maps.offset, _CROP)
    return np.full(4, np.nan) if found is None else found.box


def box_overlaps(reference: Engine, other: Engine, sequence: FrameSequence) -> FloatArray:
    """`(N,)` overlap (IoU) of both networks' boxes, one for every search crop of a tracker that runs on `reference`.

    A crop in which either finds no usable box counts as no overlap. Raises ValueError for a sequence that does not say
    where its target is in the first frame.
    """
    if sequence.init_box is None:
        raise ValueError(f"sequence {sequence.name} does not say where its target is in the first frame")
    recording = RecordingEngine(reference, other)
    for _ in track_sequence(Tracker(recording), sequence.frames(), sequence.init_box):
        pass
    first, second = map(np.array, zip(*recording.boxes, strict=True))
    return np.nan_to_num(overlaps(second, first))


def check_quantised(reference: Path, other: Path) -> float:
    """Mean overlap of two model files' boxes on crops of procedural sequences (no data needed).

    Raises ValueError when it is below `LEAST`.
    """
    engines = OnnxEngine(reference, ["cpu"]), OnnxEngine(other, ["cpu"])
    sequences = (SimulatedSequence(SimulatorConfig(seed=seed, frames=FRAMES)) for seed in SEEDS)
    mean = float(np.concatenate([box_overlaps(*engines, sequence) for sequence in sequences]).mean())
    if mean < LEAST:
        raise ValueError(
            f"the boxes of {other.name} overlap those of {reference} by {mean:.2f} only, {LEAST} is needed: "
            f"use {reference}"
        )
    return mean
