"""Where a registration follows from edges that both cameras see, and where only from those elsewhere."""

import numpy as np
from real_like import pair_of, scene

from ckd_ros import geometry
from ckd_ros.calibration.support import unsupported_errors

SIZE = (320, 240)
POINTS = geometry.grid(SIZE, 9)
MATRIX = geometry.translation(4.0, -3.0)


def errors(pair, matrix=MATRIX, points=POINTS):
    return unsupported_errors([pair], matrix, points)


def test_the_errors_grow_away_from_the_edges_that_both_see():
    pair = pair_of(scene(0), MATRIX, SIZE, SIZE)
    everywhere = errors(pair)
    thermal = pair.thermal.copy()
    thermal[110:] = 128
    above = errors(pair._replace(thermal=thermal))
    top, bottom = POINTS[:, 1] < 80, POINTS[:, 1] == SIZE[1]
    assert everywhere.max() < 2 and np.median(above[top]) < 1
    assert above[bottom].min() > 2.5 * everywhere[bottom].max()
    rows = above.reshape(9, 9).mean(axis=1)
    assert (np.diff(rows[3:]) > 0).all()


def test_edges_that_lie_elsewhere_support_nothing():
    pair = pair_of(scene(1), MATRIX, SIZE, SIZE)
    shifted = errors(pair, geometry.translation(9.0, 0.0) @ MATRIX)
    blank = errors(pair._replace(thermal=np.full_like(pair.thermal, 90)))
    np.testing.assert_allclose(blank, errors(pair._replace(colour=np.full_like(pair.colour, 90))))
    assert shifted.mean() > 0.5 * blank.mean() > 5


def test_they_are_in_thermal_pixels_whatever_the_resolution():
    pair = pair_of(scene(2), MATRIX, SIZE, SIZE)
    double = pair._replace(thermal=np.kron(pair.thermal, np.ones((2, 2), np.uint8)))
    np.testing.assert_allclose(errors(double, geometry.scaling(2, 2) @ MATRIX), 2 * errors(pair), rtol=0.2)
