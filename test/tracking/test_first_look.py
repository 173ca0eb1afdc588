"""The target is first looked at where it was marked, and then beside it and at other scales."""

import numpy as np
import pytest

from ckd_ros import geometry
from ckd_ros.tracking.decoding import Detection
from ckd_ros.tracking.first_look import FIRST_WINDOWS, NEAR, first_boxes, scale_dependence, sureness

BOX = np.array([100.0, 60.0, 20.0, 40.0])


def test_the_first_window_is_the_targets_own():
    boxes = first_boxes(BOX)
    assert len(boxes) == len(FIRST_WINDOWS) and boxes[0].tolist() == BOX.tolist()


def test_those_near_it_have_its_size_and_reach_no_further_than_it_moves_from_frame_to_frame():
    near = np.array(first_boxes(BOX)[:NEAR])
    assert (near[:, 2:] == BOX[2:]).all()
    assert np.abs((geometry.centre(near) - geometry.centre(BOX)) / BOX[2:]).max() < 0.5


def test_the_others_lie_further_away_or_have_another_size_about_the_same_centre():
    for box in first_boxes(BOX)[NEAR:]:
        shift = np.abs((geometry.centre(box) - geometry.centre(BOX)) / BOX[2:]).max()
        assert shift > 0.5 or np.allclose(shift, 0) and not np.allclose(box[2:], BOX[2:])


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_how_much_a_found_size_follows_the_window_is_told_from_the_windows_of_two_scales(part):
    windows = [box[2:] for box in first_boxes(BOX)]
    assert scale_dependence([BOX[2:] ** (1 - part) * size**part for size in windows]) == pytest.approx(part)


def test_noise_makes_it_no_less_than_none_and_no_more_than_all():
    windows = [box[2:] for box in first_boxes(BOX)]
    assert scale_dependence([1 / size for size in windows]) == 0.0
    assert scale_dependence([size**3 for size in windows]) == 1.0


def test_the_network_is_sure_where_it_finds_what_was_drawn_and_not_something_else():
    as_drawn, beside, half = (Detection(BOX + shift, 0.9) for shift in ([0, 0, 0, 0], [30, 0, 0, 0], [0, 0, 0, -20]))
    np.testing.assert_allclose(sureness([as_drawn, as_drawn, None], BOX), 0.9)
    np.testing.assert_allclose(sureness([half, half, beside], BOX), 0.45)
    assert sureness([beside, beside, as_drawn], BOX) == sureness([None, None, as_drawn], BOX) == 0.0
