"""A registration found in what a scene shows, and refused where the scene cannot tell."""

import cv2
import numpy as np
import pytest
from real_like import pair_of, scene

from ckd_ros import geometry
from ckd_ros.calibration.images import GreyPair
from ckd_ros.calibration.scene import register_scene

COLOUR, THERMAL = (480, 360), (320, 256)


def distance(matrix, truth):
    """How far apart two matrices put points of the colour image, thermal pixels, mean."""
    points = geometry.grid(COLOUR, 5)
    apart = geometry.transform_points(matrix, points) - geometry.transform_points(truth, points)
    return np.linalg.norm(apart, axis=1).mean()


@pytest.mark.parametrize(("scale", "turn"), [(1.0, 2.0), (1.5, -3.0), (0.75, 0.5)])
def test_a_narrow_or_wide_thermal_camera_is_registered(scale, turn):
    truth = similar(scale, turn)
    outcome = register_scene([pair_of(scene(seed), truth, COLOUR, THERMAL, seed) for seed in range(2)], max_error=3.0)
    assert outcome.settings["rgb_size"] == COLOUR and outcome.settings["thermal_size"] == THERMAL
    assert distance(outcome.registration.matrix(COLOUR, THERMAL), truth) < 1.0 and outcome.error < 1.0


def test_perspective_is_found():
    truth = similar(1.05, 1.0)
    truth[2, :2] = 0.05 / 240, -0.03 / 180
    outcome = register_scene([pair_of(scene(3), truth, COLOUR, THERMAL)], max_error=3.0)
    assert distance(outcome.registration.matrix(COLOUR, THERMAL), truth) < 1.0


def test_what_sees_little_of_the_colour_image_says_so():
    outcome = register_scene([pair_of(scene(4), similar(1.8, 0.0), COLOUR, THERMAL)], max_error=3.0)
    assert 0.1 < outcome.registration.min_overlap < 0.3


@pytest.mark.parametrize(
    "colour, thermal",
    [
        (np.full((360, 480), 90, np.uint8), np.full((256, 320), 90, np.uint8)),
        (np.random.default_rng(0).integers(0, 255, (360, 480), np.uint8), cv2.resize(scene(5), THERMAL)),
        (cv2.resize(scene(6), COLOUR), cv2.resize(scene(7), THERMAL)),
    ],
    ids=["nothing", "noise", "two scenes"],
)
def test_what_cannot_tell_is_refused(colour, thermal):
    with pytest.raises(ValueError, match=r"the scene cannot tell: .*; record a scene"):
        register_scene([GreyPair(colour, thermal)], max_error=3.0)


def test_a_scene_that_tells_less_than_is_asked_for_is_refused():
    pair = pair_of(scene(8), similar(1.0, 1.0), COLOUR, THERMAL)
    with pytest.raises(ValueError, match=r"more than the 0.001 that are allowed"):
        register_scene([pair], max_error=0.001)


@pytest.mark.parametrize(("side", "said"), [("bottom", "at the bottom"), ("right", "right, where least is known")])
def test_what_follows_from_edges_elsewhere_only_is_refused_and_says_where(side, said):
    pair = pair_of(scene(9), similar(1.0, 1.0), COLOUR, THERMAL)
    other = pair_of(scene(10), similar(1.0, 1.0), COLOUR, THERMAL, 1).thermal
    thermal = pair.thermal.copy()
    part = np.s_[75:] if side == "bottom" else np.s_[:, 95:]
    thermal[part] = other[part]
    with pytest.raises(ValueError, match=rf"an error of .* is to be expected over the whole image.*{said}"):
        register_scene([pair._replace(thermal=thermal)], max_error=1.5)
    assert register_scene([pair], max_error=1.5).error < 1


def similar(scale, turn):
    """3x3 from colour to thermal pixels: scaled against the same view, turned by degrees, a little off the middle."""
    angle, factor = np.radians(turn), scale * THERMAL[0] / COLOUR[0]
    turned = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turned
    matrix[:2, 2] = np.divide(THERMAL, 2) + [9, -6] - turned @ np.divide(COLOUR, 2)
    return matrix
