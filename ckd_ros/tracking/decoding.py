"""From the network's maps to a box in the image (method, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import CropWindow

#: Below any score of a network, whose sigmoid is clamped at 1e-4.
_NO_SCORE = 1e-9


@dataclass(frozen=True)
class Detection:
    """A box `(x, y, w, h)` in image pixels and the score of its cell, in [0, 1]."""

    box: np.ndarray
    confidence: float


def hann(cells: int) -> np.ndarray:
    """`(cells, cells)` window `0.5 (1 - cos(2 pi k / (cells + 1)))`, k = 1..cells, on both axes."""
    row = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, cells + 1) / (cells + 1)))
    return np.outer(row, row)


def decode(
    score: np.ndarray, size: np.ndarray, offset: np.ndarray, window: CropWindow, prior: np.ndarray | None = None
) -> Detection | None:
    """The box at the best cell: the mean of what it and its eight neighbours say, weighted by their scores.

    Each of these cells gives a box of its own, and their errors differ; the method takes the best cell's alone.

    Args:
        score: `(G, G)`.
        size: `(2, G, G)` width and height, fractions of the search window.
        offset: `(2, G, G)` x and y from the cell's index to the centre, in cells.
        window: the search window in image pixels.
        prior: `(G, G)` weights under which cells compete; the confidence is the score without them.
    Returns:
        None where the maps hold no usable box (a broken fp16 engine gives NaN).
    """
    cells = score.shape[0]
    response = score if prior is None else score * prior
    y, x = divmod(int(np.argmax(response)), cells)
    rows, columns = (slice(max(0, i - 1), i + 2) for i in (y, x))
    weight = score[rows, columns].astype(float)
    weight /= max(weight.sum(), _NO_SCORE)
    indices = np.stack(np.meshgrid(np.arange(cells)[columns], np.arange(cells)[rows]))
    cx, cy = ((indices + offset[:, rows, columns]) * weight).sum(axis=(1, 2)) / cells
    w, h = (size[:, rows, columns] * weight).sum(axis=(1, 2))
    box = np.array([cx - w / 2, cy - h / 2, w, h])
    confidence = float(score[y, x])
    if not (np.isfinite(confidence) and np.isfinite(box).all() and min(w, h) > 0):
        return None
    return Detection(window.from_fraction(box), min(max(confidence, 0.0), 1.0))


def keep_inside(box: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    """Shift a box so that at least `margin` pixels of it lie in an image of `size` (all of it, where it is smaller)."""
    x, y, w, h = box
    inside_x, inside_y = min(margin, w, size[0]), min(margin, h, size[1])
    return np.array([np.clip(x, inside_x - w, size[0] - inside_x), np.clip(y, inside_y - h, size[1] - inside_y), w, h])


def visible_part(box: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    """A box clipped to the image so that `margin` pixels stay, but never made larger than it is.

    The method keeps 10 pixels of every box, which would blow up targets that are smaller than that.
    """
    smallest = float(min(margin, box[2], box[3], *size))
    return geometry.clip_box(box, *size, margin=smallest)
