"""The full size of a target of which less and less was seen before it hid.

What slides in front of a target hides a part of it first, and its box shrinks to what is left, which is still seen for
certain. The network sees a target in a window as large as its box has it, so one that is hidden must be looked for in
its full size.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ckd_ros.geometry import FloatArray, Size, centre, lies_inside

#: How long ago, in frames of 1/30 s, a target is taken to have been seen in full.
_NEWEST, _OLDEST = 15.0, 45.0
#: A box has shrunk if one of its sides is a smaller part of what it was in full view. One that goes away does so more
#: slowly, and a target that turns covers itself.
_SHRUNK = 0.75
#: Boxes that are needed to tell.
_ENOUGH = 5


class FullView:
    """The boxes of late in which a target was seen for certain."""

    def __init__(self) -> None:
        self._now = 0.0
        self._seen: deque[tuple[float, FloatArray]] = deque()

    def go_on(self, frames: float) -> None:
        """The next image, so long after the one before, in frames of 1/30 s."""
        self._now += frames
        while self._seen and self._now - self._seen[0][0] > _OLDEST:
            self._seen.popleft()

    def note(self, box: FloatArray) -> None:
        """It was seen for certain in `box`, `(x, y, w, h)`."""
        self._seen.append((self._now, box))

    def restore(self, box: FloatArray, picture: Size) -> FloatArray:
        """The box `(4,)` of a target that is not seen any more: in its full size where it has shrunk, or as it is.

        The size is the median of those in full view. It grows where the target would be had it gone on as it did then,
        as far as what was seen last stays in its box. One that is leaving the `picture` is not covered: it comes back
        over the edge as it went, a part first.
        """
        if not lies_inside(box, picture):
            return box
        full = [(time, seen) for time, seen in self._seen if self._now - time >= _NEWEST]
        if len(full) < _ENOUGH:
            return box
        times, boxes = np.array([time for time, _ in full]), np.array([seen for _, seen in full])
        size = np.median(boxes[:, 2:], axis=0)
        if (box[2:] >= _SHRUNK * size).all():
            return box
        size = np.maximum(size, box[2:])
        times, boxes = times[len(full) // 2 :], boxes[len(full) // 2 :]  # its motion is that of the newer half
        centres, since = centre(boxes), times - times.mean()
        speed = since @ centres / (since @ since)
        expected = centres.mean(axis=0) + speed * (self._now - times.mean())
        reach = (size - box[2:]) / 2
        place = np.clip(expected, centre(box) - reach, centre(box) + reach)
        return np.concatenate([place - size / 2, size])
