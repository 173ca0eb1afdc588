"""Time of `Tracker.update` on 640 x 512 images, as a ratio to NanoTrack run on both modalities in the same run.

    python benchmarks/tracker_update.py [--peers DIR] [--model FILE] [--threads 2] [--frames 200]

DIR is the folder with NanoTrack's `backbone.onnx` and `head.onnx` (default: `peers/nanotrack` in CKD_ROS_SHARED); where
there is none, no ratio is printed. The trackers take turns frame by frame, so that what else the machine does meets all
of them alike.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.peers import MODALITIES, OpenCv, bgr_image
from ckd_ros.tracking import ConfidenceConfig, OnnxEngine, Tracker, TrackerConfig, default_model
from ckd_ros.tracking.tensors import Tensors

#: Never in doubt, so that every update is one inference: while LOST it is `1 + lost_windows` of them.
_SURE = ConfidenceConfig(uncertain_below=0.0, tracking_above=0.0, lost_below=0.0)
_WARM_UP = 10
_PEERS = Path(os.environ.get("CKD_ROS_SHARED", Path(__file__).parents[2] / "shared")) / "peers" / "nanotrack"


def main(
    peers: Path = _PEERS,
    model: Path | None = None,
    threads: int = 2,
    frames: int = 200,
) -> None:
    """Measure and print. `threads`: CPU threads of every tracker."""
    cv2.setNumThreads(threads)
    sequence = SimulatedSequence(SimulatorConfig(frames=60, width=640, height=512))
    pairs = list(sequence.frames())
    pictures = {modality: [bgr_image(pair, modality) for pair in pairs] for modality in MODALITIES}

    engine = OnnxEngine(model or default_model(), threads=threads)
    tracker = Tracker(engine, config=TrackerConfig(confidence=_SURE))
    tracker.init(pairs[0], sequence.init_box)
    nano = {modality: OpenCv("Nano", modality, peers) for modality in MODALITIES} if peers.is_dir() else {}
    for peer in nano.values():
        peer.init(pairs[0], sequence.init_box)

    times: dict[str, list[float]] = defaultdict(list)
    crop_seconds = _stopwatch(Tensors, "inputs")
    for turn in range(_WARM_UP + frames):
        index = _there_and_back(turn, len(pairs))
        crop_seconds.clear()
        result = tracker.update(pairs[index])
        times["Tracker.update"].append(result.total_s)
        times["  inference"].append(result.inference_s)
        times["  crops"].append(sum(crop_seconds))
        times["  range, decoding, state"].append(result.total_s - result.inference_s - sum(crop_seconds))
        both = 0.0
        for modality, peer in nano.items():
            start = time.perf_counter()
            peer.tracker.update(pictures[modality][index])
            both += time.perf_counter() - start
        if nano:
            times["NanoTrack, both modalities"].append(both)

    _report(engine, {name: np.array(values[_WARM_UP:]) * 1e3 for name, values in times.items()})


def _there_and_back(turn: int, count: int) -> int:
    """Frame of a turn: 0, 1, ..., count - 1, ..., 1, 0, 1, ... so that the target never jumps."""
    turn %= 2 * count - 2
    return min(turn, 2 * count - 2 - turn)


def _stopwatch(owner: type, name: str) -> list[float]:
    """Make a method write down how long each call takes, seconds, in the list that is returned."""
    seconds: list[float] = []
    method = getattr(owner, name)

    def timed(*args):
        start = time.perf_counter()
        result = method(*args)
        seconds.append(time.perf_counter() - start)
        return result

    setattr(owner, name, timed)
    return seconds


def _report(engine: OnnxEngine, milliseconds: dict[str, np.ndarray]) -> None:
    table = Table("ms", "median", "p95", title=engine.describe())
    for name, values in milliseconds.items():
        table.add_row(name, f"{np.median(values):.2f}", f"{np.percentile(values, 95):.2f}")
    console = Console()
    console.print(table)
    if "NanoTrack, both modalities" in milliseconds:
        ratio = np.median(milliseconds["Tracker.update"] / milliseconds["NanoTrack, both modalities"])
        console.print(f"Tracker.update takes {ratio:.2f} x the time of NanoTrack on both modalities (median of ratios)")


if __name__ == "__main__":
    tyro.cli(main)
