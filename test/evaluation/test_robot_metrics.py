"""What a robot wants to know of a tracker, on sequences short enough to be worked out by hand."""

import numpy as np
import pytest

from ckd_ros.evaluation.robot_metrics import FrameMeasures, newest_answers_simulated, robot_scores
from ckd_ros.evaluation.scores import RobotScores

GONE = np.nan


def measures(*overlap, rate=1.0, distance=None, **more) -> FrameMeasures:
    overlap = np.array(overlap, float)
    return FrameMeasures(
        rate, overlap, np.zeros(len(overlap)) if distance is None else np.array(distance, float), **more
    )


def test_the_longest_run_is_without_a_miss_and_skips_time_out_of_sight():
    assert robot_scores([measures(1, 0.1, 0, 0.5, GONE, GONE, 0.5, 0.5, rate=2.0)]).longest_run_s == 1.5
    assert robot_scores([measures(0, 0)]).longest_run_s == 0


def test_a_failure_is_a_miss_after_a_hit_and_not_one_after_the_targets_return():
    lost_twice = measures(1, 0, 0, 0.2, 0, GONE, 0, 0.4, rate=10.0)
    scores = robot_scores([lost_twice])
    assert scores.failures == 2
    assert scores.failures_per_minute == pytest.approx(2 / (7 / 10 / 60))  # the target was seen for 0.7 s
    assert robot_scores([measures(1, 1, 0.01)]).failures == 0
    assert robot_scores([measures(0, 0, 0)]).failures == 0  # it never had it


def test_reacquisition_runs_from_the_targets_return_to_the_first_overlap_of_a_third():
    scores = robot_scores([measures(1, GONE, 0, 0.29, 0.3, 1, GONE, GONE, 0.5, rate=4.0)])
    assert (scores.returns, scores.missed_returns) == (2, 0)
    assert scores.reacquired_s == pytest.approx((2 / 4 + 0) / 2)


def test_a_return_is_missed_when_the_target_goes_again_before_it_is_found():
    scores = robot_scores([measures(1, GONE, 0, 0.1, GONE, 0, GONE, 1, 1)])
    assert (scores.returns, scores.missed_returns, scores.reacquired_s) == (3, 2, 0)
    assert robot_scores([measures(1, GONE, 0, 0)]).reacquired_s is None


def test_the_first_sight_of_a_target_is_no_return():
    scores = robot_scores([measures(GONE, GONE, 0, 1)])
    assert (scores.returns, scores.missed_returns, scores.reacquired_s) == (0, 0, None)


def test_drift_is_the_slope_of_the_distance_while_the_box_touches_the_target():
    # 0.01 target sides a frame at 10 Hz are 6 a minute; the lost frames are far off and do not count.
    distance = 0.2 + 0.01 * np.arange(60)
    distance[20:30] = 50
    overlap = np.full(60, 0.5)
    overlap[20:30], overlap[40:45] = 0, GONE
    assert robot_scores([measures(*overlap, rate=10.0, distance=distance)]).drift_per_minute == pytest.approx(6)
    assert robot_scores([measures(0.5, 0, 0)]).drift_per_minute is None
    assert robot_scores([measures(0.5, 0.5, distance=[0, np.inf])]).drift_per_minute is None


def test_one_drift_over_several_sequences_each_with_its_own_level():
    near = measures(*np.full(30, 0.5), rate=10.0, distance=0.1 + 0.01 * np.arange(30))
    far = measures(*np.full(30, 0.5), rate=10.0, distance=0.9 + 0.01 * np.arange(30))
    assert robot_scores([near, far]).drift_per_minute == pytest.approx(6)


