"""An interval of a mean over sequences holds the true mean as often as it says."""

import numpy as np
import pytest
from bootstrap import mean_interval, ratio_interval


def test_the_interval_is_as_wide_as_the_mean_is_unsure():
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    interval = mean_interval(values)
    assert interval.mean == pytest.approx(values.mean())
    error = values.std() / np.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_it_covers_the_true_mean_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.exponential(1.0, 64), draws=500) for _ in range(300)]
    covered = np.mean([low <= 1.0 <= high for _, low, high in intervals])
    assert 0.88 < covered < 0.98


def test_pairing_finds_a_small_difference_among_very_different_sequences():
    rng = np.random.default_rng(2)
    difficulty = rng.uniform(0, 0.9, 64)
    a, b = difficulty + 0.02 + rng.normal(0, 0.02, 64), difficulty + rng.normal(0, 0.02, 64)
    assert mean_interval(a).low < mean_interval(b).high  # side by side they overlap
    assert mean_interval(a - b).low > 0


@pytest.mark.parametrize("values", [[0.5], [0.5, np.nan], [[0.1, 0.2], [0.3, 0.4]]])
def test_what_cannot_be_drawn_from_is_refused(values):
    with pytest.raises(ValueError, match="two or more finite values"):
        mean_interval(values)


def test_a_ratio_weighs_sequences_by_their_cases():
    interval = ratio_interval(np.array([1.0, 0.0, 8.0]), np.array([1.0, 1.0, 8.0]))
    assert interval.mean == pytest.approx(0.9) and 0 <= interval.low < 0.9 < interval.high <= 1
    assert np.isnan(ratio_interval(np.zeros(3), np.zeros(3)).mean)
