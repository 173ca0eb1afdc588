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
import numpy.typing as npt

#: Boxes, points and transforms: float64.
FloatArray = npt.NDArray[np.float64]
#: (width, height) of an image, pixels.
Size = tuple[int, int]


@dataclass(frozen=True)
class CropWindow:
    """A region of an image that becomes a square crop: top-left corner `(x, y)`, `width`, `height`, in pixels.

    >>> window = CropWindow(x=100.0, y=40.0, width=200.0, height=100.0)
    >>> window.to_fraction([150.0, 90.0, 50.0, 20.0]).tolist()
    [0.25, 0.5, 0.25, 0.2]
    >>> window.from_fraction([0.25, 0.5, 0.25, 0.2]).tolist()
    [150.0, 90.0, 50.0, 20.0]
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def side(self) -> float:
        """Geometric mean of width and height."""
        return float(np.sqrt(self.width * self.height))

    def matrix(self, size: int) -> FloatArray:
        """3x3 transform from image pixels to a `size` x `size` crop of this window."""
        across, down = size / self.width, size / self.height
        return np.array([[across, 0.0, -self.x * across], [0.0, down, -self.y * down], [0.0, 0.0, 1.0]])

    def to_fraction(self, box: npt.ArrayLike) -> FloatArray:
        """`(..., 4)` boxes in image pixels -> fractions of the window."""
        return (np.asarray(box, float) - [self.x, self.y, 0.0, 0.0]) / self._sides

    def from_fraction(self, box: npt.ArrayLike) -> FloatArray:
        """`(..., 4)` boxes in fractions of the window -> image pixels."""
        return np.asarray(box, float) * self._sides + [self.x, self.y, 0.0, 0.0]

    @property
    def _sides(self) -> FloatArray:
        return np.array([self.width, self.height, self.width, self.height])


def crop_window(box: npt.ArrayLike, factor: float, stretched: bool = False) -> CropWindow:
    """The window around a box: a square whose side is `factor` times the box's geometric mean side.

    `side = ceil(sqrt(w * h) * factor)`, top-left `round(centre - side / 2)`, as the method prescribes. Stretched, the
    window has the box's own shape: `factor` times its width and its height. Raises ValueError for a box without area.

    >>> crop_window([300.0, 200.0, 40.0, 10.0], factor=4.0)
    CropWindow(x=280, y=165, width=80, height=80)
    >>> crop_window([300.0, 200.0, 40.0, 10.0], factor=4.0, stretched=True)
    CropWindow(x=240, y=185, width=160, height=40)
    """
    x, y, w, h = map(float, np.asarray(box))
    if not (w > 0 and h > 0):
        raise ValueError(f"box {x, y, w, h} has no area: width and height must be positive")
    sides = (w, h) if stretched else (np.sqrt(w * h),) * 2
    width, height = (max(1, int(np.ceil(side * factor))) for side in sides)
    return CropWindow(round(x + w / 2 - width / 2), round(y + h / 2 - height / 2), width, height)


def clip_box(box: npt.ArrayLike, width: float, height: float, margin: float = 10.0) -> FloatArray:
    """Clip a box to an image of `width` x `height` so that at least `margin` pixels of it stay inside.

    >>> clip_box([-20.0, 100.0, 50.0, 40.0], 640, 480).tolist()
    [0.0, 100.0, 30.0, 40.0]
    >>> clip_box([700.0, 100.0, 50.0, 40.0], 640, 480).tolist()
    [630.0, 100.0, 10.0, 40.0]
    """
    x, y, w, h = map(float, np.asarray(box))
    x1, y1 = min(max(0.0, x), width - margin), min(max(0.0, y), height - margin)
    x2, y2 = max(margin, min(x + w, width)), max(margin, min(y + h, height))
    return np.array([x1, y1, max(margin, x2 - x1), max(margin, y2 - y1)])


def keep_inside(box: npt.ArrayLike, size: Size, margin: float) -> FloatArray:
    """Shift a box so that at least `margin` pixels of it lie in an image of `size` (all of it, where it is smaller).

    >>> keep_inside([-100.0, 500.0, 40.0, 30.0], (640, 480), margin=10).tolist()
    [-30.0, 470.0, 40.0, 30.0]
    """
    x, y, w, h = np.asarray(box, float)
    inside_x, inside_y = min(margin, w, size[0]), min(margin, h, size[1])
    return np.array([np.clip(x, inside_x - w, size[0] - inside_x), np.clip(y, inside_y - h, size[1] - inside_y), w, h])


def visible_part(box: npt.ArrayLike, size: Size, margin: float) -> FloatArray:
    """A box clipped to an image of `size` so that `margin` pixels of it stay, but never made larger than it is.

    The method keeps 10 pixels of every box, which would blow up targets that are smaller than that.

    >>> visible_part([-20.0, 470.0, 40.0, 30.0], (640, 480), margin=10).tolist()
    [0.0, 470.0, 20.0, 10.0]
    """
    box = np.asarray(box, float)
    smallest = float(min(margin, box[2], box[3], *size))
    return clip_box(box, *size, margin=smallest)


def lies_inside(box: FloatArray, size: Size) -> bool:
    """Whether a box `(4,)` is a whole one in an image of (width, height) `size`; not so for NaN.

    >>> lies_inside(np.array([600.0, 0.0, 40.0, 30.0]), (640, 480)), lies_inside(np.array([-1.0, 0, 9, 9]), (640, 480))
    (True, False)
    """
    return bool((box[:2] >= 0).all() and (box[:2] + box[2:] <= size).all())


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Intersection over union of `(..., 4)` boxes, broadcast; NaN where either box is NaN.

    >>> iou([0.0, 0.0, 20.0, 10.0], [[10.0, 0.0, 20.0, 10.0], [0.0, 0.0, 20.0, 10.0]]).round(3).tolist()
    [0.333, 1.0]
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    intersection: FloatArray = np.prod(np.clip(high - low, 0.0, None), axis=-1)
    union: FloatArray = np.prod(first[..., 2:], axis=-1) + np.prod(second[..., 2:], axis=-1) - intersection
    overlap: FloatArray = intersection / np.where(union == 0.0, 1.0, union)
    return overlap


def centre(box: npt.ArrayLike) -> FloatArray:
    """`(..., 2)` centres of `(..., 4)` boxes."""
    boxes = np.asarray(box, float)
    return boxes[..., :2] + boxes[..., 2:] / 2


def translation(x: float, y: float) -> FloatArray:
    """3x3 transform that shifts by `(x, y)` pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: float, y: float) -> FloatArray:
    """3x3 transform that scales about the origin."""
    return np.diag([x, y, 1.0])


