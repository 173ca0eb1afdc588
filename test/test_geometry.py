"""Boxes keep their part in the image; more is shown by the examples of `geometry`, which run as doctests."""

import numpy as np

from ckd_ros.geometry import keep_inside, visible_part


def test_a_box_is_shifted_back_until_the_margin_is_inside():
    assert np.allclose(keep_inside(np.array([-100.0, 500.0, 40, 30]), (640, 480), 10), [-30, 470, 40, 30])
    assert np.allclose(keep_inside(np.array([-100.0, 100.0, 6, 4]), (640, 480), 10), [0, 100, 6, 4])


def test_the_visible_part_is_clipped_but_a_small_target_stays_small():
    assert np.allclose(visible_part(np.array([-20.0, 470.0, 40, 30]), (640, 480), 10), [0, 470, 20, 10])
    assert np.allclose(visible_part(np.array([300.0, 200.0, 5, 4]), (640, 480), 10), [300, 200, 5, 4])
