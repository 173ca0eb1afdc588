"""One-pass evaluation: a tracker is shown the target once and then every frame in order, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ckd_ros.datasets.sequence import describe_error, readable
from ckd_ros.evaluation.trackers.interface import SequenceTracker
from ckd_ros.frames import FramePair


@dataclass(frozen=True)
class OnePassResult:
    """The boxes of one tracker in the N frames of one sequence, with what they cost and what went wrong.

    Attributes:
        boxes: `(N, 4)`, NaN rows where it gave no box.
        seconds: `(N,)` that it took for each frame (the first: its start), NaN where it was not asked.
        confidences: `(N,)`, NaN where it gave none.
        faults: what went wrong, each naming its frame; empty for a clean pass.
        failed: whether the tracker gave up or had no first image, so that later frames were not asked for.
        live: whether it ran on a robot: `seconds` are then those from each frame's arrival to its answer, and NaN where
            none came, and need no simulation of what would have been in time.
    """

    boxes: np.ndarray
    seconds: np.ndarray
    confidences: np.ndarray
    faults: tuple[str, ...] = ()
    failed: bool = False
    live: bool = False


def one_pass(
    tracker: SequenceTracker, frames: Iterable[FramePair], count: int, box: np.ndarray, start: int = 0
) -> OnePassResult:
    """Run `tracker` over the `count` frames of a sequence, from frame `start` on, where its target is in `box`.

    A frame that cannot be read is a fault: the tracker is not asked and its last box stands. When it is the first one,
    when the source ends early or when the tracker raises, the frames from there on have no box. Nothing is raised.
    """
    boxes, seconds, confidences = np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan)
    faults: list[str] = []
    problems: dict[str, str] = {}
    failed = False
    number = -1
    for number, pair in enumerate(readable(frames, count)):
        if isinstance(pair, str):
            faults.append(f"frame {number}: {pair}")
            failed = number == start
            if failed:
                break
            if number > start:
                boxes[number] = boxes[number - 1]
            continue
        if number < start:
            continue
        begin = time.perf_counter()
        try:
            estimate = tracker.init(pair, box) if number == start else tracker.update(pair)
            seconds[number] = time.perf_counter() - begin
            boxes[number], confidences[number] = estimate.box, estimate.confidence
            for kind, problem in getattr(estimate, "problems", {}).items():  # of our own tracker's registration
                problems.setdefault(kind, f"frame {number}, and perhaps later: {problem}")
        except Exception as error:  # whatever another's tracker raises must not end the evaluation
            faults.append(f"frame {number}: the tracker failed: {type(error).__name__}: {describe_error(error)}")
            failed = True
            break
    else:
        if number + 1 < count:
            faults.append(f"frame {number + 1}: the source ends here, though {count} frames were announced")
    faults += problems.values()
    return OnePassResult(boxes, seconds, confidences, tuple(faults), failed)
