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
    chosen = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    means = values[chosen].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean()), float(low), float(high))
