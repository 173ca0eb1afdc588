"""Boxes keep their part in the image; more is shown by the examples of `geometry`, which run as doctests."""

import numpy as np
import pytest

from ckd_ros.geometry import CropWindow, crop_window, keep_inside, transform_box, visible_part

BOXES = [[300.0, 200.0, 40.0, 10.0], [3.3, -7.25, 12.5, 61.0], [50.0, 60.0, 24.0, 24.0]]


@pytest.mark.parametrize("box", BOXES)
def test_a_stretched_window_has_the_boxs_shape_and_the_box_fills_a_square_in_its_crop(box):
    window, size = crop_window(box, 4.0, stretched=True), 224
    assert (window.width, window.height) == (np.ceil(4 * box[2]), np.ceil(4 * box[3]))
    x, y, w, h = transform_box(window.matrix(size), box)
    assert np.allclose([w, h], size / 4, rtol=0.03)  # windows are of whole pixels
    assert np.allclose([x + w / 2, y + h / 2], size / 2, atol=0.5 * size / min(window.width, window.height))


def test_of_a_square_box_the_stretched_window_is_the_square_one():
    assert crop_window(BOXES[2], 1.4, stretched=True) == crop_window(BOXES[2], 1.4)


@pytest.mark.parametrize("box", [[5.0, 5.0, 0.0, 10.0], [5.0, 5.0, 10.0, -1.0]])
@pytest.mark.parametrize("stretched", [True, False])
def test_a_box_without_area_has_no_window(box, stretched):
    with pytest.raises(ValueError, match="has no area"):
        crop_window(box, 4.0, stretched)


@pytest.mark.parametrize("box", BOXES)
def test_fractions_and_the_matrix_of_a_stretched_window_are_one_map_and_go_back(box):
    window = CropWindow(-7.0, 12.0, 200.0, 50.0)
    fraction = window.to_fraction(box)
    assert np.allclose(transform_box(window.matrix(64), box), 64 * fraction)
    assert np.allclose(window.from_fraction(fraction), box)
    assert window.side == 100.0


def test_a_box_is_shifted_back_until_the_margin_is_inside():
    assert np.allclose(keep_inside(np.array([-100.0, 500.0, 40, 30]), (640, 480), 10), [-30, 470, 40, 30])
    assert np.allclose(keep_inside(np.array([-100.0, 100.0, 6, 4]), (640, 480), 10), [0, 100, 6, 4])


def test_the_visible_part_is_clipped_but_a_small_target_stays_small():
    assert np.allclose(visible_part(np.array([-20.0, 470.0, 40, 30]), (640, 480), 10), [0, 470, 20, 10])
    assert np.allclose(visible_part(np.array([300.0, 200.0, 5, 4]), (640, 480), 10), [300, 200, 5, 4])
