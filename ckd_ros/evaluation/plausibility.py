"""Whether a score says what it seems to: how much of the truth it rests on, and what form its boxes have."""

from __future__ import annotations

import numpy as np

from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.scores import ENOUGH
from ckd_ros.geometry import iou

_RESEMBLES = 0.3  # overlap of a result's first box, which is given, with the truth's
_CERTAIN = 0.5  # the same, of a box that was written in another form
_FORMS = {
    "two corners x1,y1,x2,y2": lambda x, y, w, h: (x, y, w - x, h - y),
    "a centre cx,cy,w,h": lambda x, y, w, h: (x - w / 2, y - h / 2, w, h),
    "y,x,h,w": lambda x, y, w, h: (y, x, h, w),
}


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
    box = boxes[start]
    if not visible.any() or not np.isfinite(box).all() or _overlap(box, truths, start) >= _RESEMBLES:
        return ""
    true = next(truth[start] for truth in truths if np.isfinite(truth[start]).all())
    text = f"its first box {_numbers(box)} is not that of the truth, {_numbers(true)}"
    for form, turn in _FORMS.items():
        if _overlap(np.array(turn(*box)), truths, start) >= _CERTAIN:
            return f"{text}: it looks like {form}, expected x,y,w,h"
    return f"{text}: expected x,y,w,h in pixels, a line for each frame of this sequence"


def _overlap(box: np.ndarray, truths: list[np.ndarray], frame: int) -> float:
    return max(float(np.nan_to_num(iou(box, truth[frame]))) for truth in truths)


def _numbers(box: np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in np.round(np.asarray(box, float), 2))
