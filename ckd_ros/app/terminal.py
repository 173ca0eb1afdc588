"""What a person sees on the terminal: progress bars, and the scores and faults of an evaluation."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console, RenderableType
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
from rich.text import Text

from ckd_ros.evaluation.report.faults import fault_groups
from ckd_ros.evaluation.report.marks import mark, meaning
from ckd_ros.evaluation.scores import Evaluation

if TYPE_CHECKING:
    from ckd_ros.evaluation.progress import ProgressCallback

Item = TypeVar("Item")
_LINE_EVERY = 30.0  # seconds between lines on progress in a log
# What is printed of faults: damaged data has thousands, and the names of 225 missing sequences fill a screen.
_FAULT_LENGTH = 600  # characters of all of one sequence
_FAULTS = 10  # of the data set and of each tracker


def console() -> Console:
    """Where a command talks to its user; its results go to files or to the standard output."""
    return Console(stderr=True)


def wrap(line: str, indent: str = "") -> str:
    """A line in as many lines as the terminal's width asks for, each indented."""
    width = shutil.get_terminal_size().columns
    shape = textwrap.TextWrapper(
        width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return shape.fill(line.rstrip())


def with_progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """The same items, with a progress bar that counts them; `total`: None where nobody knows how many come.

    It appears with the first item: what goes wrong before that is not to be looked for below a bar.
    """
    rest = iter(items)
    first = list(islice(rest, 1))
    with Progress(*_columns(), console=console()) as progress:
        yield from progress.track(chain(first, rest), total=total, description=what)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", table_column=Column(overflow="fold", min_width=8)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )


@contextmanager
def evaluation_progress(what: str) -> Iterator[ProgressCallback]:
    """What is done of an evaluation, with the time that is left and the trackers' scores so far: a bar over frames on a
    terminal, else a line every half minute. It appears with the first report of progress.
    """
    screen = console()
    if not screen.is_terminal:
        yield _LogLines(what, screen)
        return
    # Sequences differ: the speed is that of the whole run, and redrawing is rare.
    progress = _ScoredProgress(
        *_columns(), console=screen, speed_estimate_period=1e9, refresh_per_second=2, expand=True
    )

    def on_progress(done: int, total: int, scores: dict[str, float]) -> None:
        progress.scores = _scores_text(scores)
        if not progress.tasks:
            progress.add_task(what, total=total, completed=done)
            progress.start()
        progress.update(progress.task_ids[0], completed=done)

    try:
        yield on_progress
    finally:
        if progress.tasks:
            progress.stop()


class _ScoredProgress(Progress):
    """A bar, and below it scores in as many lines as they need, so that the time that is left keeps its place."""

    scores = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        if self.scores:
            yield Text(self.scores)


class _LogLines:
    """Reports of progress as lines of a log: the first, the last, and one every half minute between them."""

    def __init__(self, what: str, screen: Console) -> None:
        self._what, self._screen = what, screen
        self._begin = self._said = 0.0  # when the first report came, and the last line was written
        self._before = 0  # frames that were done by then

    def __call__(self, done: int, total: int, scores: dict[str, float]) -> None:
        now = time.monotonic()
        first = self._said == 0.0
        if first:
            self._begin, self._before = now, done
        elif done < total and now - self._said < _LINE_EVERY:
            return
        self._said = now
        left = "" if first or done in (total, self._before) else self._left(now, done, total)
        parts = (f"{done} of {total} frames{left}", _scores_text(scores))
        self._screen.print(f"{self._what}: " + ", ".join(filter(None, parts)), highlight=False, soft_wrap=True)

    def _left(self, now: float, done: int, total: int) -> str:
        seconds = (total - done) * (now - self._begin) / (done - self._before)
        return f", {timedelta(seconds=round(seconds))} left"


def _scores_text(scores: dict[str, float]) -> str:
    return "  ".join(f"{label} {100 * score:.1f}" for label, score in scores.items())


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