def test_over_several_sequences_counts_are_added_and_rates_are_over_all_the_time():
    scores = robot_scores(
        [
            measures(1, 0, GONE, 1, streamed=np.array([1, 0, GONE, 0.5]), processed=2, offered=4),
            measures(1, 1, 1, streamed=np.array([1, 1, 1.0]), processed=3, offered=3),
            measures(1, GONE, 0, 0, 1),
        ]
    )
    assert (scores.failures, scores.returns, scores.missed_returns) == (1, 2, 0)
    assert scores.failures_per_minute == pytest.approx(1 / (10 / 60))
    assert scores.longest_run_s == 1  # of 1, 3 and 1
    assert scores.reacquired_s == 1  # of 0 and 2
    assert scores.streaming == pytest.approx((0.5 + 1) / 2)
    assert scores.processed == pytest.approx(5 / 7)


def test_nothing_is_said_of_what_was_not_seen():
    assert robot_scores([]) == RobotScores()
    assert robot_scores([measures(GONE, GONE)]) == RobotScores()
    scores = robot_scores([measures(1, 1)])
    assert scores.streaming is None
    assert scores.processed is None


# -- streaming ---------------------------------------------------------------------------------------------------------


def test_a_tracker_that_keeps_pace_is_one_frame_behind():
    at_hand, taken = newest_answers_simulated(np.full(5, 0.05), rate=10.0)
    np.testing.assert_array_equal(at_hand, [-1, 0, 1, 2, 3])
    assert taken.all()
    # Also when it takes exactly the time between two frames.
    np.testing.assert_array_equal(newest_answers_simulated(np.full(5, 0.1), rate=10.0)[0], [-1, 0, 1, 2, 3])


def test_a_slow_tracker_takes_the_newest_frame_when_it_gets_free():
    # 0.25 s a frame at 10 Hz: frame 0 until 0.25, then frame 2 until 0.5, frame 5 until 0.75, frame 7 until 1.0.
    at_hand, taken = newest_answers_simulated(np.full(12, 0.25), rate=10.0)
    np.testing.assert_array_equal(np.flatnonzero(taken), [0, 2, 5, 7, 10])
    np.testing.assert_array_equal(at_hand, [-1, -1, -1, 0, 0, 2, 2, 2, 5, 5, 7, 7])


def test_one_slow_start_delays_what_comes_after_it():
    at_hand, taken = newest_answers_simulated(np.array([0.35, 0.01, 0.01, 0.01, 0.01, 0.01]), rate=10.0)
    np.testing.assert_array_equal(np.flatnonzero(taken), [0, 3, 4, 5])
    np.testing.assert_array_equal(at_hand, [-1, -1, -1, -1, 3, 4])


def test_frames_that_were_not_asked_for_cost_nothing_and_those_before_the_start_are_no_part():
    at_hand, taken = newest_answers_simulated(np.array([np.nan, 0.05, np.nan, 0.05, 0.05]), rate=10.0)
    np.testing.assert_array_equal(at_hand, [-1, -1, 2, 2, 3])
    np.testing.assert_array_equal(taken, [False, True, True, True, True])
    at_hand, taken = newest_answers_simulated(np.full(3, np.nan), rate=10.0)
    assert (at_hand == -1).all() and not taken.any()


def test_streaming_agrees_with_a_simulation_in_small_steps_of_time():
    rng, rate, tick = np.random.default_rng(0), 20.0, 0.001
    seconds = rng.integers(5, 180, 80) * tick + tick / 2  # no answer comes in the same instant as a frame
    at_hand, taken = newest_answers_simulated(seconds, rate)
    working, until, done, answer, expected = -1, 0.0, set(), -1, []
    for step in range(int(80 / rate / tick)):
        now = step * tick
        arrived = int(now * rate + 1e-9)
        if working >= 0 and until <= now:
            answer, working = working, -1
        if working < 0 and arrived not in done:
            working = arrived
            done.add(arrived)
            # It began when the last answer came, or when the frame did.
            until = max(until, arrived / rate) + seconds[arrived]
        if arrived == len(expected):
            expected.append(answer)
    np.testing.assert_array_equal(at_hand, expected)
    assert set(np.flatnonzero(taken)) == done
