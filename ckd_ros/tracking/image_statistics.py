"""What an image shows at all, measured on a strided copy: structure, noise, and whether its rows fit together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from ckd_ros.frames import ENCODINGS, Float32Array, Image, Pixels

#: Pixels that are looked at: about so many rows and columns.
_ROWS, _COLUMNS = 64, 80
#: From this share of the largest value on a pixel of 8 bits is overexposed; one of 16 is where it is at the very top of
#: what the image has: of these a camera uses some, and where it is saturated, they end at one value.
_OVEREXPOSED = 0.98
#: Correlation from which on two images show the same with another gain.
_ALIKE = 0.9
#: Of each row about so many pixels are looked at; at so many rows, not of the edge, it may be torn.
_COLUMNS_OF_ROWS, _PLACES, _EDGE = 40, 6, 4
#: Rows between those that are compared above and below, besides the neighbours.
_APART = (0, 2)
#: Pixels by which what is below a tear is displaced: at least, and at most; of a narrow image at most that part of it.
_LEAST_SHIFT, _REACH, _PART = 4, 48, 0.15
#: Displaced, a row fits the one above by so much better; and steps are by so many usual ones larger than before.
_FITS_BETTER, _STEP = 0.6, 0.7


@dataclass(frozen=True)
class Statistics:
    """Of an image, in counts of its encoding (of a colour image: of its green channel).

    Attributes:
        level: its median.
        structure: standard deviation of what neighbouring pixels have in common, so that noise does not count.
        detail: how much it changes over some pixels (an eightieth of its width), beyond its noise.
        noise: standard deviation of what they do not have in common: noise, and the finest texture.
        overexposed: share of its pixels that are, [0, 1].
        empty_rows: share of its rows that have the same value everywhere, [0, 1].
        sample: the pixels that were looked at, float32.
        row_steps: `(H - 1,)` by how much each row differs from the next one, in the mean.
    """

    level: float
    structure: float
    detail: float
    noise: float
    overexposed: float
    empty_rows: float
    sample: Float32Array
    row_steps: Float32Array

    @staticmethod
    def of(image: Image) -> Statistics:
        """Measure an image."""
        plane = _plane(image)
        step = max(1, min(image.height // _ROWS, image.width // _COLUMNS))
        height, width = (max(1, side - 1) for side in plane.shape)
        some = plane[:height:step, :width:step].astype(np.float32)
        beside = plane[:height:step, min(1, plane.shape[1] - 1) :: step][:, : some.shape[1]].astype(np.float32)
        fine = some - beside
        noise2 = float(np.vdot(fine, fine)) / (2 * some.size)
        level = float(np.partition(some.ravel(), some.size // 2)[some.size // 2])
        mean = some.mean()
        shared = float(np.vdot(some - mean, beside - mean)) / some.size
        changes = [_mean_square(np.diff(some, axis=axis)) / 2 - noise2 for axis in (0, 1)]
        white = ENCODINGS[image.encoding].white
        top = _OVEREXPOSED * white if white <= 255 else some.max()
        overexposed = float(np.count_nonzero(some >= top)) / some.size
        structure, detail = np.sqrt(max(0.0, shared)), np.sqrt(max(0.0, *changes))
        rows = np.ascontiguousarray(plane[:, :: max(1, image.width // _COLUMNS_OF_ROWS)])
        empty = float((rows == rows[:, :1]).all(axis=1).mean())
        steps = np.abs(np.diff(rows.astype(np.int32), axis=0)).mean(axis=1, dtype=np.float32)
        return Statistics(level, structure, detail, float(np.sqrt(noise2)), overexposed, empty, some, steps)

    def gain_since(self, former: Statistics) -> float | None:
        """How many times as much contrast it has; None where it does not show the same, as of a camera that turns."""
        before, now = former.sample, self.sample
        if before.shape != now.shape:
            return None
        before, now = before - before.mean(), now - now.mean()
        spans = [float(np.sqrt(np.vdot(one, one))) for one in (before, now)]
        alike = float(np.vdot(before, now)) > _ALIKE * spans[0] * spans[1] > 0
        return spans[1] / spans[0] if alike else None


class Measurements:
    """The statistics of images; each of the newest two is measured once, however many targets are looked for in it."""

    def __init__(self) -> None:
        self._newest: deque[tuple[Image, Statistics]] = deque(maxlen=2)

    def of(self, image: Image) -> Statistics:
        """Those of an image."""
        for known, statistics in self._newest:
            if known is image:
                return statistics
        statistics = Statistics.of(image)
        self._newest.append((image, statistics))
        return statistics


@dataclass(frozen=True)
class Tear:
    """Where an image is torn.

    Attributes:
        row: the first that is displaced against the one above.
        shift: by so many pixels.
    """

    row: int
    shift: int


class RowCheck:
    """Whether the rows of a camera's images fit together.

    Rows of a scene fit the next ones best as they are, edges of buildings and horizons included. Where they fit much
    better displaced, the image was put together of two, or rows were lost.
    """

    def __init__(self) -> None:
        self._former: Float32Array | None = None

    def see(self, image: Image, steps: Float32Array) -> Tear | None:
        """Take the next image and its `Statistics.row_steps`. Returns where it is torn, if it is.

        A tear is looked for where rows differ more than in the image before.
        """
        former, self._former = self._former, steps
        if former is None or former.shape != steps.shape or len(steps) < 2 * _PLACES:
            return None
        excess = steps - former
        excess[:_EDGE] = excess[-_EDGE:] = 0
        least = _STEP * (float(np.median(steps)) + 1.0)
        for row in np.argpartition(excess, -_PLACES)[-_PLACES:]:
            if excess[row] > least:
                shift = _shift_at(_plane(image), row)
                if abs(shift) >= _LEAST_SHIFT:
                    return Tear(int(row) + 1, shift)
        return None


def _shift_at(plane: Pixels, row: int) -> int:
    """By how many pixels what is below `row` must be moved to fit what is above it; 0 where that does not fit better.

    It must fit better over most of the width, not at one edge alone; and rows farther apart must ask for the same, as
    they do not where edges are slanted.
    """
    reach = min(_REACH, int(_PART * plane.shape[1]))
    misfits = np.stack([_misfits(plane[row - apart], plane[row + 1 + apart], reach) for apart in _APART])
    best = int(misfits.mean(axis=(0, 2)).argmin())
    as_it_is, displaced = misfits[:, reach], misfits[:, best]
    if best in (0, 2 * reach) or displaced.mean() > _FITS_BETTER * as_it_is.mean():
        return 0
    return best - reach if np.median(displaced) < _FITS_BETTER * np.median(as_it_is) - 1 else 0


def _misfits(above: Pixels, below: Pixels, reach: int) -> Pixels:
    """`(2 reach + 1, N)` by how much each pixel of a row differs from one that is moved by -reach ... reach."""
    inner = above[reach : len(above) - reach].astype(np.int32)
    misfits: Pixels = np.abs(np.lib.stride_tricks.sliding_window_view(below.astype(np.int32), len(inner)) - inner)
    return misfits


def _plane(image: Image) -> Pixels:
    """The green channel of a colour image, the image itself if it is grey: `H x W`, a view."""
    return image.data if image.data.ndim == 2 else image.data[..., 1]


def _mean_square(values: Float32Array) -> float:
    return float(np.vdot(values, values)) / max(1, values.size)
