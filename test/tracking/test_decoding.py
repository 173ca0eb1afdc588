"""The network's maps become a box in the image as the method says."""

import numpy as np
import pytest

from ckd_ros.geometry import CropWindow
from ckd_ros.tracking.decoding import decode, hann_window, peaks
from ckd_ros.tracking.engine.spec import Maps

WINDOW = CropWindow(100.0, 40.0, 160.0, 160.0)


def maps(peaks: dict[tuple[int, int], float]):
    """Score, size and offset maps with the given scores at (row, column) cells."""
    score = np.full((16, 16), 0.01, np.float32)
    for cell, value in peaks.items():
        score[cell] = value
    size, offset = np.zeros((2, 16, 16), np.float32), np.zeros((2, 16, 16), np.float32)
    size[0], size[1], offset[0], offset[1] = 0.25, 0.125, 0.5, 0.25
    return score, size, offset


def test_the_best_cell_gives_the_box():
    found = decode(*maps({(3, 12): 0.8}), WINDOW)
    centre = np.array([100 + 160 * 12.5 / 16, 40 + 160 * 3.25 / 16])
    assert np.allclose(found.box, [*(centre - [20, 10]), 40, 20])
    assert found.score == pytest.approx(0.8)


def test_the_neighbours_of_the_best_cell_have_their_say():
    score, size, offset = maps({(3, 12): 0.8, (3, 13): 0.4})
    score[score < 0.1] = 0.0
    size[0, 3, 13], offset[0, 3, 13] = 0.28, -0.4  # a box that overlaps the best cell's by 0.83
    found = decode(score, size, offset, WINDOW)
    x = 100 + 160 * ((2 * 12.5 + 12.6) / 3) / 16
    assert found.box[0] + found.box[2] / 2 == pytest.approx(x)
    assert found.box[2] == pytest.approx(160 * (0.25 * 2 + 0.28) / 3)
    assert found.score == pytest.approx(0.8)


@pytest.mark.parametrize(("row", "column"), [(3, 12), (0, 15), (15, 0)], ids=["middle", "top right", "bottom left"])
def test_neighbours_that_have_another_object_in_mind_do_not_count(row, column):
    """Every neighbour is nearly as sure as the best cell, of a box of the same size half its width aside."""
    score, size, offset = maps({})
    rows, columns = (slice(max(0, k - 1), k + 2) for k in (row, column))
    score[rows, columns], score[row, column] = 0.7, 0.8
    index = np.arange(16)
    offset[0], offset[1] = column + 2.5 - index, row + 0.25 - index[:, None]  # all at one place, two cells to the right
    offset[0, row, column] = 0.5
    found = decode(score, size, offset, WINDOW)
    centre = np.array([100 + 160 * (column + 0.5) / 16, 40 + 160 * (row + 0.25) / 16])
    assert np.allclose(found.box, [*(centre - [20, 10]), 40, 20], atol=1e-4)


def test_a_box_in_a_stretched_window_has_the_windows_shape():
    found = decode(*maps({(3, 12): 0.8}), CropWindow(100.0, 40.0, 320.0, 80.0))
    centre = np.array([100 + 320 * 12.5 / 16, 40 + 80 * 3.25 / 16])
    assert np.allclose(found.box, [*(centre - [40, 5]), 80, 10])


def test_a_target_at_the_edge_of_the_window_is_found():
    found = decode(*maps({(0, 15): 0.8}), WINDOW)
    assert np.allclose(found.box[:2] + found.box[2:] / 2, [100 + 160 * 15.5 / 16, 40 + 160 * 0.25 / 16], atol=1.0)


def test_hann_is_the_methods():
    k = np.arange(1, 17)
    assert np.allclose(
        hann_window(16)[:, 7], 0.5 * (1 - np.cos(2 * np.pi * k / 17)) * 0.5 * (1 - np.cos(2 * np.pi * 8 / 17))
    )
    assert np.allclose(hann_window(16), hann_window(16).T) and np.allclose(hann_window(16), hann_window(16)[::-1])


def test_the_prior_chooses_the_cell_but_does_not_lower_its_confidence():
    both = maps({(8, 8): 0.6, (0, 0): 0.9})
    assert decode(*both, WINDOW).score == pytest.approx(0.9)
    found = decode(*both, WINDOW, hann_window(16))
    assert found.score == pytest.approx(0.6) and found.box[0] > 150


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_maps_that_are_not_numbers_give_nothing(broken):
    given = maps({(5, 5): 0.9})
    given[broken][:] = np.nan
    assert decode(*given, WINDOW) is None


def test_peaks_are_one_of_each_object_the_highest_first():
    score, size, offset = maps({(3, 4): 0.5, (3, 5): 0.8, (3, 7): 0.4, (12, 10): 0.9, (14, 2): 0.2})
    found = peaks(Maps(score, size, offset), WINDOW, 0.3)
    assert len(found) == 2, "(3, 7) overlaps (3, 5) by .3 and more"
    for (row, column), box in zip([(12, 10), (3, 5)], found, strict=True):
        centre = [100 + 160 * (column + 0.5) / 16, 40 + 160 * (row + 0.25) / 16]
        np.testing.assert_allclose(box, [centre[0] - 20, centre[1] - 10, 40, 20])
    assert peaks(Maps(score, size, offset), WINDOW, 0.95).shape == (0, 4)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -0.2])
def test_a_cell_without_a_usable_box_is_no_peak(broken):
    score, size, offset = maps({(3, 4): 0.9, (12, 10): 0.8})
    size[0, 3, 4] = broken
    (box,) = peaks(Maps(score, size, offset), WINDOW, 0.3)
    np.testing.assert_allclose(box[2:], [40, 20])
