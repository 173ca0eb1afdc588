"""The registration from a target pattern that both cameras see, in one view or better in many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np

from ckd_ros.calibration.finders import Sighting, in_order_of, make_finder
from ckd_ros.calibration.images import GreyPair
from ckd_ros.calibration.outcome import Outcome, expected_error, outcome_of
from ckd_ros.calibration.points import register_points
from ckd_ros.calibration.settings import CalibrationSettings
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.registration import Registration

#: Points that make a view, and how far off one is that cannot be right, pixels: farther than lenses bend a pattern.
_POINTS, _MISTAKE = 6, 5.0
#: Views that calibrate lenses.
_VIEWS = 6
#: Largest reprojection error (root mean square) of a lens that is taken as straight, of the image's width.
_STRAIGHT = 1.5 / 640
_STRAIGHT_LENS = cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3


class _View(NamedTuple):
    """A moment in which both cameras see points of the pattern: `(N, 2)` of the pattern, in squares, and pixels."""

    board: FloatArray
    colour: FloatArray
    thermal: FloatArray


def register_pattern(pairs: Sequence[GreyPair], settings: CalibrationSettings) -> Outcome:
    """The homography of the pattern's points, or with `settings.square` lenses and pose of both cameras.

    Raises ValueError where too few views show the pattern, and where they do not tell enough.
    """
    views = _views(pairs, settings)
    if settings.square:
        return _calibrated(views, pairs[0].sizes, settings)
    numbers = [number for number, view in enumerate(views) for _ in view.board]
    colour, thermal = (np.concatenate(ones) for ones in list(zip(*views, strict=True))[1:])
    outcome = register_points(colour, thermal, pairs[0].sizes, settings.max_error, numbers)
    return replace(outcome, basis=f"{len(views)} views of a {settings.pattern} pattern ({outcome.basis})")


def _views(pairs: Sequence[GreyPair], settings: CalibrationSettings) -> list[_View]:
    find = make_finder(settings.pattern, settings.size, settings.dictionary)
    sightings = [(find(pair.colour), find(pair.thermal)) for pair in pairs]
    both = [(colour, thermal) for colour, thermal in sightings if colour is not None and thermal is not None]
    views = [view for colour, thermal in both if (view := _view(colour, thermal, settings)) is not None]
    if not views:
        seen = [sum(one[side] is not None for one in sightings) for side in (0, 1)]
        columns, rows = settings.size
        raise ValueError(
            f"no frame shows the {settings.pattern} pattern of {columns} x {rows} in both images (of {len(pairs)}, "
            f"{seen[0]} in the colour image, {seen[1]} in the thermal one): is the size right (a checkerboard's is "
            "that of its inner corners), is all of it in view, and warm or cold enough for the thermal camera?"
        )
    return views


def _view(colour: Sighting, thermal: Sighting, settings: CalibrationSettings) -> _View | None:
    if settings.pattern == "charuco":
        columns = settings.size[0] - 1
        numbers, mine, other = np.intersect1d(colour.numbers, thermal.numbers, return_indices=True)
        points = colour.points[mine], thermal.points[other]
    else:
        columns, numbers = settings.size[0], colour.numbers
        points = colour.points, in_order_of(thermal.points, colour.points, settings.size)
    if len(numbers) < _POINTS:
        return None
    board = np.stack([numbers % columns, numbers // columns], axis=1).astype(float)
    # now and then a finder takes something else for one of the points
    agree = [cv2.findHomography(board, one, cv2.RANSAC, _MISTAKE)[1] for one in points]
    if any(one is None for one in agree):
        return None
    kept = np.logical_and(*agree).ravel()
    return _View(board[kept], points[0][kept], points[1][kept]) if kept.sum() >= _POINTS else None


def _calibrated(views: Sequence[_View], sizes: tuple[Size, Size], settings: CalibrationSettings) -> Outcome:
    if len(views) < _VIEWS:
        raise ValueError(
            f"{len(views)} frames show the pattern in both images: lenses need {_VIEWS} and more, the pattern tilted "
            "this way and that; leave out --square for a homography"
        )

    def fit(kept: np.ndarray) -> FloatArray:
        chosen = [view for view, keeps in zip(views, kept, strict=True) if keeps]
        return Registration.from_config(_cameras(chosen, sizes, settings)).matrix(*sizes)

    error = expected_error(fit, np.arange(len(views)), sizes[0])
    if not error <= settings.max_error:
        raise ValueError(
            f"the views do not tell enough: an error of {error:.1f} thermal pixels at {settings.distance:g} m is to be "
            f"expected, more than the {settings.max_error:g} that are allowed; show the pattern tilted, near and far, "
            "in all parts of both images"
        )
    basis = f"{len(views)} views of a {settings.pattern} pattern, for {settings.distance:g} m"
    return outcome_of(_cameras(views, sizes, settings), sizes, error, basis)


def _cameras(views: Sequence[_View], sizes: tuple[Size, Size], settings: CalibrationSettings) -> dict[str, object]:
    """Settings of the type `calibrated`. Raises ValueError where a lens is not straight."""
    boards: Any = [np.pad(view.board * settings.square, ((0, 0), (0, 1))).astype(np.float32) for view in views]
    # OpenCV counts pixels from the centre of the first one
    colour: Any = [(view.colour - 0.5).astype(np.float32) for view in views]
    thermal: Any = [(view.thermal - 0.5).astype(np.float32) for view in views]
    lenses = []
    for name, size, points in zip(("colour", "thermal"), sizes, (colour, thermal), strict=True):
        error, lens, _, _, _ = cv2.calibrateCamera(boards, points, size, None, None, flags=_STRAIGHT_LENS)
        if not error <= _STRAIGHT * size[0]:
            raise ValueError(
                f"the {name} camera's lens bends straight lines: its pixels are {error:.1f} off (root mean square) "
                "without distortion; calibrate with rectified images, or publish camera_info with distortion"
            )
        lenses.append(lens)
    nothing = np.zeros(5)
    _, _, _, _, _, rotation, translation, _, _ = cv2.stereoCalibrate(
        boards, colour, thermal, lenses[0], nothing, lenses[1], nothing, sizes[0], flags=cv2.CALIB_FIX_INTRINSIC
    )
    intrinsics = [[float(lens[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))] for lens in lenses]
    return {
        "type": "calibrated",
        "rgb_intrinsics": intrinsics[0],
        "thermal_intrinsics": intrinsics[1],
        "rotation": rotation.ravel().tolist(),
        "translation": translation.ravel().tolist(),
        "distance": settings.distance,
    }
