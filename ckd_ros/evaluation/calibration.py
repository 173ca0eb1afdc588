"""What a network is calibrated on before its convolutions run in int8: crops of targets that are made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ckd_ros.datasets.composed import DEGRADATIONS, composed_sequence
from ckd_ros.frames import Float32Array
from ckd_ros.tracking import OnnxEngine, Tracker
from ckd_ros.tracking.engine.spec import Maps
from ckd_ros.tracking.track_sequence import track_sequence

SEEDS = range(500, 502)  # of the sequences of each degradation: others than those that a quantised file is checked on
FRAMES = 12


class _RecordingEngine(OnnxEngine):
    """Keeps what its file's graph was last fed with."""

    def run(self, inputs: Mapping[str, Float32Array]) -> Maps:
        self.fed = {name: x.copy() for name, x in self.graph_inputs(inputs).items()}
        return super().run(inputs)


def calibration_inputs(model: Path) -> Iterator[dict[str, Float32Array]]:
    """Inputs of a file's graph: the last frame of a tracker on each of some procedural sequences (no data needed)."""
    engine = _RecordingEngine(model, ["cpu"])
    for degradation in DEGRADATIONS:
        for seed in SEEDS:
            sequence = composed_sequence(None, degradation, FRAMES, seed)
            assert sequence.init_box is not None  # the simulator places the target
            for _ in track_sequence(Tracker(engine), sequence.frames(), sequence.init_box):
                pass
            yield engine.fed
