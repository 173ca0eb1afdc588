"""How the network's boxes differ from the box the target was marked with, measured on the image it was marked in.

What belongs to a target (the rotor of a helicopter, its shadow, the pole it carries) is the user's choice, and the
network errs about it in much the same way in every frame. On the first image the true box is known, and so the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray

#: A larger error is not a habit of the network but another object: a factor of the size, and a part of it.
_MOST_GROWTH, _MOST_SHIFT = 1.6, 0.3


@dataclass(frozen=True)
class BoxCorrection:
    """The error of the network's boxes: the centre is off by `shift` times the size, and the size is `growth` times too
    large; `(2,)` each, for x and y."""

    shift: FloatArray
    growth: FloatArray

    @staticmethod
    def none() -> BoxCorrection:
        """Boxes are taken as they are."""
        return BoxCorrection(np.zeros(2), np.ones(2))

    @staticmethod
    def measure(found: Sequence[FloatArray], truth: FloatArray, weight: float) -> BoxCorrection:
        """The mean error of boxes found in the image that `truth` was drawn in, all `(x, y, w, h)`.

        `weight`, from 0 to 1, is how much of it is believed to hold for later frames too: less than 1, since what a
        person drew has errors of its own. `none()` without any box.
        """
        if not len(found):
            return BoxCorrection.none()
        boxes = np.stack(found)
        shift = ((geometry.centre(boxes) - geometry.centre(truth)) / boxes[:, 2:]).mean(axis=0)
        growth = np.log(boxes[:, 2:] / truth[2:]).mean(axis=0)
        most = np.log(_MOST_GROWTH)
        return BoxCorrection(
            weight * np.clip(shift, -_MOST_SHIFT, _MOST_SHIFT), np.exp(weight * np.clip(growth, -most, most))
        )

    def correct(self, box: FloatArray) -> FloatArray:
        """A found box `(x, y, w, h)` without the error."""
        centre, size = geometry.centre(box) - self.shift * box[2:], box[2:] / self.growth
        return np.concatenate([centre - size / 2, size])
