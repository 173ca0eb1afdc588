"""Several targets at the same time: what each costs, and who is taken for whom where they meet.

    python benchmarks/several_targets.py [--json-file FILE] [--data DIR] [--sequences 12] [--frames 200]

The time is that of `TargetGroup.update` on 640 x 512 images for one to four targets, in turns, none of which is
looked for. For the meetings, target and look-alikes of simulated sequences (with DIR of `roadscene/` and
`flir_crops.tar`, people and cars before real backgrounds) are all followed from the start: together, and each by a
tracker that knows nothing of the others. A meeting is a time in which two of them overlap by MET or more, and after
which they are apart for APART frames. It counts if both were on their own before it; "taken over" is one of them that
is on the other after it, "exchanged" are both.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from ckd_ros.datasets.composed import look_alike_sequences
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import FloatArray, iou
from ckd_ros.tracking import OnnxEngine, TargetGroup, Tracker, TrackState, suited_model

#: Overlap of two true boxes that is a meeting, and of a box with a true one that is on it.
MET, ON = 0.1, 0.3
#: Frames for which two are apart after a meeting, and before which both must have been on their own.
APART = 10
COUNTS = (1, 2, 3, 4)
#: A scene in which nothing hides a target.
_CLEAR = dict(
    look_alikes=0, distractors=0, occlusion=0.0, night=0.0, glare=0.0, crossover=0.0, misregistration=0.0, parallax=0.0,
    jitter=0.0, camera_motion=0.0,
)  # fmt: skip


def main(
    data: Path | None = None, sequences: int = 12, frames: int = 200, threads: int = 2, json_file: Path | None = None
) -> None:
    """Measure and print. `threads`: CPU threads of the network."""
    cv2.setNumThreads(threads)
    engine = OnnxEngine(suited_model(), threads=threads, targets=max(COUNTS))
    console = Console(width=110)
    console.print(engine.describe())
    times = measure_time(engine, frames)
    table = Table("targets", "ms, median", "times one")
    for count, milliseconds in times.items():
        table.add_row(str(count), f"{milliseconds:.1f}", f"{milliseconds / times[1]:.2f}")
    console.print(table)
    table = Table("", "meetings", "taken over", "exchanged", "on its own, % of frames")
    shares = {
        name: measure_meetings(follow, engine, data, sequences)
        for name, follow in (("together", follow_together), ("each alone", follow_alone))
    }
    for name, row in shares.items():
        table.add_row(
            name, f"{row['meetings']:.0f}", f"{row['taken_over']:.1%}", f"{row['exchanged']:.1%}", f"{row['own']:.1%}"
        )
    console.print(table)
    if json_file is not None:
        write(json_file, {"milliseconds": times, "meetings": shares})


def measure_time(engine: OnnxEngine, frames: int) -> dict[int, float]:
    """Median milliseconds of an update, by the number of targets, which stand side by side in plain view."""
    pair, boxes = standing(max(COUNTS))
    pairs = [pair, *(shaken(pair, seed) for seed in range(20))]
    groups = {}
    for count in COUNTS:
        groups[count] = TargetGroup(engine)
        for number in range(count):
            groups[count].init(number + 1, pair, boxes[number], most=count)
    seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
    for frame in range(frames):
        for count, group in groups.items():
            start = time.perf_counter()
            results = group.update(pairs[1 + frame % (len(pairs) - 1)])
            seconds[count].append(time.perf_counter() - start)
            if [result.state for result in results.values()] != [TrackState.TRACKING] * count:
                raise RuntimeError(f"not all of the {count} targets are followed")
    return {count: 1e3 * float(np.median(spent)) for count, spent in seconds.items()}


def standing(count: int) -> tuple[FramePair, list[FloatArray]]:
    """A pair of 640 x 512 in which as many targets stand side by side, and their boxes."""
    clear = SimulatorConfig(frames=1, width=640, height=512, thermal_width=640, thermal_height=512, **_CLEAR)
    sequence = SimulatedSequence(clear)
    (pair,) = sequence.frames()
    x, y, width, height = sequence.boxes[0]
    left, top = int(x), int(y)
    patch = np.s_[top : int(y + height) + 1, left : int(x + width) + 1]
    images, boxes = [pair.rgb.data.copy(), pair.thermal.data.copy()], []
    for number in range(count):
        corner = np.array([80 + 130 * number, 200])
        for image, shown in zip(images, (pair.rgb.data, pair.thermal.data), strict=True):
            rows, columns = shown[patch].shape[:2]
            image[corner[1] : corner[1] + rows, corner[0] : corner[0] + columns] = shown[patch]
        boxes.append(np.array([*(corner + [x - left, y - top]), width, height]))
    return FramePair(Image(images[0], pair.rgb.encoding), Image(images[1], pair.thermal.encoding)), boxes


def shaken(pair: FramePair, seed: int) -> FramePair:
    """The same with a little noise, so that no image repeats another."""
    generator = np.random.default_rng(seed)

    def noisy(image: Image) -> Image:
        return Image(
            np.bitwise_xor(image.data, generator.integers(0, 2, image.data.shape, image.data.dtype)), image.encoding
        )

    return FramePair(noisy(pair.rgb), noisy(pair.thermal))


Follow = Callable[[OnnxEngine, SimulatedSequence, FloatArray], FloatArray]


def measure_meetings(follow: Follow, engine: OnnxEngine, data: Path | None, sequences: int) -> dict[str, float]:
    """How many meetings there are, of which share one takes the other's place or both do, and the share of frames in
    which each is on its own."""
    pairs, crops = (None, None) if data is None else (data / "roadscene", data / "flir_crops.tar")
    counts: Counter[str] = Counter()
    for sequence in look_alike_sequences(pairs, crops, sequences):
        truth = np.concatenate([sequence.boxes[:, None], sequence.other_boxes], axis=1)  # (N, M, 4)
        counts += count_meetings(follow(engine, sequence, truth), truth)
    meetings = max(1, counts["meetings"])
    return {
        "meetings": counts["meetings"],
        "taken_over": counts["taken over"] / meetings,
        "exchanged": counts["exchanged"] / meetings,
        "own": counts["own"] / max(1, counts["seen"]),
    }


def follow_together(engine: OnnxEngine, sequence: SimulatedSequence, truth: FloatArray) -> FloatArray:
    """`(N, M, 4)` boxes of a group; NaN for what is not in sight at the start."""
    group = TargetGroup(engine)
    boxes = np.full(truth.shape, np.nan)
    for frame, pair in enumerate(sequence.frames()):
        if frame == 0:
            for number in range(truth.shape[1]):
                if np.isfinite(truth[0, number]).all():
                    group.init(number, pair, truth[0, number], most=truth.shape[1])
        else:
            for number, result in group.update(pair).items():
                boxes[frame, number] = result.box
    return boxes


def follow_alone(engine: OnnxEngine, sequence: SimulatedSequence, truth: FloatArray) -> FloatArray:
    """The same of a tracker for each, which knows nothing of the others."""
    trackers: dict[int, Tracker] = {}
    boxes = np.full(truth.shape, np.nan)
    for frame, pair in enumerate(sequence.frames()):
        if frame == 0:
            for number in range(truth.shape[1]):
                if np.isfinite(truth[0, number]).all():
                    trackers[number] = Tracker(engine)
                    trackers[number].init(pair, truth[0, number])
        else:
            for number, tracker in trackers.items():
                boxes[frame, number] = tracker.update(pair).box
    return boxes


def count_meetings(boxes: FloatArray, truth: FloatArray) -> Counter[str]:
    """Meetings in `(N, M, 4)` true boxes and what became of the tracked ones; frames in which each is on its own."""
    counts: Counter[str] = Counter()
    on = iou(boxes[:, :, None], truth[:, None]) >= ON  # (N, whose box, on whom)
    seen = np.isfinite(truth).all(-1) & np.isfinite(boxes).all(-1)
    counts["seen"], counts["own"] = int(seen.sum()), int((on.diagonal(axis1=1, axis2=2) & seen).sum())
    for one, other in combinations(range(truth.shape[1]), 2):
        met = iou(truth[:, one], truth[:, other]) >= MET  # NaN, out of sight: False
        visible = seen[:, one] & seen[:, other]
        frame = 1
        while frame < len(met):
            if not met[frame]:
                frame += 1
                continue
            begin = frame
            apart = 0
            while frame < len(met) and apart < APART:
                apart = apart + 1 if visible[frame] and not met[frame] else 0
                frame += 1
            before, after = begin - 1, frame - 1
            if apart < APART or not (on[before, one, one] and on[before, other, other]):
                continue
            counts["meetings"] += 1
            taken = [on[after, one, other], on[after, other, one]]
            counts["taken over"] += any(taken)
            counts["exchanged"] += all(taken)
    return counts


def write(path: Path, figures: object) -> None:
    """Write the figures, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
