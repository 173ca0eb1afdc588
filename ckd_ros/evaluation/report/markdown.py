"""The report as Markdown, for a repository or an issue tracker."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_ros.evaluation.report.faults import FaultEntry, fault_groups
from ckd_ros.evaluation.report.figures import FORMATS, Plot
from ckd_ros.evaluation.report.marks import meaning
from ckd_ros.evaluation.report.tables import attribute_table, plain, robot_table, score_table, speed_table
from ckd_ros.evaluation.scores import Evaluation


def markdown(evaluation: Evaluation, plots: list[Plot], folder: str) -> str:
    """The whole report; `folder` holds the plots, relative to it."""
    return "\n\n".join(_blocks(evaluation, plots, folder)) + "\n"


def _blocks(evaluation: Evaluation, plots: list[Plot], folder: str) -> Iterator[str]:
    yield f"# {plain(evaluation.dataset)}"
    count, frames = len(evaluation.lengths), sum(evaluation.lengths.values())
    yield f"{count} sequences, {frames} frames. {plain(evaluation.protocol)}"
    yield "## Scores\n\nIn percent.\n\n" + score_table(evaluation).markdown()
    if meaning(evaluation):
        yield plain(meaning(evaluation))
    titled = (
        ("On a robot", robot_table(evaluation)),
        ("Speed", speed_table(evaluation)),
        (f"{evaluation.measures[-1].name} by attribute", attribute_table(evaluation)),
    )
    for title, table in titled:
        if table is not None:
            yield f"## {title}\n\n{table.markdown()}"
    if plots:
        links = ", ".join(f"[{form.upper()}]({folder}/{{0}}.{form})" for form in FORMATS)
        yield "## Plots\n\n" + "\n".join(f"- {plain(plot.title)}: {links.format(plot.name)}" for plot in plots)
    groups = fault_groups(evaluation)
    if groups:
        yield f"## Faults ({sum(group.count for group in groups)})"
    for group in groups:
        yield f"### {plain(group.title)}\n\n" + "\n".join(f"- {_line(fault)}" for fault in group.faults)


def _line(fault: FaultEntry) -> str:
    names = plain(", ".join(fault.names))
    if len(fault.names) > 1:
        return f"{len(fault.names)} sequences: {plain(fault.reason)}: {names}"
    return f"{names}: {plain(fault.reason)}" if names else plain(fault.reason)
