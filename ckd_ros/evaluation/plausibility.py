"""Whether a score says what it seems to: how much of the truth it rests on, and what form its boxes have."""

from __future__ import annotations

import numpy as np

from ckd_ros.datasets.box_forms import difference
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.scores import ENOUGH


def answered(result: OnePassResult, lines: int | None) -> np.ndarray:
    """`(N,)` whether a tracker said anything in each frame, of which its box file has the first `lines` (None: all).

    It did not where it was not asked: behind its end, and where an image could not be read and its last box stands. On
    a robot every frame counts: not to answer is its own fault.
    """
    there = np.ones(len(result.boxes), bool)
    if result.live:
        return there
    there[len(there) if lines is None else lines :] = False
    if result.failed or not np.isnan(result.seconds).all():
        stands = np.zeros(len(there), bool)
        stands[1:] = (result.boxes[1:] == result.boxes[:-1]).all(axis=1)
        there &= ~(np.isnan(result.seconds) & (stands | np.isnan(result.boxes).any(axis=1)))
    return there


def coverage_fault(counted: int, total: int) -> str:
    """What is said of a score that rests on `counted` of `total` frames of the truth; empty where they are enough.

    >>> coverage_fault(1, 10)
    'its score rests on 1 of 10 frames of the truth'
    >>> coverage_fault(9, 10)
    ''
    """
    return f"its score rests on {counted} of {total} frames of the truth" if counted < ENOUGH * total else ""


def first_box_fault(boxes: np.ndarray, truths: list[np.ndarray]) -> str:
    """What is wrong with the first of `(N, 4)` boxes, with which a tracker is started; empty if nothing is.

    Args:
        boxes: NaN rows where there is none.
        truths: one or two `(N, 4)`, NaN rows where the target is not visible.
    """
    visible = np.logical_or.reduce([np.isfinite(truth).all(axis=1) for truth in truths])
    start = int(np.argmax(visible))
    text = difference(boxes[start], [truth[start] for truth in truths], "the truth's")
    return f"its first box {text}" if text else ""
