"""How soon a target is found again that is in plain view."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ckd_ros.metrics import ON_TARGET


class Finds(NamedTuple):
    """Out of how many cases a target was found in time; both are counts."""

    found: int
    cases: int


def finds_within(overlap: np.ndarray, frames: int) -> Finds:
    """How often a target that is in view, but not followed, was found within so many frames.

    A case begins

    * with the first frame of a target that was out of sight for `frames` frames or longer, followed at once or not;
    * with the first frame in which the box of a tracker that had the target misses it wholly (IoU 0). It has it from an
      overlap of `ON_TARGET` on.

    It ends with the first box that overlaps the target by `ON_TARGET`, which counts as found, or unfound `frames`
    frames later. Frames in which the target is hidden do not count; the sequence's end, or a longer absence, before
    that leaves no case.

    Args:
        overlap: `(N,)` IoU, NaN where the target is not visible.
        frames: how many there are in the time allowed.

    >>> nan = np.nan  # it returns and is found two frames later; it is lost and not found in time
    >>> finds_within(np.array([0.8, nan, nan, 0.0, 0.1, 0.7, 0.0, 0.0, 0.0, 0.6]), frames=2)
    Finds(found=1, cases=2)
    """
    found = cases = away = 0
    seen = has = False
    waited: int | None = None  # visible frames since the case began
    for value in overlap:
        if np.isnan(value):
            away += 1
            continue
        if seen and away >= frames or has and value == 0:
            waited = -1
            has = False
        seen, away = True, 0
        if waited is not None:
            waited += 1
        if value >= ON_TARGET:
            has = True
        if waited is not None and (has or waited == frames):
            cases, found, waited = cases + 1, found + has, None
    return Finds(found, cases)
