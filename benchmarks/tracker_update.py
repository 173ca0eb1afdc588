"""Time of `Tracker.update` on 640 x 512 images, in fp32 and int8, beside NanoTrack on both modalities in the same run.

    python benchmarks/tracker_update.py [--peers DIR] [--models FILE ...] [--threads 2] [--frames 200]

The default models are the shipped `tiny.onnx` and `tiny-int8.onnx`. DIR is the folder with NanoTrack's `backbone.onnx`
and `head.onnx` (default: `peers/nanotrack` in CKD_ROS_SHARED); where there is none, it is left out. The trackers take
turns frame by frame, so that what else the machine does meets all of them alike: on a busy machine read the ratios.
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

from ckd_ros.colour import to_bgr
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.trackers.spec import parse_tracker
from ckd_ros.tracking import ConfidenceConfig, OnnxEngine, Tracker, TrackerConfig, default_model
from ckd_ros.tracking.inputs import NetworkInputs

#: Never in doubt, so that every update is one inference: while LOST it is `1 + lost_windows` of them.
_SURE = ConfidenceConfig(uncertain_below=0.0, tracking_above=0.0, lost_below=0.0)
_WARM_UP = 10
_NANO = "NanoTrack, both modalities"
_PEERS = Path(os.environ.get("CKD_ROS_SHARED", Path(__file__).parents[2] / "shared")) / "peers" / "nanotrack"
_console = Console(width=140)


def main(
    peers: Path = _PEERS,
    models: tuple[Path, ...] = (),
    threads: int = 2,
    frames: int = 200,
) -> None:
    """Measure and print. `threads`: CPU threads of every tracker."""
    cv2.setNumThreads(threads)
    sequence = SimulatedSequence(SimulatorConfig(frames=60, width=640, height=512))
    pairs = list(sequence.frames())
    # The peer's time is that of OpenCV alone: its images are converted beforehand.
    images = {"rgb": [pair.rgb for pair in pairs], "thermal": [pair.thermal for pair in pairs]}
    pictures = {name: [to_bgr(image.data, image.encoding) for image in ones] for name, ones in images.items()}

    trackers = {}
    for path in models or _shipped():
        engine = OnnxEngine(path, threads=threads)
        trackers[f"{path.stem} ({engine.spec.precision})"] = Tracker(engine, config=TrackerConfig(confidence=_SURE))
        _console.print(engine.describe())
    for tracker in trackers.values():
        tracker.init(pairs[0], sequence.init_box)
    nano = {}
    for modality in pictures if peers.is_dir() else ():
        peer = parse_tracker(f"nano:models={peers},modality={modality},threads={threads}").make()
        peer.init(pairs[0], sequence.init_box)
        nano[modality] = peer.tracker.tracker  # OpenCV's own

    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    crop_seconds = _stopwatch(NetworkInputs, "for_window")
    for turn in range(_WARM_UP + frames):
        index = _there_and_back(turn, len(pairs))
        for name, tracker in trackers.items():
            crop_seconds.clear()
            result = tracker.update(pairs[index])
            crops = sum(crop_seconds)
            for part, value in (
                ("update", result.total_s),
                ("inference", result.inference_s),
                ("crops", crops),
                ("range, decoding, state", result.total_s - result.inference_s - crops),
            ):
                seconds[name][part].append(value)
        start = time.perf_counter()
        for modality, peer in nano.items():
            peer.update(pictures[modality][index])
        if nano:
            seconds[_NANO]["update"].append(time.perf_counter() - start)
    _report({n: {p: 1e3 * np.array(v[_WARM_UP:]) for p, v in parts.items()} for n, parts in seconds.items()})


def _shipped() -> list[Path]:
    fp32 = default_model()
    return [path for path in (fp32, fp32.with_name(f"{fp32.stem}-int8.onnx")) if path.is_file()]


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


def _report(milliseconds: dict[str, dict[str, np.ndarray]]) -> None:
    table = Table("ms", "median", "p95", *(f"x {name}" for name in milliseconds))
    for name, parts in milliseconds.items():
        for part, values in parts.items():
            cells = [f"{np.median(values):.2f}", f"{np.percentile(values, 95):.2f}"]
            if part == "update":
                cells += [f"{np.median(values / other['update']):.2f}" for other in milliseconds.values()]
            table.add_row(name if part == "update" else f"  {part}", *cells)
    _console.print(table)


if __name__ == "__main__":
    tyro.cli(main)
