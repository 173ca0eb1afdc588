"""Re-detection of a lost target: search outwards from where it was last seen, at its last scale."""

from __future__ import annotations

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size


def spiral(box: FloatArray, size: Size, step: float) -> FloatArray:
    """`(N, 4)` copies of a box, `step` pixels apart, that cover an image of (width, height) `size`, nearest first.

    The copies stand on a grid through the box's own centre, which is left out. Ordered by ring, and round each ring by
    angle, they make a square spiral.
    """
    start = geometry.centre(box)
    counts = [np.arange(-np.ceil(c / step), np.ceil((n - c) / step) + 1) for c, n in zip(start, size, strict=True)]
    grid = np.stack(np.meshgrid(*counts), axis=-1).reshape(-1, 2)
    centres = start + grid * step
    inside = ((centres >= 0) & (centres <= size)).all(axis=1) & (grid != 0).any(axis=1)
    grid, centres = grid[inside], centres[inside]
    order = np.lexsort((np.arctan2(grid[:, 1], grid[:, 0]), np.abs(grid).max(axis=1)))
    centres = centres[order]
    return np.concatenate([centres - np.asarray(box[2:]) / 2, np.broadcast_to(box[2:], centres.shape)], axis=1)


class LostSearch:
    """Which boxes to place search windows around in each frame while the target is lost.

    The last position is searched in every frame, a few more in turn, spiralling out over the whole image and then
    starting again. A candidate comes first until it is confirmed or dropped.

    Args:
        box: the target's last position, `(x, y, w, h)`.
        size: (width, height) of the image.
        step: distance between positions, pixels: no more than a search window reaches to either side.
    """

    def __init__(self, box: FloatArray, size: Size, step: float) -> None:
        self._last = np.asarray(box, float)
        self._spiral = spiral(self._last, size, step)
        self._next = 0
        #: The box of a detection that has to be seen again before it counts as the target.
        self.candidate: FloatArray | None = None

    def next_boxes(self, further: int) -> list[FloatArray]:
        """The boxes to search around in this frame: the candidate (if any), the last position, and the next of the
        spiral, `further` in all besides the last position."""
        first = [] if self.candidate is None else [self.candidate]
        count = min(max(0, further - len(first)), len(self._spiral))
        turn = (self._next + np.arange(count)) % max(1, len(self._spiral))
        self._next += count
        return [*first, self._last, *self._spiral[turn]]
