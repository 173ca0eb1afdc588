"""Which pixels boxes are in, while images of either camera come, stay away and change their size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import FramePair
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.registration import Registration


@dataclass(frozen=True)
class PairGeometry:
    """The image that boxes are in, and the transform from it to the thermal image.

    Boxes are in pixels of the RGB image, also in frames where it is missing: its last size is kept. Until a first RGB
    image has come, the thermal image stands in for it. Never changed: made by `of` from a first pair, and by `after`
    from each later one.

    Attributes:
        registration: from RGB to thermal pixels.
        size: (width, height) of the image that boxes are in.
        in_rgb: whether that is the RGB image; else the thermal image stands in for it.
        thermal_size: (width, height) of the thermal image; None before the first one.
    """

    registration: Registration
    size: Size
    in_rgb: bool
    thermal_size: Size | None

    @staticmethod
    def of(pair: FramePair, registration: Registration) -> PairGeometry:
        """The geometry of a first pair."""
        return PairGeometry(
            registration=registration,
            size=pair.reference.size,
            in_rgb=pair.rgb is not None,
            thermal_size=pair.thermal.size if pair.thermal else None,
        )

    def after(self, pair: FramePair) -> PairGeometry:
        """The geometry once a further pair has come; this one itself where nothing has changed."""
        size = self.size if self.in_rgb and pair.rgb is None else pair.reference.size
        in_rgb = self.in_rgb or pair.rgb is not None
        thermal_size = pair.thermal.size if pair.thermal else self.thermal_size
        if (size, in_rgb, thermal_size) == (self.size, self.in_rgb, self.thermal_size):
            return self
        return PairGeometry(self.registration, size, in_rgb, thermal_size)

    @cached_property
    def rgb_to_thermal(self) -> FloatArray:
        """3x3 transform from the image that boxes are in to the thermal image.

        Raises RuntimeError before the first thermal image.
        """
        if self.thermal_size is None:
            raise RuntimeError("no thermal image has come yet: the transform to its pixels is not known")
        return self.registration.matrix(self.size, self.thermal_size) if self.in_rgb else np.eye(3)

    def thermal_box(self, box: FloatArray) -> FloatArray:
        """A box in pixels of the thermal image; NaN before the first thermal image."""
        return np.full(4, np.nan) if self.thermal_size is None else geometry.transform_box(self.rgb_to_thermal, box)

    def boxes_from(self, earlier: PairGeometry) -> FloatArray | None:
        """3x3 transform that brings boxes of an earlier geometry to this one; None where they stay as they are.

        A stream that has switched its resolution shows the same view, scaled.
        """
        if self.in_rgb and not earlier.in_rgb:
            return np.asarray(np.linalg.inv(self.registration.matrix(self.size, earlier.size)), float)
        if earlier.size == self.size:
            return None
        return geometry.scaling(self.size[0] / earlier.size[0], self.size[1] / earlier.size[1])
