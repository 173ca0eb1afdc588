"""A camera's lens: from pixels of its image to the rays they stand for, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray
from ckd_ros.tracking.stated import numbers, shown

#: Distortion model, by the names in use -> how many coefficients it may have. The first two are OpenCV's one model.
MODELS = {
    "plumb_bob": (4, 5, 8, 12, 14),
    "rational_polynomial": (4, 5, 8, 12, 14),
    "equidistant": (4,),
    "fisheye": (4,),
}
_FISHEYE = ("equidistant", "fisheye")
#: A ray and a pixel belong together if they lead back to one another within this, pixels.
_AGREEMENT = 0.5
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
_IDENTITY, _NOWHERE = np.eye(3), np.zeros(3)


@dataclass(frozen=True)
class Lens:
    """Focal lengths, principal point and distortion of a camera.

    Attributes:
        intrinsics: `fx, fy, cx, cy` or the 9 numbers of K, in the convention of CameraInfo and OpenCV (the centre of
            the first pixel is at 0).
        distortion: the coefficients, in OpenCV's order; none or zeros: none.
        model: one of `MODELS`.
        name: what messages call the camera.

    Raises ValueError naming the value at fault and what would be right.
    """

    intrinsics: Sequence[float]
    distortion: Sequence[float] = ()
    model: str = "plumb_bob"
    name: str = "camera"

    def __post_init__(self) -> None:
        self.matrix  # noqa: B018 - checks the intrinsics
        if self.is_ideal:
            return
        if self.model not in MODELS:
            raise ValueError(
                f"{self.name}_distortion_model is '{self.model}': expected {', '.join(MODELS)}; rectify the images "
                "of any other lens before they come here"
            )
        numbers(f"{self.name}_distortion", self.distortion, MODELS[self.model], f"coefficients of {self.model}")

    @cached_property
    def is_ideal(self) -> bool:
        """Whether straight lines stay straight, so that a 3x3 matrix says it all."""
        # A fisheye without coefficients still bends: its angle is the pixel's distance.
        return not np.any(self.distortion) and (self.model not in _FISHEYE or not len(self.distortion))

    @cached_property
    def matrix(self) -> FloatArray:
        """3x3 K in continuous coordinates, where the centre of the first pixel is at 0.5."""
        name = f"{self.name}_intrinsics"
        entries = numbers(name, self.intrinsics, (4, 9), "fx, fy, cx, cy, or the rows of K")
        if entries.size == 4:
            fx, fy, cx, cy = entries
            k = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        else:
            k = entries.reshape(3, 3)
        if not (k[0, 0] > 0 and k[1, 1] > 0) or not np.array_equal(k[2], [0.0, 0.0, 1.0]):
            raise ValueError(
                f"{name} is {shown(self.intrinsics)}: focal lengths must be positive and the last row of K (0, 0, 1)"
            )
        continuous: FloatArray = geometry.translation(0.5, 0.5) @ k
        return continuous

    def rays(self, points: FloatArray) -> FloatArray:
        """`(N, 2)` x, y of the rays at depth 1, of `(N, 2)` continuous pixels; NaN where the lens sees nothing."""
        bent = geometry.transform_points(self._inverse, points)
        if self.is_ideal:
            return bent
        straight = self._unbend(bent)
        return self._where_they_agree(straight, self._bend(straight), bent)

    def pixels(self, rays: FloatArray) -> FloatArray:
        """`(N, 2)` continuous pixels that show `(N, 2)` rays, the reverse of `rays`; NaN where no pixel does."""
        if self.is_ideal:
            return geometry.transform_points(self.matrix, rays)
        bent = self._bend(rays)
        # Beyond what it was fitted for a model folds: it puts rays into the image that the camera never sees.
        return geometry.transform_points(self.matrix, self._where_they_agree(bent, self._unbend(bent), rays))

    @cached_property
    def _inverse(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.matrix), float)

    @cached_property
    def _coefficients(self) -> FloatArray:
        return np.asarray(self.distortion, float)

    def _where_they_agree(self, values: FloatArray, found: FloatArray, expected: FloatArray) -> FloatArray:
        """`values`, NaN in the rows in which `found` is not what was `expected`."""
        tolerance = _AGREEMENT / self.matrix[0, 0]
        with np.errstate(invalid="ignore"):
            agree = np.abs(found - expected).max(axis=1) <= tolerance * np.maximum(1.0, np.abs(expected).max(axis=1))
        return np.where(agree[:, None], values, np.nan)

    def _bend(self, rays: FloatArray) -> FloatArray:
        if self.model in _FISHEYE:
            bent = cv2.fisheye.distortPoints(rays[:, None], _IDENTITY, self._coefficients)
        else:
            at_depth_1 = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
            bent, _ = cv2.projectPoints(at_depth_1, _NOWHERE, _NOWHERE, _IDENTITY, self._coefficients)
        return np.asarray(bent, float).reshape(-1, 2)

    def _unbend(self, bent: FloatArray) -> FloatArray:
        source, coefficients = bent[:, None], self._coefficients
        if self.model in _FISHEYE:
            rays = cv2.fisheye.undistortPoints(source, _IDENTITY, coefficients)
        elif hasattr(cv2, "undistortPointsIter"):  # OpenCV 4; the usual function iterates to this accuracy in 5 only
            rays = cv2.undistortPointsIter(source, _IDENTITY, coefficients, None, None, _CRITERIA)
        else:
            rays = cv2.undistortPoints(source, _IDENTITY, coefficients, None, None, None, _CRITERIA)
        return np.asarray(rays, float).reshape(-1, 2)
