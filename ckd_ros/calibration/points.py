"""The registration from pixels that a person found in both images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.outcome import Outcome, expected_error, homography, outcome_of
from ckd_ros.files import text_of
from ckd_ros.geometry import FloatArray, Size

#: A point that is farther off than this is taken for a mistake, thermal pixels.
_MISTAKE = 3.0
#: Points that determine a homography.
LEAST = 4
#: Views are left out one by one if there are as many; else points.
_VIEWS = 4
#: Condition number from which on a matrix maps the image to a line.
_SINGULAR = 1e9
_LINE = "four of them must not lie on lines of three"


def read_points(file: Path) -> tuple[FloatArray, FloatArray]:
    """`(N, 2)` pixels of the colour image and those of the thermal one that show the same things.

    A line of the file has x, y in the colour image and x, y in the thermal one, counted from the image's upper left
    corner and divided by spaces or commas; what follows `#` is a comment. Raises ValueError naming the line at fault,
    OSError where the file cannot be read.
    """
    rows = []
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        words = re.split(r"[\s,;]+", line.partition("#")[0].strip())
        if words == [""]:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != 4 or not np.isfinite(values).all():
            raise ValueError(
                f"{file}, line {number} is '{line.strip()}': expected four numbers, x and y in the colour image, then "
                "in the thermal one"
            )
        rows.append(values)
    if len(rows) < LEAST:
        raise ValueError(f"{file} has {len(rows)} points: a homography needs {LEAST}, better 8 in all parts")
    points = np.array(rows)
    return points[:, :2], points[:, 2:]


def register_points(
    colour: FloatArray, thermal: FloatArray, sizes: tuple[Size, Size], max_error: float, views: Sequence[int] = ()
) -> Outcome:
    """The homography on which most of `(N, 2)` pairs of pixels agree; with 4 of them the one that they make.

    Args:
        sizes: (width, height) of the colour and of the thermal images that the pixels are of.
        max_error: largest expected error, thermal pixels.
        views: `(N,)` numbers of what the points were found on together, and may be off together; empty: on nothing.

    Raises ValueError where they lie outside of the images, on a line, or contradict each other.
    """
    for name, points, size in (("colour", colour, sizes[0]), ("thermal", thermal, sizes[1])):
        outside = np.flatnonzero(((points < 0) | (points > size)).any(axis=1))
        if len(outside):
            x, y = points[outside[0]]
            raise ValueError(
                f"point {outside[0] + 1} is at ({x:g}, {y:g}), outside of the {name} image of {size[0]} x {size[1]}"
            )
    matrix, agree = _robust_fit(colour, thermal)
    groups = np.asarray(views if len(set(views)) >= _VIEWS else range(len(colour)))[agree]
    basis = f"{agree.sum()} of {len(agree)} points that agree"
    if len(agree) == LEAST:
        return outcome_of(homography(matrix), sizes, float("nan"), f"{LEAST} points, which nothing checks")
    if agree.sum() <= LEAST:
        raise ValueError(f"the points contradict each other: {basis}; check them, or give more")
    used_colour, used_thermal = colour[agree], thermal[agree]
    error = expected_error(lambda kept: _fit(used_colour[kept], used_thermal[kept]), groups, sizes[0])
    if not error <= max_error:
        raise ValueError(
            f"the points do not tell enough: of {basis} an error of {error:.1f} thermal pixels over the whole image is "
            f"to be expected, more than the {max_error:g} that are allowed; give more, in all parts of the image"
        )
    return outcome_of(homography(matrix), sizes, error, basis)


def _robust_fit(colour: FloatArray, thermal: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """3x3 from `(N, 2)` colour pixels to thermal ones, and `(N,)` which of them agree on it."""
    if len(colour) == LEAST:
        return _fit(colour, thermal), np.ones(len(colour), bool)
    matrix, agree = cv2.findHomography(colour, thermal, cv2.RANSAC, _MISTAKE, maxIters=5000, confidence=0.9999)
    if matrix is None:
        raise ValueError(f"the {len(colour)} points determine no homography: {_LINE}")
    kept = agree.ravel().astype(bool)
    return _fit(colour[kept], thermal[kept]), kept


def _fit(colour: FloatArray, thermal: FloatArray) -> FloatArray:
    """3x3 from `(N, 2)` colour pixels to thermal ones, least squares."""
    matrix = cv2.findHomography(colour, thermal)[0] if len(colour) >= LEAST else None
    if matrix is None or not np.linalg.cond(np.asarray(matrix) @ geometry.scaling(1e3, 1e3)) < _SINGULAR:
        raise ValueError(f"{len(colour)} points determine no homography: {_LINE}")
    return np.asarray(matrix, float)
