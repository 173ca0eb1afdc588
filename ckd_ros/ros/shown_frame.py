"""A picture of the cameras that a person draws a box in, and which pixels of which camera's image the box is in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.frames import Pixels
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.target import MIN_SIDE

#: (x, y) in pixels of the picture.
Point = tuple[int, int]


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """A camera's image, or the tracker's overlay: one or two images of one size side by side, over a caption.

    Beside a colour image the thermal one is shown registered, so that a box is in colour pixels on either.

    Attributes:
        picture: `h x w x 3` bgr8.
        stamp: of the image it shows, nanoseconds.
        stream: the camera in whose pixels a box is, RGB or THERMAL.
        size: `(w, h)` of that camera's images; None while it is not known.
    """

    picture: Pixels
    stamp: int
    stream: str
    size: Size | None

    @property
    def panels(self) -> list[tuple[int, int, int, int]]:
        """Where the images are, `(x, y, w, h)` in pixels of the picture."""
        height, width = self.picture.shape[:2]
        if self.size is None:
            return [(0, 0, width, height)]
        shape = self.size[1] / self.size[0]
        # What their shape leaves of the picture is the caption: with a number that is wrong by one it is less than
        # nothing, or about as high as the images.
        captions = {count: height - width / count * shape for count in (1, 2)}
        count = min((count for count in captions if captions[count] > -1), key=lambda n: captions[n], default=1)
        panel = width // count
        return [(number * panel, 0, panel, min(height, round(panel * shape))) for number in range(count)]

    def panel_at(self, place: Point) -> tuple[int, int, int, int] | None:
        """The panel in which a place is."""
        for x, y, w, h in self.panels:
            if x <= place[0] < x + w and y <= place[1] < y + h:
                return x, y, w, h
        return None

    def outlines(self, start: Point, end: Point) -> list[tuple[int, int, int, int]]:
        """A box dragged from one place to another, `(x, y, w, h)` in each of the panels."""
        origin = self.panel_at(start)
        if origin is None:
            return []
        low, high = self._corners(origin, start, end)
        w, h = np.maximum(high - low, 1)
        return [(int(x + low[0]), int(y + low[1]), int(w), int(h)) for x, y, _, _ in self.panels]

    def box(self, start: Point, end: Point) -> FloatArray | None:
        """The same box, `(4,)` `(x, y, w, h)` in pixels of the camera's image; None if there is none, or too small."""
        panel = self.panel_at(start)
        if panel is None or self.size is None:
            return None
        low, high = (corner * (self.size[0] / panel[2]) for corner in self._corners(panel, start, end))
        return None if (high - low).min() < MIN_SIDE else np.concatenate([low, high - low])

    @staticmethod
    def _corners(panel: tuple[int, int, int, int], start: Point, end: Point) -> tuple[np.ndarray, np.ndarray]:
        """The corners of a box within the panel in which it was begun."""
        places = np.clip(np.subtract([start, end], panel[:2]), 0, panel[2:])
        return places.min(axis=0), places.max(axis=0)