def transform_points(matrix: npt.ArrayLike, points: npt.ArrayLike) -> FloatArray:
    """Map `(..., 2)` points by a 3x3 transform."""
    xy = np.asarray(points, float)
    ones = np.ones((*xy.shape[:-1], 1))
    homogeneous: FloatArray = np.concatenate([xy, ones], axis=-1) @ np.asarray(matrix, float).T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def transform_in_front(matrix: npt.ArrayLike, points: npt.ArrayLike, front: npt.ArrayLike) -> FloatArray:
    """Map `(N, 2)` points by a 3x3 transform; NaN for those that a horizon divides from the point `front` `(2,)`.

    A homography sends a line to infinity; what lies beyond it would come back from the other side.

    >>> transform_in_front([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]], [[50, 10], [150, 10]], front=[0, 0]).tolist()
    [[100.0, 20.0], [nan, nan]]
    """
    depth = np.asarray(matrix, float)[2]
    xy = np.asarray(points, float)
    ahead = (xy @ depth[:2] + depth[2]) * (np.asarray(front, float) @ depth[:2] + depth[2]) > 0
    return transform_points(matrix, np.where(ahead[:, None], xy, np.nan))


def corners(box: npt.ArrayLike) -> FloatArray:
    """`(4, 2)` corners of a box: top left, top right, bottom left, bottom right."""
    x, y, w, h = map(float, np.asarray(box))
    return np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]])


def grid(size: Size, count: int) -> FloatArray:
    """`(count * count, 2)` points spread evenly over an image of (width, height) `size`, its edges included."""
    x, y = np.meshgrid(np.linspace(0, size[0], count), np.linspace(0, size[1], count))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def box_around(points: FloatArray) -> FloatArray:
    """The axis-aligned box around `(N, 2)` points; NaN where one of them is."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low])


def transform_box(matrix: npt.ArrayLike, box: npt.ArrayLike) -> FloatArray:
    """The axis-aligned box around a box's four corners mapped by a 3x3 transform.

    >>> transform_box(translation(5.0, -3.0) @ scaling(0.5, 0.5), [100.0, 60.0, 40.0, 20.0]).tolist()
    [55.0, 27.0, 20.0, 10.0]
    """
    return box_around(transform_points(matrix, corners(box)))


def index_matrix(matrix: FloatArray) -> FloatArray:
    """The same transform between pixel indices (pixel centres on integers), as `cv2.warpAffine` expects it."""
    between_indices: FloatArray = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    return between_indices


def is_affine(matrix: FloatArray, tolerance: float = 1e-9) -> bool:
    """Whether a 3x3 transform has no perspective part."""
    return bool(np.abs(matrix[2, :2]).max() <= tolerance * abs(matrix[2, 2]))
