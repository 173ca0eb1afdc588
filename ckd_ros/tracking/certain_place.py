"""Where a target would be by now, from when it was last seen for certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.geometry import FloatArray

#: Frames of 1/30 s for which it is a better guess than the box that was followed since.
_GOOD_FOR = 10.0


@dataclass
class CertainPlace:
    """What slides in front of a target hides one side of it first, and the box follows what is left, or what comes.

    Attributes:
        box: the target's `(x, y, w, h)` before all that.
        step: `(2,)` pixels that it moved from image to image.
        images, frames: how many images, and how much time in frames of 1/30 s, since.
    """

    box: FloatArray
    step: FloatArray
    images: int = 1
    frames: float = 0.0

    def go_on(self, frames: float) -> None:
        """A doubtful image, so long after the one before."""
        self.images += 1
        self.frames += frames

    @property
    def now(self) -> FloatArray | None:
        """`(4,)` where the box would be if it had moved on as it did; None where that is too long ago."""
        if self.frames > _GOOD_FOR:
            return None
        moved: FloatArray = self.box + np.concatenate([self.images * self.step, np.zeros(2)])
        return moved
