"""How the target moves in time, so that an image that is older than the others is searched where it was then."""

from __future__ import annotations

from collections import deque

import numpy as np

from ckd_ros.frames import Timing
from ckd_ros.geometry import FloatArray

#: An image that is older or newer by no more than this shows the target where it is, seconds.
FRESH = 0.02
#: Places from which on the motion is known.
_ENOUGH = 5
#: From so many usual intervals on the time since the last place is a gap.
_GAP = 2.0
#: Seconds over which the motion is measured: a box is exact to a fraction of a cell of the network's grid, which in the
#: time between two images is more than most targets move.
_OVER = 0.3


class RecentPath:
    """The centres of a target's box of late, in pixels of the image that boxes are in."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, FloatArray]] = deque()

    def note(self, timing: Timing | None, centre: FloatArray) -> None:
        """The target was at `(2,)` `centre` at the moment of a pair; without a timing nothing is known of when."""
        if timing is None or (self._points and timing.moment <= self._points[-1][0]):
            self._points.clear()  # a clock that was set back: the past cannot be placed on it
        if timing is not None:
            self._points.append((timing.moment, centre))
            while timing.moment - self._points[0][0] > _OVER * 1e9 and len(self._points) > _ENOUGH:
                self._points.popleft()

    def has_gap(self, timing: Timing | None) -> bool:
        """Whether more time than usual has passed until a pair."""
        if timing is None or len(self._points) < _ENOUGH:
            return False
        moments = np.array([moment for moment, _ in self._points])
        return timing.moment - self._points[-1][0] > _GAP * float(np.median(np.diff(moments)))

    def knows(self, age: float) -> bool:
        """Whether it can say where an image of that age shows the target."""
        return abs(age) <= FRESH or len(self._points) >= _ENOUGH

    def moved(self, age: float) -> FloatArray:
        """`(2,)` pixels by which the target moves in `age` seconds; none before its motion is known."""
        if len(self._points) < _ENOUGH:
            return np.zeros(2)
        newest = self._points[-1][0]
        times = np.array([(time - newest) / 1e9 for time, _ in self._points])
        times -= times.mean()
        centres = np.array([centre for _, centre in self._points])
        moved: FloatArray = age * (times @ centres) / (times @ times)
        return moved
