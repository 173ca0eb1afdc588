"""What a person sees of an evaluation on the terminal: how far it has come, and the scores in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from ckd_ros.evaluation.evaluate import Watch
from ckd_ros.evaluation.scored import Evaluation


@contextmanager
def evaluation_progress(what: str, console: Console) -> Iterator[Watch]:
    """A progress bar over frames, with the time that is left and the trackers' scores so far; it appears when told."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[scores]}", table_column=Column(overflow="fold")),  # as many lines as it needs
    )
    # Whole sequences come in at a time, minutes apart: the speed is taken over the whole run, and little is redrawn.
    progress = Progress(*columns, console=console, speed_estimate_period=1e9, refresh_per_second=2)

    def watch(done: int, total: int, scores: dict[str, float]) -> None:
        text = "  ".join(f"{label} {100 * score:.1f}" for label, score in scores.items())
        if not progress.tasks:
            progress.add_task(what, total=total, completed=done, scores=text)
            progress.start()
        progress.update(progress.task_ids[0], completed=done, scores=text)

    try:
        yield watch
    finally:
        if progress.tasks:
            progress.stop()


def scores_table(evaluation: Evaluation) -> Table:
    """The trackers, best first, with their scores in per cent."""
    table = Table(title=evaluation.dataset)
    table.add_column("tracker", overflow="fold")
    for name in (*(measure.name for measure in evaluation.measures), "ms/frame", "sequences", "faults"):
        table.add_column(name, justify="right")
    for tracker in evaluation.trackers:
        scores = [f"{100 * tracker.scores[measure.name]:.1f}" for measure in evaluation.measures]
        faults = len(tracker.faults) + sum(bool(sequence.faults) for sequence in tracker.sequences.values())
        table.add_row(
            tracker.label,
            *("-" if score == "nan" else score for score in scores),
            "-" if tracker.frame_ms is None else f"{tracker.frame_ms:.1f}",
            f"{len(tracker.sequences)} of {len(evaluation.lengths)}",
            str(faults),
        )
    return table
