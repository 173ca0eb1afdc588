"""From the network's maps to a box in the image (method, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.frames import Float32Array
from ckd_ros.geometry import CropWindow, FloatArray, iou
from ckd_ros.tracking.engine.spec import Maps
from ckd_ros.tracking.target_classifier import View

#: Less than any score of a network, whose sigmoid is clamped at 1e-4.
_NO_SCORE = 1e-9
#: IoU from which on two cells' boxes are of one object.
_AGREEMENT = 0.7
#: IoU with another target's box from which on a box is doubted, and at which it is that target's; what it then counts.
_BESIDE, _WITHIN, _LEAST = 0.3, 0.6, 0.05


@dataclass(frozen=True)
class Detection:
    """A box `(x, y, w, h)` in image pixels and the score of its cell, in [0, 1]; with features where there are any."""

    box: FloatArray
    score: float
    view: View | None = None


def hann_window(cells: int) -> FloatArray:
    """`(cells, cells)` window `0.5 (1 - cos(2 pi k / (cells + 1)))`, k = 1..cells, on both axes."""
    row = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, cells + 1) / (cells + 1)))
    return np.outer(row, row).astype(float)


def middle(prior: Float32Array | FloatArray, cells: int) -> Float32Array | FloatArray:
    """The `cells` x `cells` in the middle of a prior: that of a narrower search window."""
    skip = (prior.shape[0] - cells) // 2
    return prior[skip : skip + cells, skip : skip + cells]


def decode(
    score: Float32Array,
    size: Float32Array,
    offset: Float32Array,
    window: CropWindow,
    prior: Float32Array | FloatArray | None = None,
) -> Detection | None:
    """The box at the best cell: the mean, weighted by score, of its own and of those neighbours' that agree with it.

    The errors of boxes of one object differ, so that their mean is better than the best cell's box alone, which the
    method takes. A neighbour whose box overlaps the best one's little has another object in mind.

    Args:
        score: `(G, G)`.
        size: `(2, G, G)` width and height, fractions of the search window.
        offset: `(2, G, G)` x and y from the cell's index to the centre, in cells.
        window: the search window in image pixels.
        prior: `(G, G)` factors of the scores by which the best cell is chosen; the detection's score is without.
    Returns:
        None where the maps hold no usable box (a broken fp16 engine gives NaN).
    """
    cells = score.shape[0]
    response = score if prior is None else score * prior
    y, x = divmod(int(np.argmax(response)), cells)
    rows, columns = (slice(max(0, i - 1), i + 2) for i in (y, x))
    indices = np.stack(np.meshgrid(np.arange(cells)[columns], np.arange(cells)[rows]))
    centres, sizes = (indices + offset[:, rows, columns]) / cells, size[:, rows, columns]
    boxes = np.concatenate([centres - sizes / 2, sizes]).reshape(4, -1).T  # up to 9 boxes
    own = (y - rows.start) * len(range(cells)[columns]) + x - columns.start
    weight = score[rows, columns].ravel() * (iou(boxes, boxes[own]) >= _AGREEMENT)
    weight[own] = max(score[y, x], _NO_SCORE)
    box = weight @ boxes / weight.sum()
    best = float(score[y, x])
    if not (np.isfinite(best) and np.isfinite(box).all() and box[2:].min() > 0):
        return None
    return Detection(window.from_fraction(box), min(max(best, 0.0), 1.0))


def peaks(maps: Maps, window: CropWindow, least: float) -> FloatArray:
    """`(K, 4)` boxes at the local maxima of the scores that are at least `least`, the highest first.

    Of those whose boxes overlap by _BESIDE only the highest: they are of one object.
    """
    score, cells, boxes = maps.score, maps.score.shape[0], _cell_boxes(maps)
    padded = np.pad(score, 1)
    around = np.max([padded[y : y + cells, x : x + cells] for y in range(3) for x in range(3)], axis=0)
    usable = np.isfinite(boxes).all(axis=-1) & (boxes[..., 2:] > 0).all(axis=-1)
    found = usable & (score >= around) & (score >= least)
    kept: list[FloatArray] = []
    for box in window.from_fraction(boxes[found])[np.argsort(-score[found])]:
        if all(float(iou(box, other)) < _BESIDE for other in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 4)


def freedom(boxes: FloatArray, taken: FloatArray) -> FloatArray:
    """How far boxes `(..., 4)` are none of those that other targets have, `taken` `(N, 4)`: 1, to nearly 0."""
    overlap = iou(boxes[..., None, :], taken).max(-1, initial=0.0)
    free: FloatArray = np.clip((_WITHIN - overlap) / (_WITHIN - _BESIDE), _LEAST, 1.0)
    return free


def free_cells(maps: Maps, window: CropWindow, taken: FloatArray) -> FloatArray:
    """`(G, G)` factors of the scores: the `freedom` of each cell's box in the search window."""
    return freedom(_cell_boxes(maps), np.stack([window.to_fraction(box) for box in taken]))


def _cell_boxes(maps: Maps) -> FloatArray:
    """`(G, G, 4)` the boxes of all cells, in fractions of the search window."""
    cells = maps.score.shape[0]
    indices = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)))
    centres = (indices + maps.offset) / cells
    boxes: FloatArray = np.concatenate([centres - maps.size / 2, maps.size]).transpose(1, 2, 0)
    return boxes
