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


def walking(step: float, frames: int = 12) -> Whereabouts:
    """A target that was seen for certain in so many frames, each so far from where it was expected."""
    whereabouts = unseen(0)
    for _ in range(frames):
        whereabouts.note_step(step)
    return whereabouts


def test_a_target_in_plain_view_does_not_leap_farther_than_by_a_few_of_its_usual_steps():
    assert walking(0.04).plausibility(0.45) == 1.0 > 0.1 > walking(0.04).plausibility(1.0)
    assert walking(0.3).plausibility(1.5) == 1.0
    assert walking(0.04, frames=5).plausibility(1.0) == 1.0, "not known yet"
    after_gap = walking(0.04)
    after_gap.after_gap = True
    assert after_gap.plausibility(1.0) == 1.0


def test_the_limit_is_where_a_find_counts_half():
    for whereabouts in (unseen(5), unseen(60)):
        assert np.isclose(whereabouts.plausibility(whereabouts.limit), 0.5)
    assert unseen(90).limit == walking(0.04, frames=0).limit == np.inf


def test_times_that_add_up_to_nearly_ninety_frames_are_none_to_calculate_with():
    for missing in (1e-12, 1e-6, 1e-3):
        whereabouts = unseen(89)
        whereabouts.not_seen(1 - missing)
        assert whereabouts.limit == np.inf and 0.9 < whereabouts.plausibility(100.0) <= 1.0
