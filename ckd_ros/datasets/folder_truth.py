"""A truth file of a sequence's folder, and its boxes as one for each frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import fit_truth, missing_rows, read_boxes


@dataclass(frozen=True)
class TruthFile:
    """`(N, 4)` boxes of a truth file, one a line."""

    path: Path
    boxes: np.ndarray

    @staticmethod
    def read(path: Path, corners: bool = False) -> TruthFile | None:
        """None where there is no such file; raises what `read_boxes` raises."""
        return TruthFile(path, read_boxes(path, corners)) if path.exists() else None

    def spread(self, count: int, stride: int, shorter: bool) -> tuple[np.ndarray, list[str]]:
        """`(count, 4)` boxes, NaN where there is none, and notes on what does not quite fit.

        Args:
            count: of frames.
            stride: line `k` belongs to frame `k * stride`, unless there is a line for each frame.
            shorter: whether one line too many is cut.

        Raises ValueError for more lines than that: they belong to something else.
        """
        boxes, notes = self.boxes, []
        if shorter and len(boxes) == count + 1:
            notes.append(f"{self.path} has {len(boxes)} boxes for {count} frames: cut to the shorter")
            boxes = boxes[:count]
        if stride == 1 or len(boxes) == count:
            return fit_truth(boxes, count, self.path), [*notes, *missing_rows(boxes, count, self.path)]
        expected = -(-count // stride)
        if len(boxes) > expected:
            raise ValueError(
                f"{self.path} has {len(boxes)} boxes for {count} frames: expected one for every {stride}th frame "
                f"({expected}) or one for each"
            )
        if len(boxes) < expected:
            notes.append(f"{self.path} has {len(boxes)} boxes for {count} frames: {expected} were expected")
        every = np.full((count, 4), np.nan)
        every[: len(boxes) * stride : stride] = boxes
        return every, notes
