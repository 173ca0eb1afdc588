"""How blocks of the colour image lie in the thermal image, and the homography on which most of them agree.

A block says how well every small shift of it fits. That is kept whole: a block on a straight edge allows a line of
shifts, one on leaves several. Fitted is what all of them together allow, by mean shift: each block pulls to what it
allows near the present fit, which is looked at ever more closely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.edges import edge_field
from ckd_ros.calibration.images import GreyPair
from ckd_ros.frames import Pixels
from ckd_ros.geometry import FloatArray, Size

#: Thermal images are compared at about as many pixels.
_AREA = 320 * 240
#: What is added to what chance gives a block, for each pixel of its side: without edges it has no say.
_DOUBT = 0.05
#: Pixels about the fit that count in the end, at least.
_SHARPEST = 1.2
#: Least part of a block that the colour image must fill.
_FILLED = 0.6
#: Fits per step, and by how much the neighbourhood of the present fit that counts shrinks with each.
_STEPS, _SHRINK = 20, 0.85
#: How firmly a homography stays what it was where blocks do not say otherwise: its 8 entries, row by row, in units of
#: half the image's longer side. Perspective is small and the easiest to get wrong.
_FIRMNESS = np.array([1e-3, 1e-3, 3e-5, 1e-3, 1e-3, 3e-5, 6e-3, 6e-3])


class Blocks(NamedTuple):
    """How blocks are cut, in pixels of the compared images.

    Attributes:
        sigma: smoothing of the edges.
        side: of a block.
        reach: largest shift, each way.
        step: from one block to the next.
    """

    sigma: float
    side: int
    reach: int
    step: int


@dataclass(frozen=True)
class BlockMatches:
    """Which shifts each of `N` blocks allows.

    Attributes:
        centres: `(N, 2)`, pixels of the compared images.
        evidence: `(N, K, K)` how well shifts of -reach ... reach fit, 0: no better than chance.
        size: (width, height) of the compared images.
        sharpness: pixels about the fit that count in the end.
        score: agreement of the edges as the images are now, in standard deviations of what chance gives one frame.
    """

    centres: FloatArray
    evidence: Pixels
    size: Size
    sharpness: float
    score: float

    def part(self, chosen: np.ndarray) -> BlockMatches:
        """Some of the blocks, by `(N,)` whether one is."""
        return replace(self, centres=self.centres[chosen], evidence=self.evidence[chosen])

    def fit(self) -> FloatArray:
        """3x3 transform on which most blocks agree, from where the images are now, in pixels of those compared."""
        reach = self.evidence.shape[1] // 2
        shifts = np.arange(-reach, reach + 1.0)
        width = max(reach / 2, self.sharpness)
        fit = np.eye(3)
        for _ in range(_STEPS):
            present = geometry.transform_points(fit, self.centres) - self.centres
            # the neighbourhood, separable: the weights of columns and of rows
            near = np.exp(-((shifts - present[..., None]) ** 2) / (2 * width * width))
            rows = np.einsum("nrc,nc->nr", self.evidence, near[:, 0])
            columns = np.einsum("nrc,nr->nc", self.evidence, near[:, 1])
            weights = (rows * near[:, 1]).sum(axis=1) + 1e-9
            wanted = np.stack([columns * near[:, 0] @ shifts, rows * near[:, 1] @ shifts], axis=1) / weights[:, None]
            # The mean is drawn to the middle of the neighbourhood: half as far again is nearer to the peak.
            moved = self.centres + present + 1.5 * (wanted - present)
            fit = _fit(self.centres, moved, weights, self.size)
            width = max(self.sharpness, width * _SHRINK)
        return fit


def match_blocks(pairs: Sequence[GreyPair], matrix: FloatArray, blocks: Blocks) -> tuple[BlockMatches, FloatArray]:
    """Compare blocks of the colour images, brought onto the thermal ones by `matrix`, with their surroundings there.

    What all frames say of a block is added up. Also returns the 3x3 transform from thermal pixels to those compared.
    """
    width, height = pairs[0].sizes[1]
    factor = np.sqrt(_AREA / (width * height))
    size = (round(width * factor), round(height * factor))
    to_compared = geometry.scaling(size[0] / width, size[1] / height)
    filled = _filled(pairs[0].sizes[0], to_compared @ matrix, size, blocks.sigma)
    corners = [
        (x, y)
        for y in _starts(size[1], blocks)
        for x in _starts(size[0], blocks)
        if filled[y : y + blocks.side, x : x + blocks.side].mean() >= _FILLED
    ]
    shifts = 2 * blocks.reach + 1
    agreement = np.zeros((len(corners), shifts, shifts), np.float32)
    chance = np.zeros_like(agreement)
    together = by_chance = 0.0
    for colour, thermal in _edges(pairs, to_compared @ matrix, size, blocks.sigma):
        colour *= filled[..., None]
        strengths = [np.ascontiguousarray((field**2).sum(axis=2)) for field in (colour, thermal)]
        together += float((colour * thermal).sum())
        by_chance += float((strengths[0] * strengths[1]).sum()) / 2
        thermal, strength = (
            cv2.copyMakeBorder(field, *(blocks.reach,) * 4, cv2.BORDER_CONSTANT) for field in (thermal, strengths[1])
        )
        for index, (x, y) in enumerate(corners):
            block = np.s_[y : y + blocks.side, x : x + blocks.side]
            around = np.s_[y : y + blocks.side + 2 * blocks.reach, x : x + blocks.side + 2 * blocks.reach]
            agreement[index] += cv2.matchTemplate(thermal[around], colour[block], cv2.TM_CCORR)
            chance[index] += cv2.matchTemplate(strength[around], strengths[0][block], cv2.TM_CCORR)
    evidence = np.maximum(agreement, 0) ** 2 / (chance / 2 + _DOUBT * blocks.side)
    centres = np.array(corners, float).reshape(-1, 2) + blocks.side / 2
    score = together / np.sqrt(len(pairs) * by_chance + 1e-9)
    return BlockMatches(centres, evidence, size, max(_SHARPEST, blocks.sigma), score), to_compared


def _filled(colour_size: Size, onto: FloatArray, size: Size, sigma: float) -> Pixels:
    """`H x W` uint8, 1 where the compared images have edges of the colour image and not of its border."""
    filled = cv2.warpPerspective(np.ones(colour_size[::-1], np.uint8), geometry.index_matrix(onto), size)
    return cv2.erode(filled, np.ones((2 * round(2 * sigma) + 1,) * 2), borderValue=0)


def _edges(pairs: Sequence[GreyPair], onto: FloatArray, size: Size, sigma: float) -> Iterator[tuple[Pixels, Pixels]]:
    """The edges of both images of each frame, in the pixels that are compared."""
    colour_size, thermal_size = pairs[0].sizes
    shrunk = _shrunk_size(colour_size, onto)
    from_shrunk = geometry.scaling(colour_size[0] / shrunk[0], colour_size[1] / shrunk[1])
    warp = geometry.index_matrix(onto @ from_shrunk)
    smooth = cv2.INTER_AREA if size[0] < thermal_size[0] else cv2.INTER_LINEAR
    for pair in pairs:
        colour = cv2.resize(pair.colour, shrunk, interpolation=cv2.INTER_AREA)
        colour = cv2.warpPerspective(colour, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        yield edge_field(colour, sigma), edge_field(cv2.resize(pair.thermal, size, interpolation=smooth), sigma)


def _shrunk_size(size: Size, onto: FloatArray) -> Size:
    """The size at which an image has as many pixels as the part of the compared images that it fills."""
    box = geometry.transform_box(onto, [size[0] / 2 - 1, size[1] / 2 - 1, 2, 2])
    factor = min(1.0, float(np.sqrt(box[2] * box[3])) / 2)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _starts(length: int, blocks: Blocks) -> np.ndarray:
    """Where blocks begin along a side of the image, from its one end to the other."""
    last = max(0, length - blocks.side)
    return np.unique(np.linspace(0, last, max(2, round(last / blocks.step) + 1)).astype(int))


def to_unit(size: Size) -> FloatArray:
    """3x3 transform of pixels to units of half the longer side of an image of (width, height), about its middle."""
    unit = max(size) / 2
    return geometry.scaling(1 / unit, 1 / unit) @ geometry.translation(-size[0] / 2, -size[1] / 2)


def equations(points: FloatArray, moved: FloatArray) -> FloatArray:
    """`(2 N, 8)` how much each entry of a homography, row by row, moves `(N, 2)` points near `moved`: x, then y."""
    (x, y), (u, v) = points.T, moved.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    across = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1)
    return np.concatenate([across, np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1)])


def _fit(points: FloatArray, moved: FloatArray, weights: FloatArray, size: Size) -> FloatArray:
    """The 3x3 transform that brings `(N, 2)` points nearest to where they moved, near none at all."""
    unit = to_unit(size)
    places, wanted = (geometry.transform_points(unit, values) for values in (points, moved))
    rows = equations(places, wanted)
    start = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])
    weighted = rows * np.concatenate([weights, weights])[:, None]
    normal = rows.T @ weighted + np.diag(_FIRMNESS * weights.sum())
    change = np.linalg.solve(normal, weighted.T @ (wanted.T.ravel() - rows @ start))
    fitted: FloatArray = np.linalg.inv(unit) @ np.append(start + change, 1.0).reshape(3, 3) @ unit
    return fitted
