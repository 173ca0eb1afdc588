"""Re-detection of a lost target: search outwards from where it was last seen, at its last scale and others."""

from __future__ import annotations

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size

#: Scales at which the image is searched in turn: the target may have come nearer or gone farther meanwhile.
SCALES = (1.0, 1.5, 1 / 1.5)


def spiral(box: FloatArray, size: Size, step: FloatArray) -> FloatArray:
    """`(N, 4)` copies of a box that cover an image of (width, height) `size`, nearest first.

    The copies stand on a grid, `step` = `(x, y)` pixels apart, through the box's own centre, which is left out. Ordered
    by ring, and round each ring by angle, they make a square spiral.
    """
    start = geometry.centre(box)
    spans = zip(start, size, step, strict=True)
    counts = [np.arange(-np.ceil(c / s), np.ceil((n - c) / s) + 1) for c, n, s in spans]
    grid = np.stack(np.meshgrid(*counts), axis=-1).reshape(-1, 2)
    centres = start + grid * step
    inside = ((centres >= 0) & (centres <= size)).all(axis=1) & (grid != 0).any(axis=1)
    grid, centres = grid[inside], centres[inside]
    order = np.lexsort((np.arctan2(grid[:, 1], grid[:, 0]), np.abs(grid).max(axis=1)))
    centres = centres[order]
    return np.concatenate([centres - np.asarray(box[2:]) / 2, np.broadcast_to(box[2:], centres.shape)], axis=1)


class LostSearch:
    """Which boxes to place search windows around in each frame while the target is lost.

    The last position is searched in every frame, a few more in turn, spiralling out over the whole image, or as much of
    it as the target can have reached, and then starting again at the next of `SCALES`. A candidate comes first until it
    is confirmed or dropped.

    Args:
        box: the target's last position, `(x, y, w, h)`.
        size: (width, height) of the image.
        step: `(x, y)` distance between positions at scale 1, pixels: no more than a search window reaches to a side.
    """

    def __init__(self, box: FloatArray, size: Size, step: FloatArray) -> None:
        self._last, self._size, self._step = np.asarray(box, float), size, np.asarray(step, float)
        self._next = 0
        #: The box of a detection that has to be seen again before it counts as the target.
        self.candidate: FloatArray | None = None
        self._cover()

    def _cover(self) -> None:
        sweeps = [spiral(_scaled(self._last, scale), self._size, scale * self._step) for scale in SCALES]
        self._spiral = np.concatenate(sweeps)
        self._moved: FloatArray = np.zeros(2)  # since then

    def shift(self, step: FloatArray) -> None:
        """The camera has moved what stands still by `(2,)` `step` pixels.

        The windows go along; what has come into the picture is covered once that is as much as windows are apart.
        """
        moved = np.concatenate([step, np.zeros(2)])
        self._last, self._spiral = self._last + moved, self._spiral + moved
        if self.candidate is not None:
            self.candidate = self.candidate + moved
        self._moved = self._moved + step
        if (np.abs(self._moved) > self._step).any():
            self._cover()

    def next_boxes(self, further: int, within: float = np.inf) -> list[FloatArray]:
        """The boxes to search around in this frame: the candidate (if any), the last position, and the next of the
        spiral, `further` in all besides the last position.

        `within`: pixels from the last position beyond which the target is not to be found yet, and is not looked for.
        """
        first = [] if self.candidate is None else [self.candidate]
        away = np.hypot(*(geometry.centre(self._spiral) - geometry.centre(self._last)).T)
        near = self._spiral[away <= within + np.hypot(*self._step) / 2]
        count = min(max(0, further - len(first)), len(near))
        turn = (self._next + np.arange(count)) % max(1, len(near))
        self._next += count
        return [*first, self._last, *near[turn]]


def _scaled(box: FloatArray, scale: float) -> FloatArray:
    """The box made larger about its centre."""
    size = box[2:] * scale
    return np.concatenate([geometry.centre(box) - size / 2, size])
