"""Whether a target that is in plain view is found again in time."""

import numpy as np
import pytest
from finding import finds_within

GONE = np.nan


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ([0.8] * 9, (0, 0)),  # never lost
        ([0.8, GONE, GONE, 0.7, 0.8], (1, 1)),  # followed at once when it is back
        ([0.8, GONE, GONE, 0.0, 0.0, 0.7], (1, 1)),  # found two frames later
        ([0.8, GONE, GONE, 0.0, 0.0, 0.0, 0.7], (0, 1)),  # three frames are too many
        ([0.8, GONE, 0.8, 0.8], (0, 0)),  # hidden for less than the time allowed, and followed: never lost
        ([0.8, GONE, 0.0, 0.8], (1, 1)),  # hidden as shortly, but lost by it
        ([0.8, 0.0, 0.2, 0.4], (1, 1)),  # lost in plain view
        ([0.8, 0.0, 0.2, 0.2, 0.0, 0.2], (0, 1)),  # lost once, although the box touches it again
        ([0.8, 0.0, 0.8, 0.0, 0.8], (2, 2)),  # lost twice
        ([0.8, 0.0, GONE, 0.0, 0.9], (1, 1)),  # hidden time does not count
        ([0.8, 0.0], (0, 0)),  # it ends before that is decided
        ([0.8, 0.0, GONE, GONE, 0.5], (1, 1)),  # away before that is decided: the return is the case
        ([GONE, GONE, 0.0, 0.0, 0.0, 0.0], (0, 0)),  # not seen before
    ],
)
def test_cases_and_finds_within_two_frames(overlap, expected):
    assert finds_within(np.array(overlap), frames=2) == expected
