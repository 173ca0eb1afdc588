"""How many times as fast two processes evaluate as one: the same run of `ckd evaluate`, alternating, medians.

    tools/env.sh python benchmarks/evaluation.py [--data DATA] [--sequences 20] [--frames 200] [--repeats 3]

DATA/roadscene holds registered pairs for the scenes; without it they are generated. Sequences are written to a
temporary folder first, as image files, for reading these is part of the work. Run it on an idle machine with two cores
or more.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro
from rich.progress import track

from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig


def write_sequences(root: Path, pairs: Path | None, count: int, frames: int) -> None:
    """Sequences of `frames`, and every fifth one of twice as many: benchmarks' lengths differ too."""
    for seed in track(range(count), "write sequences"):
        config = SimulatorConfig(pairs=pairs, seed=seed, frames=frames * (2 if seed % 5 == 0 else 1))
        write_lasher(SimulatedSequence(config), root / f"s{seed:03d}")


def evaluate(root: Path, tracker: str, processes: int) -> tuple[float, float]:
    """Seconds that a whole evaluation takes, with its start and its report, and the SR it finds."""
    with tempfile.TemporaryDirectory() as out:
        words = ["--dataset", "folder", "--root", root, "--tracker", tracker, "--out", out, "--processes", processes]
        command = [sys.executable, "-m", "ckd_ros.cli", "evaluate", *map(str, words)]
        begin = time.perf_counter()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        return seconds, json.loads((Path(out) / "scores.json").read_text())["trackers"][0]["scores"]["SR"]


def main(
    data: Path | None = None, sequences: int = 20, frames: int = 200, tracker: str = "ckd", repeats: int = 3
) -> None:
    """Measure and print."""
    times: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_sequences(root, data and data / "roadscene", sequences, frames)
        evaluate(root, tracker, 2)  # so that the first run timed finds the files in memory as the others do
        for _ in range(repeats):
            for processes in times:
                seconds, score = evaluate(root, tracker, processes)
                times[processes].append(seconds)
                print(f"{processes} process{'es' * (processes > 1)}: {seconds:.1f} s, SR {100 * score:.2f}", flush=True)
    one, two = (statistics.median(times[processes]) for processes in (1, 2))
    print(f"two processes are {one / two:.2f} times as fast as one ({one:.1f} s, {two:.1f} s)")


if __name__ == "__main__":
    tyro.cli(main)
