"""What a person sees on the terminal: progress bars, and the scores and faults of an evaluation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from ckd_ros.evaluation.report.faults import fault_groups
from ckd_ros.evaluation.report.marks import mark, meaning
from ckd_ros.evaluation.scores import Evaluation

if TYPE_CHECKING:
    from ckd_ros.evaluation.progress import ProgressCallback

Item = TypeVar("Item")
# What is printed of faults: damaged data has thousands, and the names of 225 missing sequences fill a screen.
_FAULT_LENGTH = 600  # characters of all of one sequence
_FAULTS = 10  # of the data set and of each tracker


def console() -> Console:
    """Where a command talks to its user; its results go to files or to the standard output."""
    return Console(stderr=True)


def with_progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """The same items, with a progress bar that counts them; `total`: None where nobody knows how many come."""
    with Progress(*_columns(), console=console()) as progress:
        yield from progress.track(items, total=total, description=what)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


@contextmanager
def evaluation_progress(what: str) -> Iterator[ProgressCallback]:
    """A progress bar over frames, with the time that is left and the trackers' scores so far.

    It appears with the first report of progress.
    """
    scores = TextColumn("{task.fields[scores]}", table_column=Column(overflow="fold"))  # as many lines as it needs
    # Sequences are reported whole, minutes apart: the speed is that of the whole run, and redrawing is rare.
    progress = Progress(*_columns(), scores, console=console(), speed_estimate_period=1e9, refresh_per_second=2)

    def on_progress(done: int, total: int, scores: dict[str, float]) -> None:
        text = "  ".join(f"{label} {100 * score:.1f}" for label, score in scores.items())
        if not progress.tasks:
            progress.add_task(what, total=total, completed=done, scores=text)
            progress.start()
        progress.update(progress.task_ids[0], completed=done, scores=text)

    try:
        yield on_progress
    finally:
        if progress.tasks:
            progress.stop()


def scores_table(evaluation: Evaluation) -> Table:
    """The trackers, best first, with their scores in per cent; marked are those that rest on too little truth."""
    table = Table(title=evaluation.dataset, caption=meaning(evaluation) or None)
    table.add_column("tracker", overflow="fold")
    for name in (*(measure.name for measure in evaluation.measures), "ms/frame", "sequences", "faults"):
        table.add_column(name, justify="right")
    for tracker in evaluation.trackers:
        scores = [f"{100 * tracker.scores[measure.name]:.1f}" for measure in evaluation.measures]
        faults = len(tracker.faults) + sum(len(sequence.faults) for sequence in tracker.sequences.values())
        table.add_row(
            tracker.label,
            *("-" if score == "nan" else score + mark(tracker.covered) for score in scores),
            "-" if tracker.frame_ms is None else f"{tracker.frame_ms:.1f}",
            f"{len(tracker.sequences)} of {len(evaluation.lengths)}",
            str(faults),
        )
    return table


def fault_lines(evaluation: Evaluation) -> Iterator[str]:
    """The first faults of the data set and of each tracker, a line each, and how many more there are."""
    everything = "--json and the report say all"
    for group in fault_groups(evaluation):
        label = "" if group.tracker is None else evaluation.trackers[group.tracker].label
        for fault in group.faults[:_FAULTS]:
            count = f"{len(fault.names)} sequences" if len(fault.names) > 1 else ""
            names = "" if count else ", ".join(fault.names)
            listed = ", ".join(fault.names) if count else ""
            line = ": ".join(filter(None, (label, count, names, fault.reason, listed)))
            yield textwrap.shorten(line, _FAULT_LENGTH, placeholder=f" ... ({everything})")
        more = group.faults[_FAULTS:]
        if more:
            total = sum(fault.count for fault in more)
            yield ": ".join(filter(None, (label, f"and {total} more faults of {len(more)} kinds ({everything})")))
