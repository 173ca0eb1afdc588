"""First guesses: scales, rotations and shifts at which many edges of both images run together.

All shifts are tried at once, in one Fourier transform for each scale and rotation, and all frames together. A guess is
worth the agreement of its edges over what chance would give: edges that run any way they like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.edges import edge_field
from ckd_ros.calibration.images import GreyPair
from ckd_ros.frames import Pixels
from ckd_ros.geometry import FloatArray, Size

#: The thermal image is searched at about as many pixels.
_AREA = 120 * 90
#: Thermal pixels of a colour image's width over those of the thermal image's: narrow to wide thermal cameras.
_SCALES = np.exp(np.arange(-0.5, 0.66, 0.05))
#: Rotations about the optical axis, degrees.
_ANGLES = np.arange(-6.0, 6.1, 2.0)
#: Largest shift, and how far from another a guess is another one, parts of the thermal image's width.
_REACH, APART = 0.3, 0.08
#: At most this many frames are searched: more of the same scene add time and nothing else.
_FRAMES = 5


def first_guesses(pairs: Sequence[GreyPair], count: int) -> list[FloatArray]:
    """The best 3x3 matrices from colour to thermal pixels, best first, no two of them alike.

    The frames are of the same sizes, of cameras whose axes are nearly parallel.
    """
    chosen = [pairs[index] for index in np.unique(np.linspace(0, len(pairs) - 1, _FRAMES).round().astype(int))]
    search = _Search(chosen)
    found = [one for scale in _SCALES for angle in _ANGLES for one in search.peaks(float(scale), float(angle))]
    found.sort(key=lambda one: -one[0])
    points = geometry.grid(chosen[0].sizes[0], 5)
    apart = APART * chosen[0].sizes[1][0]
    guesses: list[FloatArray] = []
    seen: list[FloatArray] = []
    for _, matrix in found:
        mapped = geometry.transform_points(matrix, points)
        if all(np.linalg.norm(mapped - other, axis=1).mean() > apart for other in seen):
            guesses.append(matrix)
            seen.append(mapped)
        if len(guesses) == count:
            break
    return guesses


class _Search:
    """The transforms of the thermal images, and what one scale and rotation makes of the colour images."""

    def __init__(self, pairs: Sequence[GreyPair]) -> None:
        self._colours = [pair.colour for pair in pairs]
        (self._width, self._height), full = pairs[0].sizes
        factor = np.sqrt(_AREA / (full[0] * full[1]))
        self._size: Size = (round(full[0] * factor), round(full[1] * factor))
        self._to_full = geometry.scaling(full[0] / self._size[0], full[1] / self._size[1])
        # Room on all sides, so that nothing that is shifted out comes back on the other side.
        self._canvas: Size = (cv2.getOptimalDFTSize(2 * self._size[0]), cv2.getOptimalDFTSize(2 * self._size[1]))
        self._corner = [(outer - inner) // 2 for outer, inner in zip(self._canvas, self._size, strict=True)]
        fields = [edge_field(cv2.resize(pair.thermal, self._size, interpolation=cv2.INTER_AREA), 1.0) for pair in pairs]
        (left, top), (width, height) = self._corner, self._size
        margins = (top, self._canvas[1] - top - height, left, self._canvas[0] - left - width)
        placed = [cv2.copyMakeBorder(field, *margins, cv2.BORDER_CONSTANT) for field in fields]
        self._thermal = [_transforms(field, 0.0) for field in placed]
        shifts = [np.fft.fftfreq(side, 1 / side).astype(np.float32) for side in self._canvas]
        self._across, self._down = np.meshgrid(*shifts)
        self._too_far = (abs(self._across) > _REACH * width) | (abs(self._down) > _REACH * height)
        self._resized: tuple[float, list[Pixels]] = (0.0, [])

    def peaks(self, scale: float, angle: float) -> Iterator[tuple[float, FloatArray]]:
        """Score and 3x3 matrix of the best shift, and of the best one away from it."""
        fields = self._fields(scale)
        size = fields[0].shape[1::-1]
        turn = np.radians(angle)
        turned = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
        centre = np.add(self._corner, np.divide(self._size, 2))
        onto = geometry.translation(*centre) @ turned @ geometry.translation(-size[0] / 2, -size[1] / 2)
        summed = np.zeros_like(self._thermal[0])
        for field, thermal in zip(fields, self._thermal, strict=True):
            placed = cv2.warpAffine(field, geometry.index_matrix(onto)[:2], self._canvas)
            summed += thermal * _transforms(placed, turn).conj()
        shape = self._canvas[::-1]
        variance = np.fft.irfft2(summed[2], shape) / 2
        scores = np.fft.irfft2(summed[0] + summed[1], shape) / np.sqrt(
            np.maximum(variance, 0.1 * variance.max() + 1e-9)
        )
        scores[self._too_far] = -np.inf
        to_canvas = onto @ geometry.scaling(size[0] / self._width, size[1] / self._height)
        for _ in range(2):
            best = np.argmax(scores)
            dx, dy = self._across.flat[best], self._down.flat[best]
            shift = geometry.translation(dx - self._corner[0], dy - self._corner[1])
            yield float(scores.flat[best]), self._to_full @ shift @ to_canvas
            scores[np.hypot(self._across - dx, self._down - dy) < 2 * APART * self._size[0]] = -np.inf

    def _fields(self, scale: float) -> list[Pixels]:
        """The edges of the colour images, as many pixels wide as `scale` times the thermal image."""
        if self._resized[0] != scale:
            width = scale * self._size[0]
            size = (round(width), round(width * self._height / self._width))
            resized = [cv2.resize(colour, size, interpolation=cv2.INTER_AREA) for colour in self._colours]
            self._resized = (scale, [edge_field(grey, 1.0) for grey in resized])
        return self._resized[1]


def _transforms(field: Pixels, turn: float) -> np.ndarray:
    """`3 x H x ...` Fourier transforms of edges that are turned by an angle (both parts), and of their squared lengths.

    The real part of edges times the others' conjugates is the product of the real parts and that of the imaginary ones.
    """
    across, along = np.float32(np.cos(2 * turn)), np.float32(np.sin(2 * turn))
    real, imaginary = field[..., 0], field[..., 1]
    turned = [across * real - along * imaginary, along * real + across * imaginary, (field**2).sum(axis=2)]
    return np.fft.rfft2(np.stack(turned))
