"""A registration is held against the sizes of the images: what cannot be right is found and named."""

import numpy as np
import pytest

from ckd_ros.tracking import Registration
from ckd_ros.tracking.registration_check import check_registration

#: A thermal camera of the same view, a little turned: 320 x 240 colour to 256 x 192 thermal pixels.
TRUE = np.array([[0.78, 0.02, 6.0], [-0.02, 0.8, 5.0], [2e-5, 1e-5, 1.0]])
RGB, THERMAL = (320, 240), (256, 192)
#: A thermal camera that sees the middle 40 % of the colour image each way.
NARROW = [2.0, 0.0, -192.0, 0.0, 2.0, -144.0]
CALIBRATED = {
    "type": "calibrated",
    "rgb_intrinsics": [300.0, 300.0, 160.0, 120.0],
    "thermal_intrinsics": [240.0, 240.0, 128.0, 96.0],
    "rotation": np.eye(3).ravel(),
    "translation": [0.05, 0.0, 0.0],
    "distance": 10.0,
}


def homography(matrix, **more):
    return Registration.from_config({"type": "homography", "matrix": np.ravel(matrix), **more})


def check(registration, rgb=RGB, thermal=THERMAL):
    return check_registration(registration, rgb, thermal)


@pytest.mark.parametrize(
    "registration",
    [
        Registration(),
        Registration.from_text("offset:12,-9"),
        homography(TRUE),
        homography(-TRUE),
        Registration.from_config({"type": "affine", "matrix": NARROW, "min_overlap": 0.1}),
        Registration.from_config({"type": "affine", "matrix": [0.2, 0, 90, 0, 0.2, 70]}),  # a wide thermal camera
        Registration.from_config(CALIBRATED),
        Registration.from_config(
            {**CALIBRATED, "rgb_size": (640, 480), "rgb_intrinsics": [600.0, 600.0, 320.0, 240.0]}
        ),
    ],
)
def test_what_can_be_right_is_not_doubted(registration):
    found = check(registration)
    assert found.usable and not found.problems


def test_an_inverse_homography_is_named_as_such():
    found = check(homography(np.linalg.inv(TRUE)))
    assert not found.usable
    (problem,) = found.problems.values()
    assert "its inverse would fit" in problem and "invert it" in problem
    assert "(320 x 240)" in problem and "(256 x 192)" in problem and "thermal images are not used" in problem


def test_a_thermal_camera_of_narrow_view_has_to_be_stated():
    found = check(Registration.from_config({"type": "affine", "matrix": NARROW}))
    assert not found.usable and "lower min_overlap (now 0.5)" in found.problems["registration"]


def test_a_view_on_the_other_side_of_the_horizon_is_outside():
    # The line x = 200 of the colour image goes to infinity; beyond it everything comes back, mirrored.
    found = check(homography([[0.8, 0, 0], [0, 0.8, 0], [-0.005, 0, 1.0]]))
    assert not found.usable


@pytest.mark.parametrize(
    ("stated", "camera", "sizes"),
    [
        ({"rgb_size": (640, 360)}, "colour", "640 x 360.*320 x 240"),
        ({"thermal_size": (640, 512)}, "thermal", "640 x 512.*256 x 192"),
    ],
)
def test_images_of_another_aspect_than_the_calibration_are_refused(stated, camera, sizes):
    found = check(Registration.from_config({**CALIBRATED, **stated}))
    assert not found.usable
    with pytest.raises(AssertionError, match=f"{camera} images of {sizes}.*aspect"):
        raise AssertionError(found.problems["registration"])


def test_images_of_the_same_aspect_are_the_same_view_scaled():
    stated = Registration.from_config({**CALIBRATED, "rgb_size": RGB, "thermal_size": THERMAL})
    found = check(stated, (1280, 960), (640, 480))
    assert found.usable and not found.problems


def test_the_same_view_needs_the_same_aspect():
    found = check(Registration(), (1280, 720), (640, 512))
    assert found.usable, "it may be right in the middle"
    assert (
        "1280 x 720" in found.problems["registration view"]
        and "different aspects" in found.problems["registration view"]
    )
    assert not check(Registration(), (640, 480), (638, 480)).problems, "a column or two are no other aspect"


def test_numbers_of_a_larger_colour_image_are_noticed():
    full = Registration.from_config({"type": "affine", "matrix": [0.5, 0, 0, 0, 0.5, 0]})  # of 1280 x 960
    found = check(full, (320, 240), (640, 480))
    assert "leaves out its centre" in found.problems["registration view"]
    assert "x 0 to 160 and y 0 to 120 of the thermal image (640 x 480)" in found.problems["registration view"]


@pytest.mark.parametrize("value", [0.0, 1.5, float("nan")])
def test_an_impossible_overlap_is_refused(value):
    with pytest.raises(ValueError, match="min_overlap is"):
        Registration(min_overlap=value)


def test_the_part_that_is_seen_for_sure_maps_inside():
    narrow = Registration.from_config({"type": "affine", "matrix": NARROW, "min_overlap": 0.1})
    left, top, right, bottom = check(narrow).seen
    assert 96 <= left < 130 and 190 < right <= 224 and 72 <= top < 100 and 140 < bottom <= 168
    assert check(narrow).surely_sees(np.array([140.0, 100.0, 30.0, 30.0]))
    assert not check(narrow).surely_sees(np.array([200.0, 100.0, 40.0, 30.0]))
    assert check(homography(np.linalg.inv(TRUE))).seen[0] == np.inf
