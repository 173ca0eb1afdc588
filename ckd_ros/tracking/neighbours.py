"""Others of the target's kind beside it, so that none of them is taken for it when it hides.

While the target is seen the network shows nothing of the others. So, when it begins to be doubtful, the network is
asked once what it would take for the target were it not there: in the pair before, in which the target was seen, with
its box blotted out. What it finds there is others. From then on they are followed by the peaks of the maps that are
made anyway, as long as the target is not seen for certain again. (What not to track is kept in mind as by Mayer et al.,
"Learning Target Candidate Association to Keep Track of What Not to Track", ICCV 2021; how it is found is our own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ckd_ros.geometry import FloatArray, centre, iou

#: IoU from which on two boxes are of one object, and from which on they may be.
_SAME, _TOUCHING = 0.3, 0.1
#: Sides of its box within which a neighbour is found again from one frame to the next.
_STEP = 0.5
#: Least weight of a step in the motion, whose running mean that is.
_MOTION_RATE = 0.3
#: Frames for which one that is not seen is remembered, and after which the others are asked for anew.
_REMEMBERED, _ASK_AGAIN = 10, 10


@dataclass
class _Neighbour:
    box: FloatArray
    motion: FloatArray = field(default_factory=lambda: np.zeros(2))  # pixels a frame
    steps: int = 0
    unseen: int = 0

    def move_on(self) -> None:
        self.unseen += 1
        self.box = self.box + np.concatenate([self.motion, np.zeros(2)])

    def found(self, box: FloatArray) -> None:
        self.steps += 1
        step = centre(box) - centre(self.box)
        self.motion = self.motion + max(_MOTION_RATE, 1 / self.steps) * step
        self.box, self.unseen = box, 0


class Neighbours:
    """Those of one target. All boxes are `(x, y, w, h)` in pixels of the image that its own box is in."""

    def __init__(self) -> None:
        self._all: list[_Neighbour] = []
        self._asked = _ASK_AGAIN  # frames since

    def boxes_beside(self, target: FloatArray | None = None) -> FloatArray:
        """`(N, 4)` where they are expected in this frame.

        `target`: the box of a target that was seen in the frame before. One that seems to be there too is perhaps not
        where it is expected.
        """
        boxes = np.array([one.box for one in self._all]).reshape(-1, 4)
        return boxes if target is None else boxes[iou(boxes, target) < _TOUCHING]

    @property
    def to_be_asked(self) -> bool:
        """Whether it is long enough since they were asked for."""
        return self._asked >= _ASK_AGAIN

    def move_on(self) -> None:
        """The next frame has come."""
        self._asked += 1
        for one in self._all:
            one.move_on()
        self._all = [one for one in self._all if one.unseen <= _REMEMBERED]

    def forget(self) -> None:
        """The target is seen for certain, or nothing is known any more."""
        self._all = []

    def learn(self, found: FloatArray, target: FloatArray) -> None:
        """Take what was found, `(K, 4)`, with the target blotted out from the box `target`."""
        self._asked = 0
        self.add(list(self.follow(found[iou(found, target) < _TOUCHING])))

    def add(self, boxes: Sequence[FloatArray]) -> None:
        """Further ones, which cannot be the target."""
        self._all += [_Neighbour(box) for box in boxes]

    def follow(self, found: FloatArray, target: FloatArray | None = None) -> FloatArray:
        """Find them again among the boxes `(K, 4)` that a frame shows, the nearest first, but for that of the target.

        Returns those boxes that are none of them.
        """
        if target is not None:
            found = found[iou(found, target) < _SAME]
        pairs = [
            (distance, number, k)
            for number, one in enumerate(self._all)
            for k, distance in enumerate(np.hypot(*(centre(found) - centre(one.box)).T) / np.sqrt(one.box[2:].prod()))
            if distance < _STEP
        ]
        left_ones, left = set(range(len(self._all))), set(range(len(found)))
        for _, number, k in sorted(pairs):
            if number in left_ones and k in left:
                left_ones.remove(number)
                left.remove(k)
                self._all[number].found(found[k])
        return found[sorted(left)]
