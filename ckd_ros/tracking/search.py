"""The search for a lost target: outwards from where it was last, at the scale it was last."""

from __future__ import annotations

import numpy as np

from ckd_ros import geometry
from ckd_ros.tracking.registration import Size


def spiral(box: np.ndarray, size: Size, step: float) -> np.ndarray:
    """`(N, 4)` copies of a box, `step` pixels apart, that cover an image of (width, height) `size`, nearest first.

    The copies stand on a grid through the box's own centre, which is left out. Ordered by ring, and round each ring by
    angle, they make a square spiral.
    """
    here = geometry.centre(box)
    counts = [np.arange(-np.ceil(c / step), np.ceil((n - c) / step) + 1) for c, n in zip(here, size, strict=True)]
    grid = np.stack(np.meshgrid(*counts), axis=-1).reshape(-1, 2)
    places = here + grid * step
    inside = ((places >= 0) & (places <= size)).all(axis=1) & (grid != 0).any(axis=1)
    grid, places = grid[inside], places[inside]
    order = np.lexsort((np.arctan2(grid[:, 1], grid[:, 0]), np.abs(grid).max(axis=1)))
    places = places[order]
    return np.concatenate([places - np.asarray(box[2:]) / 2, np.broadcast_to(box[2:], places.shape)], axis=1)


class LostSearch:
    """Which boxes to look around in each frame while the target is lost.

    The place where it was last is looked at in every frame, a few more in turn, spiralling out to the whole image and
    then starting again. A find (`followed`) comes first until it is confirmed or dropped.

    Args:
        box: where the target was last, `(x, y, w, h)`.
        size: (width, height) of the image.
        step: distance between the places, pixels: no more than the reach of a search window to either side.
    """

    def __init__(self, box: np.ndarray, size: Size, step: float) -> None:
        self._last = np.asarray(box, float)
        self._places = spiral(self._last, size, step)
        self._next = 0
        self.followed: np.ndarray | None = None

    def places(self, further: int) -> list[np.ndarray]:
        """The boxes to look around in this frame: the followed find (if any), the last place, and the next of the
        spiral, `further` in all besides the last place."""
        first = [] if self.followed is None else [self.followed]
        count = min(max(0, further - len(first)), len(self._places))
        turn = (self._next + np.arange(count)) % max(1, len(self._places))
        self._next += count
        return [*first, self._last, *self._places[turn]]
