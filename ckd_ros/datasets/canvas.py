"""Drawing in colour and in warmth at once: what is painted has a colour and a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ckd_ros.datasets.textures import smooth_noise

_SHIFT = 4  # bits of a pixel's fraction, in OpenCV's drawing functions


class Paint(NamedTuple):
    """A colour (red, green, blue), each 0 to 255, and how warm it is: the thermal image's grey level."""

    rgb: tuple[float, float, float]
    warmth: float

    def shaded(self, factor: float, warmer: float = 0.0) -> Paint:
        """The same, lighter (above 1) or darker, and warmer by so many grey levels."""
        r, g, b = (min(255.0, channel * factor) for channel in self.rgb)
        return Paint((r, g, b), self.warmth + warmer)


def painted(colour: npt.ArrayLike, warmth: float) -> Paint:
    """Paint of three numbers, as far as they are a colour."""
    r, g, b = (float(v) for v in np.clip(np.asarray(colour, float), 0, 255))
    return Paint((r, g, b), warmth)


def blend(one: Paint, other: Paint, share: float) -> Paint:
    """`share` of the other, the rest of the one."""
    r, g, b = (x + (y - x) * share for x, y in zip(one.rgb, other.rgb, strict=True))
    return Paint((r, g, b), one.warmth + (other.warmth - one.warmth) * share)


class Canvas:
    """A colour image `H x W x 3` (RGB), a thermal one `H x W` and what was painted on `H x W`, all uint8.

    Coordinates are given in units of `zoom` pixels, from the upper left corner.
    """

    def __init__(self, width: int, height: int, zoom: float = 1.0) -> None:
        self.rgb: np.ndarray = np.zeros((height, width, 3), np.uint8)
        self.thermal: np.ndarray = np.zeros((height, width), np.uint8)
        self.alpha: np.ndarray = np.zeros((height, width), np.uint8)
        self._zoom = zoom

    def _layers(self, paint: Paint) -> tuple[tuple[np.ndarray, tuple[float, ...]], ...]:
        return (self.rgb, paint.rgb), (self.thermal, (paint.warmth,)), (self.alpha, (255.0,))

    def _pixels(self, points: npt.ArrayLike) -> np.ndarray:
        return np.round((np.asarray(points, float) * self._zoom - 0.5) * (1 << _SHIFT)).astype(np.int32)

    def polygon(self, points: npt.ArrayLike, paint: Paint) -> None:
        """Fill a polygon."""
        corners = self._pixels(points)
        for layer, value in self._layers(paint):
            cv2.fillPoly(layer, [corners], value, cv2.LINE_AA, _SHIFT)

    def box(self, x: float, y: float, width: float, height: float, paint: Paint) -> None:
        """Fill an upright rectangle."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], paint)

    def ellipse(self, x: float, y: float, across: float, down: float, paint: Paint, angle: float = 0.0) -> None:
        """Fill an ellipse around `(x, y)` of these half axes, turned by `angle` degrees."""
        centre = tuple(int(v) for v in self._pixels((x, y)))
        axes = tuple(max(1, round(v * self._zoom * (1 << _SHIFT))) for v in (across, down))
        for layer, value in self._layers(paint):
            cv2.ellipse(layer, centre, axes, angle, 0, 360, value, -1, cv2.LINE_AA, _SHIFT)

    def line(self, points: npt.ArrayLike | Sequence[npt.ArrayLike], width: float, paint: Paint) -> None:
        """Draw along points, with round ends."""
        corners, thickness = self._pixels(np.array(points)), max(1, round(width * self._zoom))
        for layer, value in self._layers(paint):
            cv2.polylines(layer, [corners], False, value, thickness, cv2.LINE_AA, _SHIFT)

    def roughen(self, rng: np.random.Generator, cell: float, grain: float, heat: float) -> None:
        """Lay noise, of `cell` pixels, over all: up to `grain` levels of brightness and `heat` of warmth."""
        height, width = self.thermal.shape
        noise = smooth_noise(rng, width, height, cell)
        self.rgb = np.clip(self.rgb + (noise * grain)[..., None], 0, 255).astype(np.uint8)
        self.thermal = np.clip(self.thermal + noise * heat, 0, 255).astype(np.uint8)


def rounded(points: npt.ArrayLike, times: int = 2) -> np.ndarray:
    """A closed polygon with its corners cut off, again and again."""
    corners = np.asarray(points, float)
    for _ in range(times):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.8 * corners + 0.2 * after, 0.2 * corners + 0.8 * after], 1).reshape(-1, 2)
    return corners
