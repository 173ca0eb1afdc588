"""What a tracker must offer to be compared, and what it says about each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ckd_ros.frames import FramePair


class Estimate(Protocol):
    """What a tracker says about one frame; `ckd_ros.tracking.TrackResult` is one.

    Attributes:
        box: `(4,)` in RGB pixels (thermal pixels where there are thermal images only), NaN when it has none.
        confidence: in [0, 1], NaN when the tracker gives none.
    """

    @property
    def box(self) -> np.ndarray: ...

    @property
    def confidence(self) -> float: ...


class SequenceTracker(Protocol):
    """What every compared tracker can do; `ckd_ros.tracking.Tracker` is one."""

    def init(self, pair: FramePair, box: np.ndarray) -> Estimate: ...

    def update(self, pair: FramePair) -> Estimate: ...


@dataclass(frozen=True)
class BoxEstimate:
    """A `(4,)` box, NaN when there is none, and a confidence in [0, 1], NaN from trackers without one."""

    box: np.ndarray
    confidence: float = float("nan")
