"""How well a target's place is known."""

import numpy as np

from ckd_ros.tracking.whereabouts import Whereabouts


def unseen(frames: int, probability: float = 0.95) -> Whereabouts:
    whereabouts = Whereabouts()
    whereabouts.seen(probability)
    for _ in range(frames):
        whereabouts.not_seen()
    return whereabouts


def test_it_grows_from_frame_to_frame_and_shrinks_at_the_next_sight():
    deviations = [unseen(k).deviation for k in range(60)]
    assert (np.diff(deviations) > 0).all() and deviations[0] < 0.1 and 0.8 < deviations[30] < 1.2
    whereabouts = unseen(40)
    whereabouts.seen(0.95)
    assert whereabouts.deviation == deviations[0] and whereabouts.unseen == 0


def test_what_is_doubtful_is_less_exact():
    assert unseen(0, 0.1).deviation > 3 * unseen(0, 0.9).deviation > 0


def test_a_leap_does_not_count_soon_after_and_counts_in_the_end():
    assert unseen(5).plausibility(0.3) == 1.0 == unseen(30).plausibility(1.5)
    assert unseen(5).plausibility(2.0) < 0.2 and unseen(30).plausibility(6.0) < 0.2
    nobody_knows = unseen(5)
    nobody_knows.anywhere = True
    assert nobody_knows.plausibility(9.0) == 1.0
    later = [unseen(k).plausibility(6.0) for k in (10, 30, 60, 80, 90)]
    assert later == sorted(later) and later[-1] == 1.0
