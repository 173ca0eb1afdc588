"""Scores of one sequence: values worked out by hand, and the benchmark toolkit on the same track."""

import numpy as np
import pytest

from ckd_ros.metrics import distances, longest_run, overlaps, precision_curve, score, success_curve

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
