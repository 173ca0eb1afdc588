"""Boxes are brought to the thermal image through both lenses, and only where that shows them."""

import cv2
import numpy as np
import pytest

from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import CropWindow, centre, transform_box, transform_points
from ckd_ros.tracking import Registration
from ckd_ros.tracking.pair_geometry import PairGeometry

RGB, THERMAL = (640, 480), (320, 240)
K_RGB, K_THERMAL = np.array([420.0, 425.0, 318.0, 242.0]), np.array([260.0, 258.0, 161.0, 118.0])
TURN, SHIFT, DISTANCE = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0], np.array([0.12, -0.04, 0.02]), 6.0
LENSES = {
    "plumb_bob": ("plumb_bob", [-0.3, 0.09, 0.001, -0.001, 0.0]),
    "rational": ("rational_polynomial", [0.3, -0.05, 0.0, 0.001, 0.01, 0.5, 0.02, 0.0]),
    "equidistant": ("equidistant", [-0.02, 0.003, 0.0, 0.0]),
    "none": ("plumb_bob", []),
}
BOXES = [(300.0, 220.0, 40.0, 30.0), (60.0, 60.0, 50.0, 40.0), (520.0, 380.0, 60.0, 50.0)]


def geometry_of(registration, rgb=RGB, thermal=THERMAL) -> PairGeometry:
    colour = Image(np.zeros((rgb[1], rgb[0], 3), np.uint8), "rgb8")
    return PairGeometry.of(FramePair(colour, Image(np.zeros(thermal[::-1], np.uint16), "mono16")), registration)


def calibrated(rgb_lens: str, thermal_lens: str, **more) -> Registration:
    config = {
        "type": "calibrated",
        "rgb_intrinsics": K_RGB,
        "thermal_intrinsics": K_THERMAL,
        "rotation": TURN.ravel(),
        "translation": SHIFT,
        "distance": DISTANCE,
        "min_overlap": 0.1,
    }
    for stream, name in (("rgb", rgb_lens), ("thermal", thermal_lens)):
        config[f"{stream}_distortion_model"], config[f"{stream}_distortion"] = LENSES[name]
    return Registration.from_config({**config, **more})


def seen(points, lens: str, k) -> np.ndarray:
    """`(N, 2)` continuous pixels at which OpenCV says a camera sees `(N, 3)` points of its own frame."""
    model, distortion = LENSES[lens]
    matrix = np.array([[k[0], 0, k[2]], [0, k[1], k[3]], [0, 0, 1]])
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    pixels, _ = project(points[:, None], np.zeros(3), np.zeros(3), matrix, np.array(distortion or [0.0] * 5))
    return pixels.reshape(-1, 2) + 0.5


@pytest.mark.parametrize(
    ("rgb_lens", "thermal_lens"), [*zip(LENSES, LENSES, strict=True), ("plumb_bob", "equidistant")]
)
def test_points_of_the_plane_are_where_both_cameras_see_them(rgb_lens, thermal_lens):
    points = np.array([[x, y, DISTANCE] for x in (-3.0, -0.5, 2.5) for y in (-2.0, 0.0, 2.2)])
    rgb, thermal = seen(points, rgb_lens, K_RGB), seen(points @ TURN.T + SHIFT, thermal_lens, K_THERMAL)
    assert np.allclose(calibrated(rgb_lens, thermal_lens).map_points(rgb, RGB, THERMAL), thermal, atol=0.02)


@pytest.mark.parametrize("box", BOXES)
def test_the_corners_of_a_box_are_undistorted(box):
    bent = geometry_of(calibrated("plumb_bob", "rational"))
    mapped = bent.thermal_box(np.array(box))
    x, y, w, h = box
    corners = np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]])
    exact = bent.registration.map_points(corners, RGB, THERMAL)
    assert np.allclose(mapped, [*exact.min(axis=0), *np.ptp(exact, axis=0)])
    straight = geometry_of(calibrated("none", "none")).thermal_box(np.array(box))
    off_centre = np.hypot(*(np.array(box[:2]) - [300.0, 220.0])) > 100
    assert (np.abs(mapped - straight).max() > 5) == off_centre, "far from the centre the lenses matter"


