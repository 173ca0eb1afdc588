"""Registration maps a pixel of the colour image to the thermal pixel that shows the same thing."""

import numpy as np
import pytest

from ckd_ros.geometry import transform_points
from ckd_ros.tracking import Registration

RGB, THERMAL = (1280, 960), (640, 480)
POINTS = np.array([[0.0, 0.0], [640.0, 480.0], [1280.0, 960.0], [100.0, 700.0]])
CALIBRATION = {
    "type": "calibrated",
    "rgb_intrinsics": [900.0, 905.0, 630.0, 470.0],
    "thermal_intrinsics": [520.0, 0.0, 310.0, 0.0, 522.0, 245.0, 0.0, 0.0, 1.0],
    "rotation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    "translation": [0.12, -0.03, 0.01],
    "distance": 8.0,
}


def mapped(config, points=POINTS, rgb=RGB, thermal=THERMAL):
    return transform_points(Registration.from_config(config).matrix(rgb, thermal), points)


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation matrix of small angles about the three axes, radians."""
    cx, cy, cz, sx, sy, sz = np.cos(x), np.cos(y), np.cos(z), np.sin(x), np.sin(y), np.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def test_none_takes_the_same_field_of_view():
    assert np.allclose(mapped({}), POINTS / 2)
    assert np.allclose(mapped({"type": "none"}, thermal=(160, 480)), POINTS * [0.125, 0.5])


def test_offset_is_in_thermal_pixels_after_scaling():
    assert np.allclose(mapped({"type": "offset", "offset": [5.0, -3.0]}), POINTS / 2 + [5.0, -3.0])


def test_affine_and_homography_are_taken_as_they_are():
    rows = [0.5, 0.01, 3.0, -0.02, 0.48, 7.0]
    affine = np.array(rows).reshape(2, 3)
    assert np.allclose(mapped({"type": "affine", "matrix": rows}), POINTS @ affine[:, :2].T + affine[:, 2])
    homography = [*rows, 1e-5, -2e-5, 1.0]
    h = np.array(homography).reshape(3, 3)
    expected = np.array([(h @ [x, y, 1])[:2] / (h @ [x, y, 1])[2] for x, y in POINTS])
    assert np.allclose(mapped({"type": "homography", "matrix": homography}), expected)


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.02, -0.05, 0.01)])
def test_calibrated_agrees_with_projecting_points_of_the_plane(angles):
    turn, shift, distance = rotation(*angles), np.array([0.12, -0.03, 0.01]), 8.0
    config = {**CALIBRATION, "rotation": turn.ravel().tolist()}
    points = np.column_stack([np.linspace(-4, 4, 9), np.linspace(3, -3, 9), np.full(9, distance)])

    def project(k, p):  # pixel centres on integers, as CameraInfo defines K; + 0.5 for continuous coordinates
        image = p @ np.asarray(k).T
        return image[:, :2] / image[:, 2:] + 0.5

    k_rgb = [[900.0, 0.0, 630.0], [0.0, 905.0, 470.0], [0.0, 0.0, 1.0]]
    k_thermal = np.reshape(CALIBRATION["thermal_intrinsics"], (3, 3))
    assert np.allclose(mapped(config, project(k_rgb, points)), project(k_thermal, points @ turn.T + shift), atol=1e-6)


def test_calibrated_is_off_by_the_parallax_at_another_depth():
    near = mapped({**CALIBRATION, "distance": 4.0, "translation": [0.12, 0.0, 0.0]})
    far = mapped({**CALIBRATION, "distance": 1e9, "translation": [0.12, 0.0, 0.0]})
    assert np.allclose(near - far, [520.0 * 0.12 / 4.0, 0.0], atol=1e-3)


def test_reference_sizes_let_the_numbers_hold_for_another_resolution():
    full = mapped({**CALIBRATION, "rgb_size": RGB, "thermal_size": THERMAL})
    half = mapped({**CALIBRATION, "rgb_size": RGB, "thermal_size": THERMAL}, POINTS / 2, (640, 480), (160, 120))
    assert np.allclose(half, full / 4)


def test_what_a_parameter_file_leaves_empty_counts_as_absent():
    config = {"type": "offset", "offset": [1.0, 2.0], "matrix": [], "rgb_size": [], "distance": 20.0, "rotation": None}
    assert np.allclose(mapped(config), POINTS / 2 + [1, 2])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "magic"}, "type is 'magic'.*none, offset, affine, homography, calibrated"),
        ({"offest": [1, 2]}, "unknown registration setting 'offest'.*offset"),
        ({"type": "offset"}, "needs 'offset'"),
        ({"type": "offset", "offset": [1.0]}, r"offset has 1 number.*\[1\].*expected 2"),
        ({"type": "offset", "offset": [1.0, float("nan")]}, r"offset is \[1, nan\].*finite"),
        ({"type": "offset", "offset": ["a", "b"]}, "offset is .*expected numbers"),
        ({"type": "affine", "matrix": [1.0] * 9}, "matrix has 9 number.*expected 6"),
        ({"type": "affine", "matrix": [1.0, 2.0, 0.0, 2.0, 4.0, 0.0]}, "singular"),
        ({"type": "homography", "matrix": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]}, "matrix has 6 number.*expected 9"),
        ({"type": "homography", "matrix": [0.0] * 9}, "singular"),
        ({**CALIBRATION, "distance": 0.0}, "distance is 0"),
        ({**CALIBRATION, "distance": -3.0}, "distance is -3"),
        ({**CALIBRATION, "distance": float("inf")}, "distance is .*finite"),
        ({**CALIBRATION, "rotation": [1.0] * 9}, "not a rotation matrix"),
        ({**CALIBRATION, "rotation": [1, 0, 0, 0, 1, 0, 0, 0, -1]}, "not a rotation matrix"),
        ({**CALIBRATION, "translation": [0.0, 0.0, -9.0]}, "behind the thermal camera"),
        ({**CALIBRATION, "rgb_intrinsics": [0.0, 900.0, 1.0, 1.0]}, "rgb_intrinsics is .*focal lengths"),
        ({**CALIBRATION, "thermal_intrinsics": [1.0, 2.0]}, "thermal_intrinsics has 2 number.*expected 4 or 9"),
        ({**CALIBRATION, "rgb_size": [0, 10]}, r"rgb_size is \[0, 10\].*positive"),
    ],
)
def test_bad_settings_are_refused_with_the_value_and_the_remedy(config, message):
    with pytest.raises(ValueError, match=message):
        Registration.from_config(config)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("none", {}),
        ("offset:12,-3.5", {"type": "offset", "offset": [12.0, -3.5]}),
        ("affine:0.5,0,4,0,0.5,-6", {"type": "affine", "matrix": [0.5, 0, 4, 0, 0.5, -6]}),
        ("homography:0.5,0,4,0,0.5,-6,0,0,1", {"type": "homography", "matrix": [0.5, 0, 4, 0, 0.5, -6, 0, 0, 1]}),
    ],
)
def test_a_command_line_says_the_same_in_one_word(text, config):
    matrix = Registration.from_text(text).matrix(RGB, THERMAL)
    np.testing.assert_array_equal(matrix, Registration.from_config(config).matrix(RGB, THERMAL))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shift:1,2", "'shift:1,2'.*none, offset:NUMBERS, affine"),
        ("calibrated", "'calibrated'.*homography"),
        ("offset:1", r"offset has 1 number\(s\)"),
        ("offset", "needs 'offset'"),
        ("offset:1,b", "expected numbers after 'offset:'"),
        ("offset:1,nan", "must be finite"),
    ],
)
def test_what_a_command_line_cannot_mean_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Registration.from_text(text)
