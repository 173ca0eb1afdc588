"""Which colour and which thermal image of two recorded streams belong together."""

from __future__ import annotations

import numpy as np


def period(stamps: np.ndarray) -> float | None:
    """Median time between consecutive images in nanoseconds; None for fewer than two.

    >>> period(np.array([0, 40_000_000, 80_000_000, 400_000_000]))  # three were lost
    40000000.0
    """
    gaps = np.diff(np.sort(stamps))
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else None


def pair_nearest(rgb: np.ndarray, thermal: np.ndarray, slop: float) -> list[tuple[int | None, int | None]]:
    """Pairs of indices into two arrays of stamps (ns), in order of time; every image is in exactly one pair.

    The closest stamps are joined first, no more than `slop` ns apart; an image without a partner is paired with None.

    >>> pair_nearest(np.array([0, 100, 200]), np.array([8, 190, 300]), slop=20)
    [(0, 0), (1, None), (2, 1), (None, 2)]
    """
    rgb, thermal, slop = np.asarray(rgb, np.int64), np.asarray(thermal, np.int64), int(slop)
    order = np.argsort(thermal, kind="stable")
    low = np.searchsorted(thermal[order], rgb - slop, side="left")
    high = np.searchsorted(thermal[order], rgb + slop, side="right")
    candidates = [(abs(int(thermal[j] - rgb[i])), i, int(j)) for i in range(len(rgb)) for j in order[low[i] : high[i]]]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    pairs: list[tuple[int | None, int | None]] = [(i, partner.get(i)) for i in range(len(rgb))]
    pairs += [(None, j) for j in range(len(thermal)) if j not in taken]
    return sorted(pairs, key=lambda pair: rgb[pair[0]] if pair[0] is not None else thermal[pair[1]])
