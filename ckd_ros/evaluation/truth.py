"""The truth of one sequence, as trackers are scored by it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ckd_ros.datasets.boxes import visible_or_nan


@dataclass(frozen=True)
class Truth:
    """Where the target is in each of N frames.

    Attributes:
        rgb: `(N, 4)` in the pixels in which trackers answer. NaN rows, or rows without area, where it is not known.
        thermal: the other modality's, where the protocol takes the better of the two a frame; else None.
        stride: every how many frames it is annotated at all, from the first on.
        annotated: `(N,)` in which frames it is, where images were lost in between; None: as `stride` says.
        note: what is unusual about it and has to be reported; empty if nothing is.
    """

    rgb: np.ndarray
    thermal: np.ndarray | None = None
    stride: int = 1
    annotated: np.ndarray | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.rgb)

    @property
    def sides(self) -> list[np.ndarray]:
        """The one or two truths, rows without a target as NaN."""
        return [visible_or_nan(np.asarray(side, float)) for side in (self.rgb, self.thermal) if side is not None]

    @property
    def steps(self) -> np.ndarray:
        """Numbers of the frames that are annotated, whether the target is visible there or not."""
        every = np.arange(len(self))
        return every[:: self.stride] if self.annotated is None else every[self.annotated]

    def first(self, count: int, note: str) -> Truth:
        """That of no more than `count` frames, with a note."""
        thermal = None if self.thermal is None else self.thermal[:count]
        return replace(self, rgb=self.rgb[:count], thermal=thermal, note=note)
