"""What every source of frames looks like to the rest of the code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from ckd_ros.frames import FramePair


class Sequence(ABC):
    """A finite stream of frame pairs at a nominal rate, with ground truth where it is known.

    Attributes:
        name: short name, usable as a file name.
        rate: nominal frames per second.
        boxes: `N x 4` ground truth `(x, y, w, h)` in RGB pixels, NaN rows where the target is not visible;
            None when there is no truth beyond `init_box`.
        init_box: `(4,)` box in the first frame, or None when the source does not say.
    """

    name: str
    rate: float
    boxes: np.ndarray | None = None
    init_box: np.ndarray | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def frames(self) -> Iterator[FramePair]:
        """Iterate over the pairs from the first on; every call starts anew."""
