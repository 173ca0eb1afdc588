"""Pixels that a person finds in the images of both cameras, side by side: from clicks to a registration."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ckd_ros.calibration.parameter_file import parameter_text
from ckd_ros.calibration.points import LEAST, register_points
from ckd_ros.colour import for_display
from ckd_ros.files import refuse_unwritable, replacing
from ckd_ros.frames import FramePair, Pixels
from ckd_ros.geometry import FloatArray, Size

#: Both images are shown as high as this, pixels: thermal ones are small, and a pixel must be hit.
_HEIGHT, _GAP = 480, 8
#: Rows above them, for what the person is told.
_TOP = 66
_MARK, _HALO = (60, 210, 255), (0, 0, 0)  # blue, green, red
_ARM = 9
HELP = "click a place on the left, then the same on the right; again there moves it; u: undo, s: save, Esc: leave"

Point = tuple[float, float]


class PointPicker:
    """Marks on a colour image, left, and on the thermal image of the same moment, right.

    Args:
        pair: with both images.
        out: file of parameters that `save` writes; beside it, as .txt, the points.
        max_error: largest expected error, thermal pixels.
    """

    def __init__(self, pair: FramePair, out: Path, max_error: float) -> None:
        assert pair.rgb is not None and pair.thermal is not None
        self._sizes: tuple[Size, Size] = pair.rgb.size, pair.thermal.size
        self._out, self._max_error = out, max_error
        panels = [_as_high(for_display(pair.rgb, False)), _as_high(for_display(pair.thermal, True))]
        gap = np.zeros((_HEIGHT, _GAP, 3), np.uint8)
        self._plain = cv2.copyMakeBorder(np.hstack([panels[0], gap, panels[1]]), _TOP, 0, 0, 0, cv2.BORDER_CONSTANT)
        # where the panels are, from left to right
        self._spans = [(0, panels[0].shape[1]), (panels[0].shape[1] + _GAP, self._plain.shape[1])]
        self._marks: tuple[list[Point], list[Point]] = ([], [])

    @property
    def picture(self) -> Pixels:
        """Both images with the marks that there are, numbered, `h x w x 3` bgr8."""
        drawn = self._plain.copy()
        for side, marks in enumerate(self._marks):
            for number, mark in enumerate(marks, start=1):
                x, y = np.floor(self._corner(side) + np.multiply(mark, self._scale(side))).astype(int).tolist()
                for colour, thickness in ((_HALO, 3), (_MARK, 1)):
                    cv2.drawMarker(drawn, (x, y), colour, cv2.MARKER_CROSS, 2 * _ARM, thickness)
                    place = (x + _ARM, y - _ARM // 2)
                    cv2.putText(drawn, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
        return drawn

    @property
    def points(self) -> tuple[FloatArray, FloatArray]:
        """`(N, 2)` pixels of the colour image and of the thermal one, of those that have both."""
        count = min(map(len, self._marks))
        colour, thermal = (np.array(marks[:count], float).reshape(-1, 2) for marks in self._marks)
        return colour, thermal

    def click(self, place: tuple[int, int]) -> None:
        """Mark a place of the picture. The second of a point's two marks may be in either image; one more where its
        first is moves that."""
        side = next((n for n, (left, right) in enumerate(self._spans) if left <= place[0] < right), None)
        if side is None or place[1] < _TOP:
            return
        if len(self._marks[side]) > len(self._marks[1 - side]):
            self._marks[side].pop()
        x, y = (np.subtract(place, self._corner(side)) + 0.5) / self._scale(side)
        self._marks[side].append((float(x), float(y)))

    def undo(self) -> None:
        """Take the newest point back, or its only mark."""
        longest = max(map(len, self._marks))
        for marks in self._marks:
            if longest and len(marks) == longest:
                marks.pop()

    def save(self) -> str:
        """Write the points and the registration that they make; returns what to tell the person.

        Where they make none the points are written all the same. Raises OSError where nothing can be written,
        ValueError for points that are too few or make no registration.
        """
        colour, thermal = self.points
        if len(colour) < LEAST:
            raise ValueError(f"{len(colour)} points are too few: {LEAST} and better 8, in all parts of the image")
        kept = self._out.with_suffix(".txt")
        refuse_unwritable([self._out, kept])
        lines = [f"{x:.2f} {y:.2f} {u:.2f} {v:.2f}\n" for (x, y), (u, v) in zip(colour, thermal, strict=True)]
        _write(kept, "# x y of the colour image, x y of the thermal image\n" + "".join(lines))
        try:
            outcome = register_points(colour, thermal, self._sizes, self._max_error)
        except ValueError as error:
            raise ValueError(f"{error} (the points are in {kept}; no registration was written)") from error
        _write(self._out, parameter_text(outcome))
        return f"{outcome.summary}. {self._out} is for the node and `ckd track --config`; the points are in {kept}"

    def _corner(self, side: int) -> tuple[int, int]:
        """The upper left corner of an image, pixels of the picture."""
        return self._spans[side][0], _TOP

    def _scale(self, side: int) -> FloatArray:
        """Pixels of the picture for one of an image, across and down."""
        left, right = self._spans[side]
        return np.divide((right - left, _HEIGHT), self._sizes[side])


def _as_high(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    smooth = cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_LINEAR
    return cv2.resize(picture, (max(1, round(width * _HEIGHT / height)), _HEIGHT), interpolation=smooth)


def _write(file: Path, text: str) -> None:
    with replacing(file) as path:
        path.write_text(text, encoding="utf-8")
