"""Scores of one sequence: values worked out by hand, and the benchmark toolkit on the same track."""

import numpy as np
import pytest

from ckd_ros.metrics import (
    calibration_error,
    distances,
    longest_run,
    lost_share,
    overlaps,
    precision_curve,
    roc_area,
    score,
    success_curve,
    wrong_target_share,
)

NAN = [np.nan] * 4
TRUTH = np.array([[10, 10, 20, 20], [10, 10, 20, 20], NAN, [10, 10, 20, 20]], float)


def test_overlap_is_nan_without_truth_and_zero_without_a_box():
    track = np.array([[10, 10, 20, 20], [20, 10, 20, 20], [0, 0, 5, 5], NAN])
    np.testing.assert_allclose(overlaps(track, TRUTH), [1, 1 / 3, np.nan, 0])


def test_distance_is_nan_without_truth_and_infinite_without_a_box():
    track = np.array([[13, 14, 20, 20], [10, 10, 20, 20], [0, 0, 5, 5], NAN])
    np.testing.assert_allclose(distances(track, TRUTH), [5, 0, np.nan, np.inf])


def test_a_perfect_track_misses_only_the_last_threshold():
    # Overlap has to exceed a threshold, and nothing exceeds 1: the toolkit's best AUC is 20/21.
    assert score(TRUTH, TRUTH).success_auc == pytest.approx(20 / 21)


def test_scores_by_hand():
    track = np.array([[10, 10, 20, 20], [20, 10, 20, 20], [0, 0, 5, 5], [200, 200, 20, 20]])
    result = score(track, TRUTH)
    assert result.frames == 3
    assert result.mean_iou == pytest.approx((1 + 1 / 3 + 0) / 3)
    # Thresholds 0, 0.05 ... 1: 20 lie below 1, 7 (0 to 0.30) below 1/3, none below 0.
    assert result.success_auc == pytest.approx((20 + 7 + 0) / 3 / 21)
    assert result.precision == pytest.approx(2 / 3)
    assert result.longest_run == 2


def test_precision_includes_the_threshold_and_success_does_not():
    assert precision_curve(np.array([20.0]))[20] == 1
    assert success_curve(np.array([0.5]))[10] == 0


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [([0.5, 0, 0.1, 0.2, 0], 2), ([0.5, np.nan, 0.2], 2), ([0, 0], 0), ([1, 1, 1], 3)],
)
def test_longest_run_counts_consecutive_frames_with_overlap(overlap, expected):
    assert longest_run(np.array(overlap)) == expected


def test_refuses_what_cannot_be_scored():
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 4\)"):
        score(TRUTH[:3], TRUTH)
    with pytest.raises(ValueError, match="no frame with truth"):
        score(TRUTH, np.full((4, 4), np.nan))


def test_agrees_with_the_benchmark_toolkit():
    metrics = pytest.importorskip("rgbt.metrics", reason="the benchmark toolkit rgbt is not installed")
    rng = np.random.default_rng(3)
    truth = np.column_stack([rng.uniform(0, 300, (200, 2)), rng.uniform(8, 90, (200, 2))])
    track = truth + rng.normal(0, 8, truth.shape)
    track[:, 2:] = np.abs(track[:, 2:]) + 1
    track[0] = truth[0]  # the toolkit always takes the first frame from the truth
    ours = score(track, truth)
    sequences, tracks = {"s": list(truth)}, {"s": list(track)}
    assert ours.success_auc == pytest.approx(metrics.SR_LasHeR()(sequences, tracks, ["s"])[0])
    assert ours.precision == pytest.approx(metrics.PR_LasHeR()(sequences, tracks, ["s"])[0])
    np.testing.assert_allclose(success_curve(overlaps(track, truth)), metrics.SR()(sequences, tracks, ["s"])[1][0])


def test_lost_frames_are_those_that_hardly_overlap():
    assert lost_share(np.array([1.0, 0.06, 0.05, 0.0, np.nan])) == 0.5
    assert np.isnan(lost_share(np.array([np.nan])))


def test_a_box_on_another_object_is_on_the_wrong_target():
    here, there, nothing = [0, 0, 10, 10], [100, 0, 10, 10], [np.nan] * 4
    boxes = [here, there, there, there, nothing, [4, 0, 10, 10]]
    truth = [here, here, nothing, there, here, here]
    others = [[there, nothing]] * 3 + [[here, nothing], [there, nothing], [[8, 0, 10, 10], nothing]]
    # on the target; on another; the same while the target is hidden; on the target; no box; between the two
    assert wrong_target_share(boxes, truth, others) == pytest.approx(2 / 6)
    assert wrong_target_share(boxes, truth, np.zeros((6, 0, 4))) == 0.0


def test_roc_area_is_the_chance_that_a_right_frame_has_the_higher_confidence():
    rng = np.random.default_rng(0)
    confidence, right = rng.integers(0, 6, 60) / 5, rng.random(60) < 0.5
    pairs = [(a > b) + 0.5 * (a == b) for a in confidence[right] for b in confidence[~right]]
    assert roc_area(confidence, right) == pytest.approx(np.mean(pairs))
    assert np.isnan(roc_area([0.5, 0.6], [True, True])) and np.isnan(roc_area([], []))


def test_calibration_error_is_the_gap_between_confidence_and_share_of_right_frames():
    assert calibration_error([0.95] * 20, [True] * 19 + [False]) == pytest.approx(0.0)
    assert calibration_error([1.0] * 4, [False] * 4) == 1.0
    # two bins, three quarters of the frames in the first: .75 * |.25 - 0| + .25 * |.85 - 1|
    assert calibration_error([0.25] * 3 + [0.85], [False] * 3 + [True]) == pytest.approx(0.75 * 0.25 + 0.25 * 0.15)
    assert np.isnan(calibration_error([], []))
