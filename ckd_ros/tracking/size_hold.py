"""The size of a target whose images hardly show it.

The network's box of a small or blurred target follows the size of the search window more than that of the target. The
window is as large as the last box, so that errors add up from frame to frame, and boxes shrink or grow away. How much a
found size follows the window is measured on the first image, in windows of two sizes (`first_look`); by so much the
size is held at the one that the target was marked with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ckd_ros.geometry import FloatArray

_RATE = 0.1  # weight of a frame in the disagreement
#: A lasting disagreement, as the log of found over held size, up to which the size is held and from which it is free.
_HELD, _FREE = 0.2, 0.5


@dataclass
class SizeHold:
    """Holds a target's size near the first one, by as much as its images do not show it.

    A target that comes closer is found too large in frame after frame, by more than such a network errs: then it is let
    go.

    Attributes:
        first: `(2,)` width and height that the target was marked with, pixels.
        strength: 0: the found size counts; 1: the first one does.
        disagreement: `(2,)` running mean of the log of the found size over the size so far.
    """

    first: FloatArray
    strength: float = 0.0
    disagreement: FloatArray = field(default_factory=lambda: np.zeros(2))

    def next_size(self, size: FloatArray, found: FloatArray, momentum: float) -> FloatArray:
        """The size after `size`, in a frame where `found` was found, `(2,)` each; `momentum` of `size` is kept."""
        step = np.log(found / size)
        self.disagreement = self.disagreement + _RATE * (step - self.disagreement)
        hold = self.strength * np.clip((_FREE - np.abs(self.disagreement)) / (_FREE - _HELD), 0.0, 1.0)
        size = momentum * size + (1 - momentum) * found
        held: FloatArray = size * (self.first / size) ** hold
        return held
