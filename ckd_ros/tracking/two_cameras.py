"""Two calibrated cameras that look at a plane: which pixel of one shows what a pixel of the other shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray
from ckd_ros.tracking.lens import Lens
from ckd_ros.tracking.stated import numbers, shown


@dataclass(frozen=True)
class TwoCameras:
    """An RGB and a thermal camera, and the plane `z = distance` of the RGB camera, parallel to its image.

    Attributes:
        rgb, thermal: their lenses.
        rotation, translation: `(9,)` and `(3,)`, take a point of the RGB camera's frame to the thermal camera's.
        distance: of the plane, metres.

    Raises ValueError naming the value at fault and what would be right.
    """

    rgb: Lens
    thermal: Lens
    rotation: Sequence[float]
    translation: Sequence[float]
    distance: float

    def __post_init__(self) -> None:
        distance = numbers("distance", self.distance, (1,), "metres")[0]
        if not distance > 0:
            raise ValueError(f"distance is {distance:g}: expected metres, in front of the camera, above 0")
        rotation = numbers("rotation", self.rotation, (9,), "the rows of a rotation matrix").reshape(3, 3)
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
            raise ValueError(
                f"rotation {shown(self.rotation)} is not a rotation matrix: its rows must be orthogonal, of length 1 "
                f"and right-handed"
            )
        depth = rotation[2, 2] + numbers("translation", self.translation, (3,), "x, y, z in metres")[2] / distance
        if not depth > 0:
            raise ValueError(
                f"with rotation {shown(self.rotation)} and translation {shown(self.translation)} a target at distance "
                f"{distance:g} lies behind the thermal camera: both must take points of the RGB camera's frame to the "
                f"thermal camera's"
            )

    @property
    def is_curved(self) -> bool:
        """Whether a lens bends straight lines, so that no 3x3 matrix holds for the whole image."""
        return not (self.rgb.is_ideal and self.thermal.is_ideal)

    def map_points(self, points: FloatArray) -> FloatArray:
        """`(N, 2)` pixels of the thermal image that show what those of the RGB image show; NaN where there is none."""
        rays = geometry.transform_in_front(self._between, self.rgb.rays(points), (0.0, 0.0))
        return self.thermal.pixels(rays)

    @cached_property
    def homography(self) -> FloatArray:
        """3x3 transform from RGB to thermal pixels, as if neither lens bent anything."""
        homography: FloatArray = self.thermal.matrix @ self._between @ np.linalg.inv(self.rgb.matrix)
        return homography

    @cached_property
    def _between(self) -> FloatArray:
        """3x3 transform from rays of the RGB camera to those of the thermal camera, by way of the plane."""
        normal = np.array([0.0, 0.0, 1.0])
        turned = np.reshape(np.asarray(self.rotation, float), (3, 3))
        between: FloatArray = turned + np.outer(self.translation, normal) / float(np.squeeze(self.distance))
        return between


def fit_transform(points: FloatArray, mapped: FloatArray, otherwise: FloatArray) -> FloatArray:
    """3x3 transform that brings `(N, 2)` points, four at least, nearest to `mapped`, of which rows of NaN do not count.

    `otherwise` is returned where too few are left, or where they do not determine one.
    """
    known = np.isfinite(mapped).all(axis=1)
    found = cv2.findHomography(points[known], mapped[known])[0] if known.sum() >= 4 else None
    return otherwise if found is None else np.asarray(found, float)
