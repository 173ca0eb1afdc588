"""Everything that went wrong in an evaluation, counted and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ckd_ros.evaluation.scores import Evaluation

_NAMED = 5  # faults of one sequence that are written out


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


def fault_groups(evaluation: Evaluation, named: int = _NAMED) -> list[FaultGroup]:
    """The sequences that cannot be used, then what is wrong with each tracker's results; empty groups are left out.

    Of each sequence's faults the first `named` are written out, and the others counted.
    """
    total = len(evaluation.lengths) + len(evaluation.faults)
    groups = [FaultGroup(f"{len(evaluation.faults)} of {total} sequences cannot be used", _grouped(evaluation.faults))]
    for place, tracker in enumerate(evaluation.trackers):
        faults = [FaultEntry(tracker.faults[""], (), 1)] if "" in tracker.faults else []
        faults += _grouped({name: reason for name, reason in tracker.faults.items() if name})
        for name, scores in tracker.sequences.items():
            if scores.faults:
                more = len(scores.faults) - named
                rest = [f"and {more} more"] if more > 0 else []
                faults.append(FaultEntry("; ".join([*scores.faults[:named], *rest]), (name,), len(scores.faults)))
        without = len(evaluation.lengths.keys() - tracker.sequences.keys())
        missing = f", no result for {without} of {len(evaluation.lengths)} sequences" if without else ""
        groups.append(FaultGroup(f"{tracker.label}{missing}", faults, place))
    return [group for group in groups if group.faults]


def _grouped(reasons: Mapping[str, str]) -> list[FaultEntry]:
    """Reasons that differ only in the sequence's name become one, so that hundreds of missing ones fill a line."""
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason.replace(name, "…"), []).append(name)
    return [
        FaultEntry(reason if len(names) > 1 else reasons[names[0]], tuple(names), len(names))
        for reason, names in groups.items()
    ]
