"""TRACKING, UNCERTAIN and LOST follow the confidence with hysteresis."""

import pytest

from ckd_ros.tracking import ConfidenceConfig, TrackState
from ckd_ros.tracking.confidence import ConfidenceMonitor

T, U, L = TrackState.TRACKING, TrackState.UNCERTAIN, TrackState.LOST
CONFIG = ConfidenceConfig(
    uncertain_below=0.4,
    uncertain_after=2,
    tracking_above=0.5,
    tracking_after=3,
    lost_below=0.2,
    lost_after=4,
    reacquire_above=0.6,
    reacquire_after=2,
)


def states(*confidences: float, start: TrackState = T) -> list[TrackState]:
    monitor = ConfidenceMonitor(CONFIG)
    monitor.state = start
    return [monitor.update(c) for c in confidences]


def test_states_have_the_numbers_of_the_message():
    assert [int(s) for s in (TrackState.IDLE, T, U, L)] == [0, 1, 2, 3]


def test_one_weak_frame_is_forgiven_and_two_are_not():
    assert states(0.9, 0.1, 0.9, 0.1, 0.1) == [T, T, T, T, U]


def test_weak_frames_must_be_consecutive():
    assert states(*[0.39, 0.41] * 5) == [T] * 10


def test_doubt_ends_only_well_above_where_it_began():
    assert states(*[0.45] * 10, start=U) == [U] * 10
    assert states(0.5, 0.5, 0.49, 0.5, 0.5, 0.5, start=U) == [U, U, U, U, U, T]


def test_after_a_recovery_every_count_starts_anew():
    assert states(0.1, 0.1, 0.5, 0.5, 0.5, 0.1, 0.1) == [T, U, U, U, T, T, U]


def test_doubt_turns_into_loss_after_enough_bad_frames():
    assert states(0.1, 0.1, 0.1, 0.25, 0.1, 0.1, 0.1, 0.1, start=U) == [U] * 7 + [L]


def test_a_lost_target_is_found_again_after_enough_good_frames():
    assert states(0.59, 0.6, 0.5, 0.6, 0.7, start=L) == [L, L, L, L, T]


def test_tracking_is_never_lost_without_doubt_first():
    assert states(*[0.0] * 7) == [T, U, U, U, U, L, L]


def test_another_detection_starts_the_count_anew():
    monitor = ConfidenceMonitor(CONFIG)
    monitor.state = L
    monitor.update(0.9)
    monitor.restart_count()
    assert monitor.update(0.9) is L and monitor.update(0.9) is T


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lost_below": 0.45}, "lost_below 0.45.*out of order"),
        ({"tracking_above": 0.3}, "tracking_above 0.3.*out of order"),
        ({"uncertain_below": 1.5}, "uncertain_below is 1.5: it must be a number from 0 to 1"),
        ({"lost_after": 0}, "lost_after is 0.*whole number from 1"),
        ({"lost_after": 2.5}, "lost_after is 2.5.*whole number"),
        ({"lost_after": "ten"}, "lost_after is 'ten'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ConfidenceConfig(**settings)
