"""The forms in which a box is written, told by a box that is known: `x,y,w,h` here, corners or a centre elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ckd_ros.geometry import iou

_RESEMBLES = 0.3  # overlap from which on two boxes may be the same one
_CERTAIN = 0.5  # the same, of a box that was written in another form
_FORMS = {
    "two corners x1,y1,x2,y2": lambda x, y, w, h: (x, y, w - x, h - y),
    "a centre cx,cy,w,h": lambda x, y, w, h: (x - w / 2, y - h / 2, w, h),
    "y,x,h,w": lambda x, y, w, h: (y, x, h, w),
}


def difference(box: np.ndarray, known: Iterable[np.ndarray], whose: str) -> str:
    """How a box `x,y,w,h` that should be about one of `known` differs from them, and in what form it may be written.

    Empty where it is, and where any of them is NaN. `whose` says whose box the known one is.

    >>> difference(np.array([100.0, 80, 140, 110]), [np.array([100.0, 80, 40, 30])], "the truth's")
    "100,80,140,110 is not the truth's 100,80,40,30: it looks like two corners x1,y1,x2,y2, expected x,y,w,h"
    """
    there = [np.asarray(other, float) for other in known if np.isfinite(other).all()]
    if not there or not np.isfinite(box).all() or _overlap(box, there) >= _RESEMBLES:
        return ""
    text = f"{_numbers(box)} is not {whose} {_numbers(there[0])}"
    for form, turn in _FORMS.items():
        if _overlap(np.array(turn(*box)), there) >= _CERTAIN:
            return f"{text}: it looks like {form}, expected x,y,w,h"
    return f"{text}: expected x,y,w,h in pixels, a line for each frame of this sequence"


def _overlap(box: np.ndarray, known: list[np.ndarray]) -> float:
    return max(float(np.nan_to_num(iou(box, other))) for other in known)


def _numbers(box: np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in np.round(np.asarray(box, float), 2))
