"""A registration from a target pattern that both cameras see, whichever of its parts is the warmer one."""

from functools import cache

import cv2
import numpy as np
import pytest

from ckd_ros import geometry
from ckd_ros.calibration.images import GreyPair
from ckd_ros.calibration.pattern import register_pattern
from ckd_ros.calibration.settings import CalibrationSettings

COLOUR, THERMAL = (640, 480), (320, 256)
SIZES = {"checkerboard": (7, 5), "circles": (7, 5), "charuco": (7, 5)}
#: Pixels of a drawn pattern's square, and of the paper around.
SIDE, PAPER = 40, 60


def drawn(pattern):
    """An image of a pattern of SIZES."""
    columns, rows = SIZES[pattern]
    if pattern == "charuco":
        if not hasattr(cv2.aruco, "CharucoDetector"):
            pytest.skip(f"OpenCV {cv2.__version__} has no CharucoDetector")
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        board = cv2.aruco.CharucoBoard((columns, rows), 1.0, 0.75, words)
        image = board.generateImage((columns * SIDE, rows * SIDE))
    elif pattern == "circles":
        image = np.full((rows * SIDE, columns * SIDE), 255, np.uint8)
        for number in range(columns * rows):
            centre = (SIDE // 2 + number % columns * SIDE, SIDE // 2 + number // columns * SIDE)
            cv2.circle(image, centre, SIDE // 4, 0, -1, cv2.LINE_AA)
    else:
        squares = np.indices((rows + 1, columns + 1)).sum(axis=0) % 2
        image = np.kron(squares, np.full((SIDE, SIDE), 255)).astype(np.uint8)
    return cv2.copyMakeBorder(image, *(PAPER,) * 4, cv2.BORDER_CONSTANT, value=255)


def camera(size, focal):
    return np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])


#: Lenses, in continuous pixels, and the pose from the colour camera to the thermal one, metres.
LENSES = camera(COLOUR, 560.0), camera(THERMAL, 330.0)
ROTATION = cv2.Rodrigues(np.array([0.01, -0.02, 0.015]))[0]
TRANSLATION = np.array([-0.08, 0.01, 0.0])
SQUARE = 0.04


@cache
def views(pattern, count, inverted=True, baseline=True, seed=0):
    """What both cameras see of a pattern with squares of SQUARE that is held this way and that."""
    random = np.random.default_rng(seed)
    image = drawn(pattern)
    pairs = []
    to_metres = geometry.scaling(SQUARE / SIDE, SQUARE / SIDE) @ geometry.translation(*np.divide(image.shape[::-1], -2))
    for _ in range(count):
        turned = cv2.Rodrigues(random.uniform([-0.5, -0.5, -0.1], [0.5, 0.5, 0.1]))[0]
        place = random.uniform([-0.1, -0.06, 0.5], [0.1, 0.06, 0.8])
        onto_plane = np.column_stack([turned[:, 0], turned[:, 1], place]) @ to_metres
        beside = TRANSLATION if baseline else np.zeros(3)
        in_thermal = ROTATION @ onto_plane + np.outer(beside, [0, 0, 1])
        colour = seen(image, LENSES[0] @ onto_plane, COLOUR, random)
        thermal = seen(255 - image if inverted else image, LENSES[1] @ in_thermal, THERMAL, random)
        pairs.append(GreyPair(colour, thermal))
    return pairs


def seen(image, onto, size, random):
    """Drawn four times as large first, so that small squares have no steps."""
    larger = geometry.index_matrix(geometry.scaling(4, 4) @ onto)
    view = cv2.warpPerspective(image, larger, np.multiply(size, 4), borderValue=int(image[0, 0]))
    view = cv2.GaussianBlur(cv2.resize(view, size, interpolation=cv2.INTER_AREA), (0, 0), 0.6)
    return np.clip(view * 0.6 + 40 + random.normal(0, 2, view.shape), 0, 255).astype(np.uint8)


def distance(registration, truth):
    points = geometry.grid(COLOUR, 5)
    apart = registration.map_points(points, COLOUR, THERMAL) - geometry.transform_points(truth, points)
    return np.linalg.norm(apart, axis=1).mean()


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("pattern", SIZES)
def test_views_of_a_pattern_make_a_homography(pattern, inverted):
    outcome = register_pattern(
        views(pattern, 3, inverted, baseline=False), CalibrationSettings(pattern=pattern, size=SIZES[pattern])
    )
    truth = LENSES[1] @ ROTATION @ np.linalg.inv(LENSES[0])
    assert distance(outcome.registration, truth) < 0.5 and outcome.error < 0.5
    assert f" views of a {pattern} pattern" in outcome.basis


def test_one_view_tells_where_the_pattern_is_as_far_as_its_points_tell():
    outcome = register_pattern(
        views("checkerboard", 1), CalibrationSettings(pattern="checkerboard", size=SIZES["checkerboard"])
    )
    assert "1 views of a checkerboard" in outcome.basis and 0 < outcome.error < 3


@pytest.mark.parametrize("far", [1.0, 20.0])
def test_a_pattern_of_known_size_calibrates_lenses_and_pose(far):
    settings = CalibrationSettings(pattern="circles", size=SIZES["circles"], square=SQUARE, distance=far)
    outcome = register_pattern(views("circles", 9), settings)
    assert outcome.settings["type"] == "calibrated"
    np.testing.assert_allclose(outcome.settings["translation"], TRANSLATION, atol=0.005)
    np.testing.assert_allclose(outcome.settings["thermal_intrinsics"][:2], 330, rtol=0.02)
    plane = ROTATION + np.outer(TRANSLATION, [0, 0, 1]) / far
    assert distance(outcome.registration, LENSES[1] @ plane @ np.linalg.inv(LENSES[0])) < 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": (8, 5)}, r"no frame shows the circles pattern of 8 x 5 .* 0 in the colour image, 0 in the thermal"),
        ({"pattern": "charuco"}, "no frame shows the charuco pattern of 7 x 5"),
        ({"square": SQUARE}, r"1 frames show .*: lenses need 6 and more"),
        ({"max_error": 1e-4}, r"more than the 0.0001 that are allowed"),
        ({"pattern": "charuco", "dictionary": "4X5"}, "no dictionary of markers '4X5'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(change, said):
    settings = {"pattern": "circles", "size": SIZES["circles"], **change}
    with pytest.raises(ValueError, match=said):
        register_pattern(views("circles", 1), CalibrationSettings(**settings))


def test_a_lens_that_bends_is_refused():
    bent = []
    for pair in views("circles", 9):
        lens = geometry.index_matrix(LENSES[0])
        x, y = np.meshgrid(np.arange(COLOUR[0], dtype=np.float32), np.arange(COLOUR[1], dtype=np.float32))
        points = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
        straight = cv2.undistortPoints(points, lens, np.array([-0.6, 0.3, 0, 0, 0]), None, None, lens)
        at = straight.reshape(*x.shape, 2).astype(np.float32)
        bent.append(pair._replace(colour=cv2.remap(pair.colour, at, None, cv2.INTER_LINEAR, borderValue=190)))
    settings = CalibrationSettings(pattern="circles", size=SIZES["circles"], square=SQUARE)
    with pytest.raises(ValueError, match="the colour camera's lens bends straight lines"):
        register_pattern(bent, settings)
