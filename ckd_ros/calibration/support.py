"""How far a registration may be off, at every place, by where both images show the same edges.

A homography that fits one half of the image says something of the other half too, and the less the farther away. Large
blocks are asked once more, each for itself, where it lies. Those that answer clearly, and as the registration has it,
support it. What they leave open is the covariance of a least squares fit to them, brought to where a point is.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.blocks import BlockMatches, Blocks, equations, match_blocks, to_unit
from ckd_ros.calibration.images import GreyPair
from ckd_ros.frames import Pixels
from ckd_ros.geometry import FloatArray

#: So large that few other shifts look alike.
_BLOCKS = Blocks(1.0, 64, 12, 32)
#: A block is clear if its best shift has so much more evidence than any other this many pixels away, and so much of it
#: in each frame: the square of 10 standard deviations of what chance gives.
_DISTINCT, _AWAY, _CLEAR = 1.2, 4.0, 100.0
#: Its best shift is then at most so far from the registration, pixels of the compared images.
_AGREES = 5.0
#: So many others that overlap it must support the registration too: one alone is chance.
_COMPANY = 2
#: How well a block can be placed at best, pixels.
_FINEST = 0.5
#: How far off a homography can be that nothing supports, standard deviations of its 8 entries row by row, in units of
#: half the image's longer side.
_OPEN = np.array([0.05, 0.05, 0.1, 0.05, 0.05, 0.1, 0.06, 0.06])


def unsupported_errors(pairs: Sequence[GreyPair], matrix: FloatArray, points: FloatArray) -> FloatArray:
    """`(N,)` standard deviations, thermal pixels, of where `matrix` puts `(N, 2)` colour pixels.

    Args:
        pairs: of the same sizes.
        matrix: 3x3 from colour to thermal pixels.
    """
    matches, to_compared = match_blocks(pairs, matrix, _BLOCKS)
    unit = to_unit(matches.size)
    offsets = _supporting_offsets(matches, len(pairs))
    places = geometry.transform_points(unit, matches.centres[np.isfinite(offsets)])
    spread = offsets[np.isfinite(offsets)]
    variance = _FINEST**2 + (spread**2).sum() / max(len(spread) - len(_OPEN) / 2, 1)
    known = equations(places, places) / (unit[0, 0] * np.sqrt(variance))
    covariance = np.linalg.inv(known.T @ known + np.diag(_OPEN**-2.0))
    mapped = geometry.transform_points(unit @ to_compared @ matrix, points)
    rows = equations(mapped, mapped)
    squares = np.einsum("na,ab,nb->n", rows, covariance, rows).reshape(2, -1).sum(axis=0)
    scale = unit[0, 0] * np.sqrt(np.linalg.det(to_compared[:2, :2]))
    return np.sqrt(squares) / scale


def _supporting_offsets(matches: BlockMatches, frames: int) -> FloatArray:
    """`(N,)` how far from the registration each block that supports it lies, pixels; NaN: it does not."""
    offsets = np.full(len(matches.centres), np.nan)
    for index, evidence in enumerate(matches.evidence):
        smooth = cv2.GaussianBlur(evidence, (0, 0), matches.sharpness, borderType=cv2.BORDER_REPLICATE)
        best, rival = _best_shift(smooth)
        distance = float(np.hypot(*best))
        if smooth.max() > max(_DISTINCT * rival, _CLEAR * frames) and distance < _AGREES:
            offsets[index] = distance
    # blocks are a step apart, more or less
    near = np.abs(matches.centres[:, None] - matches.centres).max(axis=2) < 1.25 * _BLOCKS.step
    company = (near & np.isfinite(offsets)).sum(axis=1) - 1
    offsets[company < _COMPANY] = np.nan
    return offsets


def _best_shift(evidence: Pixels) -> tuple[FloatArray, float]:
    """(x, y) of the most evidence, to a part of a pixel, and the most that there is away from it."""
    reach = evidence.shape[0] // 2
    row, column = np.unravel_index(evidence.argmax(), evidence.shape)
    rows, columns = np.ogrid[: evidence.shape[0], : evidence.shape[1]]
    rival = evidence[np.hypot(rows - row, columns - column) > _AWAY].max()
    shift = np.array([column - reach, row - reach], float)
    if 0 < row < 2 * reach and 0 < column < 2 * reach:
        shift += _vertex(evidence[row, column - 1 : column + 2]), _vertex(evidence[row - 1 : row + 2, column])
    return shift, float(rival)


def _vertex(values: Pixels) -> float:
    """Where the parabola through three values at -1, 0 and 1 is highest; the middle one is the largest."""
    before, middle, after = map(float, values)
    bend = 2 * middle - before - after
    return (after - before) / (2 * bend) if bend > 0 else 0.0
