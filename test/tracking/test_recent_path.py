"""How far the target moves while an image grows old."""

import numpy as np
import pytest

from ckd_ros.frames import Timing
from ckd_ros.tracking.recent_path import RecentPath

PERIOD = 33_000_000


def path_of(velocity, count=20, noise=0.0, start=10**18):
    """A target at a constant velocity, pixels a second, found at the pace of a camera."""
    rng, path = np.random.default_rng(0), RecentPath()
    for i in range(count):
        path.note(Timing(start + i * PERIOD), np.array(velocity) * i * PERIOD / 1e9 + rng.normal(0, noise, 2))
    return path


@pytest.mark.parametrize("age", [0.1, -0.04])
def test_a_steady_motion_goes_on(age):
    np.testing.assert_allclose(path_of((60.0, -30.0)).moved(age), np.multiply((60.0, -30.0), age))


def test_what_a_box_is_off_by_is_no_motion():
    off = np.hypot(*path_of((0.0, 0.0), noise=3.0).moved(0.066))
    assert off < 2.0


def test_the_motion_is_not_known_at_first():
    path = path_of((60.0, 0.0), count=4)
    assert not path.moved(0.1).any() and not path.knows(0.1)
    assert path.knows(0.015), "an image of nearly the same moment needs no motion"
    assert path_of((60.0, 0.0), count=5).knows(0.1)


@pytest.mark.parametrize("timing", [None, Timing(5)])
def test_without_a_clock_or_once_it_was_set_back_the_past_says_nothing(timing):
    path = path_of((60.0, 0.0))
    path.note(timing, np.zeros(2))
    assert not path.knows(0.1)


def test_a_gap_is_more_time_than_usual():
    path, last = path_of((60.0, 0.0)), 10**18 + 19 * PERIOD
    assert path.has_gap(Timing(last + 3 * PERIOD)) and not path.has_gap(Timing(last + PERIOD))
    assert not path.has_gap(None) and not path_of((60.0, 0.0), count=3).has_gap(Timing(last))
