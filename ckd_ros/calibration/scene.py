"""The registration from what a scene shows: no target, no hands, but a scene with edges that both cameras see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.blocks import BlockMatches, Blocks, match_blocks
from ckd_ros.calibration.images import GreyPair
from ckd_ros.calibration.outcome import Outcome, expected_error, homography, outcome_of
from ckd_ros.calibration.search import APART, first_guesses
from ckd_ros.calibration.support import unsupported_errors
from ckd_ros.geometry import FloatArray, Size

#: Ever closer: from the guesses' accuracy to a part of a pixel.
_STAGES = (Blocks(1.5, 64, 16, 32), Blocks(1.2, 40, 10, 20), *[Blocks(1.0, 32, 6, 16)] * 4)
#: So many guesses go through the first stages, before the best of them is chosen.
_GUESSES, _FIRST = 4, 3
#: It is right if it scores so much more than the next best. Of images that have nothing in common, up to 10 more.
_STANDS_OUT = 15.0
#: Blocks this near to one another show the same things, and err together, pixels of the compared images.
_NEIGHBOURHOOD = 64
#: Fewer blocks than this say nothing about a homography.
_ENOUGH = 24
#: Points across the colour image at which the error is expected.
_GRID = 9
_REMEDY = (
    "record a scene with edges in all parts of both images (buildings, cars, branches) from at least 20 times the "
    "distance between the cameras, move them together while recording, or use a pattern or points"
)
_NO_OVERLAP = f"the scene cannot tell: the images hardly overlap; {_REMEDY}"


def register_scene(pairs: Sequence[GreyPair], max_error: float) -> Outcome:
    """The homography that brings the edges of both images together, in all frames.

    Args:
        pairs: of the same sizes; the cameras stand still to one another, the scene may move.
        max_error: largest expected error, thermal pixels.

    Raises ValueError, which says what to do, where the scene cannot tell.
    """
    tried = [_aligned(pairs, guess, _STAGES[:_FIRST]) for guess in first_guesses(pairs, _GUESSES)]
    ranked = sorted((one for one in tried if one is not None), key=lambda one: -one.matches.score)
    _refuse_ambiguous(ranked, pairs[0].sizes)
    found = _aligned(pairs, ranked[0].matrix, _STAGES[_FIRST:])
    if found is None:
        raise ValueError(_NO_OVERLAP)
    error, most, where = _expected_error(pairs, found)
    if not error <= max_error:
        raise ValueError(
            f"the scene cannot tell: an error of {error:.1f} thermal pixels is to be expected over the whole image, "
            f"more than the {max_error:g} that are allowed; {most:.1f} {where}, where least is known; {_REMEDY}"
        )
    return outcome_of(homography(found.matrix), pairs[0].sizes, error, f"the edges of {len(pairs)} frames")


def _expected_error(pairs: Sequence[GreyPair], found: _Aligned) -> tuple[float, float, str]:
    """Root mean square over the colour image, and the largest part that lack of edges has in it, and where that is.

    What the blocks say apart from one another (the jackknife) sees where they contradict, as of things near and far;
    what they leave open, where there are none.
    """
    matches, size = found.matches, pairs[0].sizes[0]
    columns, rows = (matches.centres // _NEIGHBOURHOOD).astype(int).T
    apart = expected_error(lambda kept: matches.part(kept).fit(), 1000 * rows + columns, matches.size) / found.scale
    points = geometry.grid(size, _GRID)
    unsupported = unsupported_errors(pairs, found.matrix, points)
    across, down = np.minimum(3 * points[unsupported.argmax()] / size, 2).astype(int)
    where = f"{('at the top', 'half way down', 'at the bottom')[down]} {('left', 'in the middle', 'right')[across]}"
    return float(np.hypot(apart, np.sqrt((unsupported**2).mean()))), float(unsupported.max()), where


class _Aligned(NamedTuple):
    """A 3x3 matrix from colour to thermal pixels, the last matches that led to it, and their pixels a thermal one."""

    matrix: FloatArray
    matches: BlockMatches
    scale: float


def _aligned(pairs: Sequence[GreyPair], matrix: FloatArray, stages: Sequence[Blocks]) -> _Aligned | None:
    """What a guess becomes; None where it leads to images that hardly overlap."""
    for stage in stages:
        matches, to_compared = match_blocks(pairs, matrix, stage)
        if len(matches.centres) < _ENOUGH:
            return None
        matrix = np.linalg.inv(to_compared) @ matches.fit() @ to_compared @ matrix
    return _Aligned(matrix, matches, float(np.sqrt(np.linalg.det(to_compared[:2, :2]))))


def _refuse_ambiguous(ranked: Sequence[_Aligned], sizes: tuple[Size, Size]) -> None:
    """Raise ValueError unless the first, which has the highest score, stands out from those that lead elsewhere."""
    if not ranked:
        raise ValueError(_NO_OVERLAP)
    points = geometry.grid(sizes[0], 5)
    mapped = [geometry.transform_points(one.matrix, points) for one in ranked]
    apart = [np.linalg.norm(other - mapped[0], axis=1).mean() > APART * sizes[1][0] for other in mapped]
    best = ranked[0].matches.score
    rival = max((one.matches.score for one, other in zip(ranked, apart, strict=True) if other), default=0.0)
    if best < rival + _STANDS_OUT:
        raise ValueError(
            f"the scene cannot tell: the best alignment of the edges scores {best:.0f}, another one {rival:.0f}, not "
            f"{_STANDS_OUT:.0f} less; {_REMEDY}"
        )
