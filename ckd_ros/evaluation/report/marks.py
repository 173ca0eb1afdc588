"""The mark of scores that rest on too little of the truth, wherever scores are shown."""

from __future__ import annotations

from ckd_ros.evaluation.scores import ENOUGH, Evaluation


def mark(covered: float) -> str:
    """What stands behind a score that rests on this share of the truth."""
    return "*" if covered < ENOUGH else ""


def meaning(evaluation: Evaluation) -> str:
    """What the mark means; empty where no score has it."""
    shares = [share for t in evaluation.trackers for share in (t.covered, *(s.covered for s in t.sequences.values()))]
    return f"* rests on less than {100 * ENOUGH:.0f} % of the truth: see the faults" if any(map(mark, shares)) else ""
