"""Which items of an unsplit data set are kept out of training."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable


def held_out(names: Iterable[str], fraction: float = 0.25) -> set[str]:
    """The names kept out of training: the last `fraction` of every family of names, in sorted order.

    A family shares its letters (`IR_BIRD_001`, `IR_BIRD_002`, ...). A contiguous block is taken, because
    neighbours in a numbered recording show the same place: scattered names would leak it into training.

    >>> sorted(held_out(["BIRD_1", "BIRD_2", "BIRD_3", "BIRD_4", "DRONE_1", "DRONE_2", "DRONE_3", "DRONE_4"]))
    ['BIRD_4', 'DRONE_4']
    """
    families: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        families[re.sub(r"\d+", "", name)].append(name)
    return {name for family in families.values() for name in family[len(family) - round(len(family) * fraction) :]}


def subset_of(names: Iterable[str], subset: str) -> list[str]:
    """The sorted names of a subset: `all`, `train` or `held_out` (see `held_out`). Raises ValueError for another.

    >>> subset_of(["BIRD_4", "BIRD_3", "BIRD_2", "BIRD_1"], "train")
    ['BIRD_1', 'BIRD_2', 'BIRD_3']
    """
    every = set(names)
    kept_out = held_out(every)
    subsets = {"all": every, "train": every - kept_out, "held_out": kept_out}
    if subset not in subsets:
        raise ValueError(f"subset '{subset}' is unknown: expected all, train or held_out")
    return sorted(subsets[subset])
