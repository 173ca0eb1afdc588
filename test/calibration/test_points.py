"""A registration from pixels that a person found in both images."""

import numpy as np
import pytest

from ckd_ros import geometry
from ckd_ros.calibration.points import read_points, register_points

SIZES = ((640, 480), (320, 256))
TRUTH = np.array([[0.5, 0.02, 6.0], [-0.01, 0.52, -3.0], [2e-5, 1e-5, 1.0]])
COLOUR = geometry.grid((560, 400), 3) + [30, 40]
THERMAL = geometry.transform_points(TRUTH, COLOUR)


def distance(outcome):
    matrix = outcome.registration.matrix(*SIZES)
    points = geometry.grid(SIZES[0], 5)
    apart = geometry.transform_points(matrix, points) - geometry.transform_points(TRUTH, points)
    return np.linalg.norm(apart, axis=1).max()


def test_points_are_read_with_comments_and_either_divider(tmp_path):
    file = tmp_path / "points.txt"
    file.write_text("# colour, thermal\n10,20, 5.5,9\n\n30 40 15 19  # a lamp\n1;2;3;4\n5, 6, 7, 8\n")
    colour, thermal = read_points(file)
    assert colour.tolist() == [[10, 20], [30, 40], [1, 2], [5, 6]] and thermal[0].tolist() == [5.5, 9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3,4\n1,2,3\n", r"line 2 is '1,2,3': expected four numbers"),
        ("1,2,3,four\n", r"line 1 is '1,2,3,four': expected four numbers"),
        ("1,2,3,4\n" * 3, r"has 3 points: a homography needs 4"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, said):
    (tmp_path / "points.txt").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_points(tmp_path / "points.txt")


def test_four_points_are_taken_as_they_are():
    four = [0, 2, 6, 8]
    outcome = register_points(COLOUR[four], THERMAL[four], SIZES, max_error=3.0)
    assert distance(outcome) < 1e-3 and outcome.summary == "homography from 4 points, which nothing checks"


def test_a_point_that_is_wrong_is_left_out_and_the_expected_error_is_that_of_the_rest():
    random = np.random.default_rng(0)
    thermal = THERMAL + random.normal(0, 0.4, THERMAL.shape)
    thermal[4] += [25, -10]
    outcome = register_points(COLOUR, thermal, SIZES, max_error=3.0)
    assert outcome.basis == "8 of 9 points that agree"
    assert distance(outcome) < 3 and 0.2 < outcome.error < 2


@pytest.mark.parametrize(
    ("colour", "thermal", "said"),
    [
        (COLOUR + [300, 0], THERMAL, r"point 3 is at \(890, 40\), outside of the colour image of 640 x 480"),
        (COLOUR * [1, 0] + [0, 5], THERMAL * [1, 0] + [0, 5], "determine no homography"),
        (COLOUR, THERMAL[np.random.default_rng(1).permutation(9)], "do not tell|contradict"),
        (COLOUR[:6] / 20, THERMAL[:6] / 20 + np.random.default_rng(2).normal(5, 0.5, (6, 2)), "do not tell enough"),
    ],
    ids=["outside", "on a line", "mixed up", "in a corner"],
)
def test_points_that_cannot_be_right_or_tell_too_little_are_refused(colour, thermal, said):
    with pytest.raises(ValueError, match=said):
        register_points(colour, thermal, SIZES, max_error=3.0)
