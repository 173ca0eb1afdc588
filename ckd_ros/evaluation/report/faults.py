"""Everything that went wrong in an evaluation, counted and named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ckd_ros.evaluation.scores import Evaluation

_NAMED = 5  # kinds of faults of one sequence that are written out
_ALIKE = 2  # of each kind
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class FaultEntry:
    """One thing that went wrong, perhaps for many sequences in the same way.

    Attributes:
        reason: why, with `…` for the name where it stands for several sequences.
        names: of the sequences; none for what concerns a tracker as a whole.
        count: how often it happened.
    """

    reason: str
    names: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class FaultGroup:
    """Faults of the data set, or of one tracker (`tracker` is its place)."""

    title: str
    faults: list[FaultEntry]
    tracker: int | None = None

    @property
    def count(self) -> int:
        return sum(fault.count for fault in self.faults)


def fault_groups(evaluation: Evaluation) -> list[FaultGroup]:
    """The sequences that cannot be used, then what is wrong with each tracker's results; empty groups are left out."""
    total = len(evaluation.lengths) + len(evaluation.faults)
    groups = [FaultGroup(f"{len(evaluation.faults)} of {total} sequences cannot be used", _grouped(evaluation.faults))]
    for place, tracker in enumerate(evaluation.trackers):
        faults = [FaultEntry(tracker.faults[""], (), 1)] if "" in tracker.faults else []
        faults += _grouped({name: reason for name, reason in tracker.faults.items() if name})
        for name, scores in tracker.sequences.items():
            if scores.faults:
                faults.append(FaultEntry("; ".join(first_of_each_kind(scores.faults)), (name,), len(scores.faults)))
        without = len(evaluation.lengths.keys() - tracker.sequences.keys())
        missing = f", no result for {without} of {len(evaluation.lengths)} sequences" if without else ""
        groups.append(FaultGroup(f"{tracker.label}{missing}", faults, place))
    return [group for group in groups if group.faults]


def first_of_each_kind(faults: Iterable[str]) -> list[str]:
    """The first faults of each kind, and how many more there are: thousands of damaged images must hide nothing else.

    >>> first_of_each_kind([*(f"frame {number}: torn" for number in range(9)), "it has 3 boxes for 9 frames"])
    ['frame 0: torn', 'frame 1: torn', 'and 7 more like it', 'it has 3 boxes for 9 frames']
    """
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(_NUMBER.sub("#", fault), []).append(fault)
    lines = []
    for alike in list(kinds.values())[:_NAMED]:
        lines += alike[:_ALIKE]
        lines += [f"and {len(alike) - _ALIKE} more like it"] if len(alike) > _ALIKE else []
    more = sum(map(len, list(kinds.values())[_NAMED:]))
    return [*lines, f"and {more} more"] if more else lines


def _grouped(reasons: Mapping[str, str]) -> list[FaultEntry]:
    """Reasons that differ only in the sequence's name become one, so that hundreds of missing ones fill a line."""
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason.replace(name, "…"), []).append(name)
    return [
        FaultEntry(reason if len(names) > 1 else reasons[names[0]], tuple(names), len(names))
        for reason, names in groups.items()
    ]
