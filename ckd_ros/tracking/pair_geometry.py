"""Where boxes live while images of either camera come, stay away and change their size."""

from __future__ import annotations

import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import FramePair
from ckd_ros.tracking.registration import Registration, Size


class PairGeometry:
    """The pixel frame of boxes, and its way to the thermal image.

    Boxes are in pixels of the RGB image, also in frames where it is missing: its last size is kept. Until a first RGB
    image has come, the thermal image stands in for it.

    Attributes:
        size: (width, height) of the frame that boxes are in; None before the first pair.
        rgb_to_thermal: 3x3 transform from that frame to the thermal image; None before the first thermal image.
    """

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.size: Size | None = None
        self.rgb_to_thermal: np.ndarray | None = None
        self._rgb_size: Size | None = None
        self._thermal_size: Size | None = None

    def observe(self, pair: FramePair) -> np.ndarray | None:
        """Take note of a pair's sizes. Returns the 3x3 transform that brings earlier boxes to the frame as it is now,
        None where it has not changed: a stream that switched its resolution shows the same view, scaled."""
        rgb_size = (pair.rgb.width, pair.rgb.height) if pair.rgb else self._rgb_size
        thermal_size = (pair.thermal.width, pair.thermal.height) if pair.thermal else self._thermal_size
        if (rgb_size, thermal_size) == (self._rgb_size, self._thermal_size):
            return None
        old_size, old_to_thermal = self.size, self.rgb_to_thermal
        stand_in_ends = self._rgb_size is None and rgb_size is not None and old_size is not None
        old_thermal_size = self._thermal_size
        self._rgb_size, self._thermal_size, self.size = rgb_size, thermal_size, rgb_size or thermal_size
        self._map()
        if stand_in_ends:
            return np.linalg.inv(self.registration.matrix(rgb_size, old_thermal_size)) @ old_to_thermal
        if old_size is None or old_size == self.size:
            return None
        return geometry.scaling(self.size[0] / old_size[0], self.size[1] / old_size[1])

    def change_registration(self, registration: Registration) -> None:
        """Use another registration from now on."""
        self.registration = registration
        self._map()

    def _map(self) -> None:
        if self._thermal_size is None:
            return
        if self._rgb_size is None:
            self.rgb_to_thermal = np.eye(3)
        else:
            self.rgb_to_thermal = self.registration.matrix(self._rgb_size, self._thermal_size)
