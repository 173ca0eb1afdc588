"""Boxes, crop windows and homographies, in plain NumPy.

Conventions, everywhere outside `network`:

* A box is `(x, y, w, h)` in pixels, float, `(x, y)` its top-left corner. A box of NaN means "not visible".
* Coordinates are continuous: pixel `(i, j)` covers `[i, i + 1) x [j, j + 1)`, its centre is `(i + 0.5, j + 0.5)`.
  `index_matrix` turns a continuous transform into the one OpenCV's warps expect.
* A transform is a 3x3 homogeneous matrix that maps column vectors `(x, y, 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CropWindow:
    """A square region of an image: top-left corner `(x, y)` and `side`, in pixels."""

    x: float
    y: float
    side: float

    def matrix(self, size: int) -> np.ndarray:
        """3x3 transform from image pixels to a `size` x `size` crop of this window."""
        scale = size / self.side
        return np.array([[scale, 0.0, -self.x * scale], [0.0, scale, -self.y * scale], [0.0, 0.0, 1.0]])

    def to_fraction(self, box: np.ndarray) -> np.ndarray:
        """`(..., 4)` boxes in image pixels -> fractions of the window."""
        return (np.asarray(box, float) - [self.x, self.y, 0.0, 0.0]) / self.side

    def from_fraction(self, box: np.ndarray) -> np.ndarray:
        """`(..., 4)` boxes in fractions of the window -> image pixels."""
        return np.asarray(box, float) * self.side + [self.x, self.y, 0.0, 0.0]


def crop_window(box: np.ndarray, factor: float) -> CropWindow:
    """The square window around a box whose side is `factor` times the box's geometric mean side.

    `side = ceil(sqrt(w * h) * factor)`, top-left `round(centre - side / 2)`, as the method prescribes.
    Raises ValueError for a box without area.
    """
    x, y, w, h = (float(v) for v in box)
    if not (w > 0 and h > 0):
        raise ValueError(f"box {x, y, w, h} has no area: width and height must be positive")
    side = max(1, int(np.ceil(np.sqrt(w * h) * factor)))
    return CropWindow(round(x + w / 2 - side / 2), round(y + h / 2 - side / 2), side)


def clip_box(box: np.ndarray, width: float, height: float, margin: float = 10.0) -> np.ndarray:
    """Clip a box to an image of `width` x `height` so that at least `margin` pixels of it stay inside."""
    x, y, w, h = (float(v) for v in box)
    x1, y1 = min(max(0.0, x), width - margin), min(max(0.0, y), height - margin)
    x2, y2 = max(margin, min(x + w, width)), max(margin, min(y + h, height))
    return np.array([x1, y1, max(margin, x2 - x1), max(margin, y2 - y1)])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of `(..., 4)` boxes, broadcast; NaN where either box is NaN."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    inter = np.prod(np.clip(high - low, 0.0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - inter
    return inter / np.where(union == 0.0, 1.0, union)


def centre(box: np.ndarray) -> np.ndarray:
    """`(..., 2)` centres of `(..., 4)` boxes."""
    box = np.asarray(box, float)
    return box[..., :2] + box[..., 2:] / 2


def translation(x: float, y: float) -> np.ndarray:
    """3x3 transform that shifts by `(x, y)` pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: float, y: float) -> np.ndarray:
    """3x3 transform that scales about the origin."""
    return np.diag([x, y, 1.0])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map `(..., 2)` points by a 3x3 transform."""
    points = np.asarray(points, float)
    homogeneous = np.concatenate([points, np.ones(points.shape[:-1] + (1,))], axis=-1) @ np.asarray(matrix, float).T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def transform_box(matrix: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The axis-aligned box around a box's four corners mapped by a 3x3 transform."""
    x, y, w, h = (float(v) for v in box)
    corners = transform_points(matrix, np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.concatenate([low, high - low])


def index_matrix(matrix: np.ndarray) -> np.ndarray:
    """The same transform between pixel indices (pixel centres on integers), as `cv2.warpAffine` expects it."""
    return translation(-0.5, -0.5) @ np.asarray(matrix, float) @ translation(0.5, 0.5)


def is_affine(matrix: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Whether a 3x3 transform has no perspective part."""
    return bool(np.abs(matrix[2, :2]).max() <= tolerance * abs(matrix[2, 2]))