@pytest.mark.parametrize("box", BOXES)
def test_a_box_comes_back_from_the_thermal_image(box):
    bent = geometry_of(calibrated("plumb_bob", "equidistant"))
    found = bent.from_thermal(bent.thermal_box(np.array(box)))
    # The box around what is turned and bent is a little larger, and its centre hardly elsewhere.
    assert np.allclose(centre(found), centre(box), atol=0.5)
    assert np.allclose(found[2:], box[2:], rtol=0.04)


def test_a_crop_is_true_where_the_target_is():
    bent = geometry_of(calibrated("plumb_bob", "plumb_bob"))
    around = bent.around(CropWindow(40.0, 40.0, 120.0, 120.0))
    middle = np.array([[100.0, 100.0], [90.0, 110.0], [110.0, 95.0]])
    exact = bent.registration.map_points(middle, RGB, THERMAL)
    assert np.allclose(transform_points(around, middle), exact, atol=0.1)
    assert np.abs(transform_points(bent.rgb_to_thermal, middle) - exact).max() > 0.5, "one matrix for all is worse"


def test_without_lenses_the_matrix_is_one_for_the_whole_image():
    straight = geometry_of(calibrated("none", "none"))
    assert not straight.registration.is_curved
    assert straight.around(CropWindow(40.0, 40.0, 120.0, 120.0)) is straight.rgb_to_thermal


def test_lenses_hold_for_the_stated_size_and_scale_with_the_image():
    stated = calibrated("plumb_bob", "rational", rgb_size=RGB, thermal_size=THERMAL)
    box = np.array(BOXES[1])
    full = geometry_of(stated).thermal_box(box)
    assert np.allclose(geometry_of(stated, (320, 240), (640, 480)).thermal_box(box / 2), full * 2)


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ((150.0, 100.0, 30.0, 30.0), True),
        ((85.0, 100.0, 40.0, 30.0), True),  # 29 of its 40 pixels are seen
        ((70.0, 100.0, 40.0, 30.0), False),  # 14 are
        ((10.0, 100.0, 30.0, 30.0), False),
    ],
)
def test_a_box_is_evidence_where_half_of_it_is_seen(box, shown):
    # The thermal camera sees x 96 to 224 and y 72 to 168 of the colour image.
    narrow = {"type": "affine", "matrix": [2.0, 0, -192.0, 0, 2.0, -144.0], "min_overlap": 0.1}
    geometry = geometry_of(Registration.from_config(narrow), (320, 240), (256, 192))
    box = np.array(box)
    assert geometry.shows(box) == shown
    mapped = geometry.thermal_box(box)
    expected = transform_box(geometry.rgb_to_thermal, box) if shown else np.full(4, np.nan)
    assert np.array_equal(mapped, expected, equal_nan=True)
    assert ("thermal outside" in geometry.problems(box)) == (not shown)


def test_what_lies_outside_the_colour_image_is_not_missed():
    """A target that leaves the colour image leaves the thermal one with it: what is left of it is evidence."""
    assert geometry_of(Registration.from_text("offset:0.5,0")).shows(np.array([-35.0, 100.0, 40.0, 40.0]))


def test_a_box_beyond_the_horizon_is_not_seen():
    folded = {"type": "homography", "matrix": [0.8, 0, 0, 0, 0.8, 0, -0.004, 0, 1.0], "min_overlap": 0.01}
    geometry = geometry_of(Registration.from_config(folded), (320, 240), (256, 192))
    assert geometry.shows(np.array([20.0, 20.0, 20.0, 20.0]))
    assert not geometry.shows(np.array([240.0, 20.0, 40.0, 20.0])), "the line x = 250 goes to infinity"
