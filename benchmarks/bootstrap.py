"""How sure a mean over sequences is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean, and the interval that holds it."""

    mean: float
    low: float
    high: float


def mean_interval(values: np.ndarray, confidence: float = 0.95, draws: int = 10_000, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean of one figure a sequence, `(N,)`.

    For two trackers on the same sequences give the differences (a paired bootstrap): what makes a sequence hard for
    both drops out. It says what other sequences would change, not what another training would.
    Raises ValueError for fewer than two values, or values that are not finite.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"a bootstrap needs two or more finite values in a row, not {values!r}")
    return ratio_interval(values, np.ones_like(values), confidence, draws, seed)


def ratio_interval(
    parts: np.ndarray, wholes: np.ndarray, confidence: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Interval:
    """The same of the ratio of two sums over sequences, `(N,)` each: a share of cases, of which some have more.

    NaN where all the wholes are 0; drawn sets without any are left out.
    """
    chosen = np.random.default_rng(seed).integers(len(parts), size=(draws, len(parts)))
    sums, all_ = parts[chosen].sum(axis=1), wholes[chosen].sum(axis=1)
    if not wholes.sum():
        return Interval(float("nan"), float("nan"), float("nan"))
    ratios = sums[all_ > 0] / all_[all_ > 0]
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(parts.sum() / wholes.sum()), float(low), float(high))
