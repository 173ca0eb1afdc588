"""Finds a target pattern in an image of either camera, with OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import Pixels
from ckd_ros.geometry import FloatArray, Size

#: Images with fewer pixels are looked at in twice their size too: thermal ones show corners small.
_SMALL = 640 * 512
#: Area of the smallest circle, pixels.
_CIRCLE = 12.0
#: Part of the way to the next corner of a checkerboard that is looked at to find one, and when that ends.
_CORNER = 0.4
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-3)
#: Side of a ChArUco marker, of that of its square: what generators use. The corners do not depend on it.
_MARKER = 0.75


class Sighting(NamedTuple):
    """Points of a pattern in an image: `(N,)` numbers of points, row by row, and `(N, 2)` continuous pixels."""

    numbers: np.ndarray
    points: FloatArray


#: Looks for a pattern in an 8-bit grey image of dark marks on bright ground; None: it is not seen.
Finder = Callable[[Pixels], "Sighting | None"]


def make_finder(pattern: str, size: Size, dictionary: str) -> Finder:
    """A finder of a `checkerboard`, `circles` or `charuco` of (columns, rows), see `CalibrationSettings`.

    Raises ValueError for an unknown dictionary of markers, and where this OpenCV has no ChArUco detector.
    """
    find = _charuco(size, dictionary) if pattern == "charuco" else _GRIDS[pattern](size)

    def find_of_any_polarity(grey: Pixels) -> Sighting | None:
        for factor in (1, 2) if grey.size < _SMALL else (1,):
            larger = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            for image in (larger, 255 - larger):  # heated, what is dark in one camera may be bright in the other
                found = find(image)
                if found is not None:
                    return Sighting(found.numbers, (found.points + 0.5) / factor)
        return None

    return find_of_any_polarity


def _checkerboard(size: Size) -> Finder:
    def find(image: Pixels) -> Sighting | None:
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
        found, corners = cv2.findChessboardCornersSB(image, size, flags=flags)
        if not found:
            return None
        # The finder alone is half a pixel off. Looked at is what lies nearer than the next corner.
        apart = np.linalg.norm(np.diff(corners.reshape(size[1], size[0], 2), axis=1), axis=2).min()
        window = (max(2, round(_CORNER * float(apart))),) * 2
        return _whole(cv2.cornerSubPix(image, corners, window, (-1, -1), _CRITERIA), size)

    return find


def _circles(size: Size) -> Finder:
    parameters = cv2.SimpleBlobDetector_Params()  # type: ignore[attr-defined]
    parameters.minArea, parameters.maxArea = _CIRCLE, 1e5
    parameters.minDistBetweenBlobs = 3.0
    detector = cv2.SimpleBlobDetector_create(parameters)  # type: ignore[attr-defined]

    def find(image: Pixels) -> Sighting | None:
        found, centres = cv2.findCirclesGrid(image, size, flags=cv2.CALIB_CB_SYMMETRIC_GRID, blobDetector=detector)
        return _whole(centres, size) if found else None

    return find


_GRIDS: dict[str, Callable[[Size], Finder]] = {"checkerboard": _checkerboard, "circles": _circles}


def _charuco(size: Size, dictionary: str) -> Finder:
    if not hasattr(cv2.aruco, "CharucoDetector"):
        raise ValueError(f"ChArUco boards need OpenCV 4.7 and later, not {cv2.__version__}: use a checkerboard")
    number = getattr(cv2.aruco, f"DICT_{dictionary.upper()}", None)
    if number is None:
        raise ValueError(
            f"there is no dictionary of markers '{dictionary}': expected 4X4_50, 5X5_100, APRILTAG_36h11 ..."
        )
    board = cv2.aruco.CharucoBoard(size, 1.0, _MARKER, cv2.aruco.getPredefinedDictionary(number))
    detector = cv2.aruco.CharucoDetector(board)

    def find(image: Pixels) -> Sighting | None:
        corners, numbers, _, _ = detector.detectBoard(image)
        if numbers is None:
            return None
        return Sighting(numbers.ravel(), np.asarray(corners, float).reshape(-1, 2))

    return find


def _whole(points: Pixels, size: Size) -> Sighting:
    return Sighting(np.arange(size[0] * size[1]), np.asarray(points, float).reshape(-1, 2))


def in_order_of(points: FloatArray, other: FloatArray, size: Size) -> FloatArray:
    """The `(rows * columns, 2)` points of a grid in the order in which they lie as another camera's do.

    A grid looks the same from all sides. Cameras that look the same way see it turned alike.
    """
    grid = points.reshape(size[1], size[0], 2)
    turned = [grid, grid[::-1], grid[:, ::-1], grid[::-1, ::-1]]
    if size[0] == size[1]:
        turned += [one.transpose(1, 0, 2) for one in turned]
    wanted = _normalised(other)
    return min((one.reshape(-1, 2) for one in turned), key=lambda one: np.abs(_normalised(one) - wanted).sum())


def _normalised(points: FloatArray) -> FloatArray:
    x, y, width, height = geometry.box_around(points)
    return (points - [x + width / 2, y + height / 2]) / np.hypot(width, height)
