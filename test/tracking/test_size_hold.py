"""The size of a target that the network hardly sees stays near the first one, unless it clearly grows."""

import numpy as np
import pytest

from ckd_ros.tracking.size_hold import SizeHold

FIRST = np.array([20.0, 10.0])


def followed(strength: float, factor: float, dependence: float, frames: int = 300) -> np.ndarray:
    """The size in the end, of a target `factor` times as large as at first, which it has been all the time.

    The network finds `(size so far) ** dependence * (true size) ** (1 - dependence)`, and 5 % too little.
    """
    hold, size = SizeHold(FIRST, strength), FIRST
    for _ in range(frames):
        size = hold.next_size(size, 0.95 * size**dependence * (factor * FIRST) ** (1 - dependence), momentum=0.7)
    return size


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_where_the_size_is_seen_it_is_what_is_found(factor):
    assert np.allclose(followed(0.0, factor, dependence=0.0), 0.95 * factor * FIRST)


def test_errors_that_would_add_up_do_not_where_it_is_not_seen():
    dependence = 0.9
    assert (followed(0.0, 1.0, dependence) < 0.65 * FIRST).all()
    assert (followed(dependence**2, 1.0, dependence) > 0.95 * FIRST).all()


def test_a_target_that_comes_much_closer_is_let_go():
    """Else a box of the first size would go on to be published for a target of four times that."""
    assert (followed(0.25, 4.0, dependence=0.5) > 1.8 * FIRST).all()


def test_each_side_is_held_by_itself():
    hold, size = SizeHold(FIRST, 0.5), FIRST
    for _ in range(100):
        size = hold.next_size(size, size * [1.0, 2.0], momentum=0.7)
    assert size[0] == pytest.approx(FIRST[0]) and size[1] > 10 * FIRST[1]
