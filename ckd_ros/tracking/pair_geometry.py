"""Which pixels boxes are in, while images of either camera come, stay away and change their size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import FramePair
from ckd_ros.geometry import CropWindow, FloatArray, Size
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.registration_check import RegistrationCheck, check_registration
from ckd_ros.tracking.two_cameras import fit_transform

#: Part of the visible box that must lie in the thermal image for that to be evidence.
_SEEN = 0.5
#: A lens is taken as straight over the middle of a crop window, this part of it each way: there the target is.
_MIDDLE = 1 / 3
#: Steps in which a box of the thermal image is found in the colour image through lenses that bend.
_STEPS = 8


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
        """3x3 transform from the image that boxes are in to the thermal image; see `around` too.

        Raises RuntimeError before the first thermal image.
        """
        thermal_size = self._known_thermal_size
        return self.registration.matrix(self.size, thermal_size) if self.in_rgb else np.eye(3)

    def around(self, window: CropWindow) -> FloatArray:
        """3x3 transform as `rgb_to_thermal`, true for the middle of a window also where a lens bends straight lines."""
        if not (self.in_rgb and self.registration.is_curved):
            return self.rgb_to_thermal
        centre = np.array([window.x + window.width / 2, window.y + window.height / 2])
        sides = _MIDDLE * np.array([window.width, window.height])
        return self._fitted(np.concatenate([centre - sides / 2, sides]))

    @cached_property
    def check(self) -> RegistrationCheck:
        """What is wrong with the registration for images of these sizes; nothing before both are known."""
        if self.thermal_size is None or not self.in_rgb:
            return RegistrationCheck()
        return check_registration(self.registration, self.size, self.thermal_size)

    def shows(self, box: FloatArray) -> bool:
        """Whether the thermal image (there must have been one) shows what is in a box."""
        if not self.check.usable or self.check.surely_sees(box):
            return self.check.usable
        visible = geometry.visible_part(box, self.size, margin=1.0)
        corner, sides = np.split(self._box_mapped(visible), 2)
        inside = np.minimum(corner + sides, self._known_thermal_size) - np.maximum(corner, 0.0)
        with np.errstate(invalid="ignore"):
            return bool((inside > 0).all() and np.prod(inside) >= _SEEN * np.prod(sides))

    def problems(self, box: FloatArray) -> dict[str, str]:
        """What keeps a thermal image from being evidence for a box, or makes it doubtful: key -> what, and a remedy."""
        problems = dict(self.check.problems)
        if self.thermal_size is not None and self.check.usable and not self.shows(box):
            x, y, w, h = box
            centre = geometry.centre(self._box_mapped(box))  # NaN where the thermal camera looks away from it
            problems["thermal outside"] = (
                f"the registration maps the box x {x:.0f}, y {y:.0f}, {w:.0f} x {h:.0f} to ({centre[0]:.0f}, "
                f"{centre[1]:.0f}), outside the thermal image of {self.thermal_size[0]} x {self.thermal_size[1]}: "
                "it is not used there; check the registration if the thermal camera sees the target"
            )
        return problems

    def thermal_box(self, box: FloatArray) -> FloatArray:
        """A box in pixels of the thermal image; NaN where that does not show it, or none has come yet."""
        if self.thermal_size is None or not self.shows(box):
            return np.full(4, np.nan)
        if self.in_rgb and self.registration.is_curved:
            return self._box_mapped(box)
        return geometry.transform_box(self.rgb_to_thermal, box)

    def from_thermal(self, box: FloatArray) -> FloatArray:
        """The box that the thermal image shows in `box`. Raises ValueError where the registration cannot be right."""
        if not self.check.usable:
            raise ValueError(self.check.problems["registration"])
        found = geometry.transform_box(np.linalg.inv(self.rgb_to_thermal), box)
        if self.in_rgb and self.registration.is_curved:
            for _ in range(_STEPS):
                found = geometry.transform_box(np.linalg.inv(self._fitted(found)), box)
        return found

    @property
    def _known_thermal_size(self) -> Size:
        if self.thermal_size is None:
            raise RuntimeError("no thermal image has come yet: the way to its pixels is not known")
        return self.thermal_size

    def _box_mapped(self, box: FloatArray) -> FloatArray:
        """The axis-aligned box around a box's corners in the thermal image; NaN where it shows one of them nowhere."""
        corners = geometry.corners(box)
        if self.in_rgb and self.registration.is_curved:
            mapped = self.registration.map_points(corners, self.size, self._known_thermal_size)
        else:
            mapped = geometry.transform_in_front(self.rgb_to_thermal, corners, np.divide(self.size, 2))
        return geometry.box_around(mapped)

    def _fitted(self, box: FloatArray) -> FloatArray:
        corners = geometry.corners(box)
        mapped = self.registration.map_points(corners, self.size, self._known_thermal_size)
        return fit_transform(corners, mapped, self.rgb_to_thermal)

    def boxes_from(self, earlier: PairGeometry) -> FloatArray | None:
        """3x3 transform that brings boxes of an earlier geometry to this one; None where they stay as they are.

        A stream that has switched its resolution shows the same view, scaled.
        """
        if self.in_rgb and not earlier.in_rgb:
            return np.asarray(np.linalg.inv(self.registration.matrix(self.size, earlier.size)), float)
        if earlier.size == self.size:
            return None
        return geometry.scaling(self.size[0] / earlier.size[0], self.size[1] / earlier.size[1])
