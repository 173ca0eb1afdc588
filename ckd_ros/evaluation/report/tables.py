"""The tables of a report, once for Markdown and for the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np

from ckd_ros.evaluation.report.figures import shown_attributes
from ckd_ros.evaluation.report.marks import mark
from ckd_ros.evaluation.scores import Evaluation, TrackerScores


@dataclass(frozen=True)
class Cell:
    """What stands in a table: text to read, the number to sort by (None: not known, or text), and what it refers to.

    Attributes:
        best: the best figure of its column.
        tracker: place of the tracker that it names.
        link: id of the place in the page that it leads to.
    """

    text: str
    value: float | None = None
    best: bool = False
    tracker: int | None = None
    link: str = ""


@dataclass(frozen=True)
class Column:
    """Heading, what it means, and whether higher or lower figures are better (None: neither; text: not a figure)."""

    name: str
    hint: str = ""
    better: str | None = None
    text: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells below columns; the first column names what the row is about."""

    columns: list[Column]
    rows: list[list[Cell]]

    def markdown(self) -> str:
        """The table in Markdown, best figures bold."""
        lines = ["| " + " | ".join(plain(column.name) for column in self.columns) + " |"]
        lines.append("|" + "|".join("---" if column.text else "---:" for column in self.columns) + "|")
        for row in self.rows:
            texts = [f"**{plain(cell.text)}**" if cell.best else plain(cell.text) for cell in row]
            lines.append("| " + " | ".join(texts) + " |")
        return "\n".join(lines)


def plain(text: str) -> str:
    """Text of a user as Markdown that shows it as it is, in one line."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def percent(value: float | None) -> str:
    """A share for reading, in percent; a dash where it is not known."""
    return number(None if value is None else 100 * value, 1)


def number(value: float | None, digits: int = 1) -> str:
    """A figure for reading; a dash where it is not known."""
    return f"{value:.{digits}f}" if is_known(value) else "–"


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether there is a figure at all, and it is a number."""
    return value is not None and bool(np.isfinite(value))


def score_table(evaluation: Evaluation) -> Table:
    """The measures in percent, and on how many sequences."""
    columns = [
        _FigureColumn(Column(m.name, f"{m.title}, percent", "high"), _measured(m.name), _percent)
        for m in evaluation.measures
    ]
    total = len(evaluation.lengths)
    columns.append(
        _FigureColumn(
            Column("sequences", "scored, of those that can be"), lambda t: len(t.sequences), lambda v: f"{v}/{total}"
        )
    )
    table = _by_tracker(evaluation, columns)
    for row, tracker in zip(table.rows, evaluation.trackers, strict=True):
        row[1:-1] = _marked(row[1:-1], [tracker.covered] * len(evaluation.measures))
    return table


def robot_table(evaluation: Evaluation) -> Table | None:
    """What matters on a robot; None where nothing of it is known."""
    rate = "each sequence's own rate" if evaluation.rate is None else f"{evaluation.rate:g} frames a second"
    columns = [
        _FigureColumn(
            Column("longest run [s]", "longest time on the target, median", "high"),
            _robot_score("longest_run_s"),
            _one_decimal,
        ),
        _FigureColumn(
            Column("failures", "times that the box came off the target (IoU 0)", "low"), _robot_score("failures"), str
        ),
        _FigureColumn(
            Column("per minute", "failures a minute of visible target", "low"),
            _robot_score("failures_per_minute"),
            _two_decimals,
        ),
        _FigureColumn(
            Column("found again [s]", "from the target's return to the first box on it (IoU 0.3), median", "low"),
            _robot_score("reacquired_s"),
            _two_decimals,
        ),
        _FigureColumn(Column("returns", "times that the target came back into sight"), _robot_score("returns"), str),
        _FigureColumn(
            Column("missed", "returns after which it was not found again", "low"),
            lambda tracker: tracker.robot.missed_returns if tracker.robot.returns else None,
            str,
        ),
        _FigureColumn(
            Column("drift [sides/min]", "growth of the distance while on the target, in its sides a minute"),
            _robot_score("drift_per_minute"),
            _two_decimals,
        ),
        _FigureColumn(
            Column("streaming IoU", f"mean overlap with the box that is there in time, percent; at {rate}", "high"),
            _robot_score("streaming"),
            _percent,
        ),
        _FigureColumn(
            Column("frames in time", f"frames there was time for, percent; at {rate}", "high"),
            _robot_score("processed"),
            _percent,
        ),
    ]
    return _where_known(evaluation, columns)


def speed_table(evaluation: Evaluation) -> Table | None:
    """Time for a frame; None where no times are known."""
    columns = [
        _FigureColumn(Column("median [ms]", "time for a frame", "low"), lambda t: t.frame_ms, _two_decimals),
        _FigureColumn(
            Column("95 % [ms]", "95 of 100 frames take no longer", "low"), lambda t: t.frame_ms_p95, _two_decimals
        ),
        _FigureColumn(
            Column("FPS", "frames a second, of the median", "high"),
            lambda t: 1e3 / t.frame_ms if t.frame_ms else None,
            _one_decimal,
        ),
    ]
    return _where_known(evaluation, columns)


def attribute_table(evaluation: Evaluation) -> Table | None:
    """The ranking measure in percent for each attribute, trackers as columns; None without attributes."""
    counts, measure = shown_attributes(evaluation), evaluation.measures[-1].name
    if not counts:
        return None
    columns = [Column("attribute", text=True), Column("sequences")]
    columns += [Column(t.label, f"{measure}, percent", "high") for t in evaluation.trackers]
    rows = []
    for attribute, count in counts.items():
        values = [tracker.attributes.get(attribute, {}).get(measure) for tracker in evaluation.trackers]
        rows.append([Cell(attribute), Cell(str(count), count), *_figures(values, "high", _percent)])
    return Table(columns, rows)


def sequence_table(evaluation: Evaluation, order: Iterable[str], ids: dict[str, str]) -> Table:
    """Every sequence with the ranking measure in percent and the failures of each tracker."""
    measure = evaluation.measures[-1].name
    columns = [Column("sequence", text=True), Column("frames")]
    columns += [Column(t.label, f"{measure}, percent", "high") for t in evaluation.trackers]
    failing = any(s.robot.failures is not None for t in evaluation.trackers for s in t.sequences.values())
    if failing:
        columns += [Column(f"failures {t.label}", "times that the box came off", "low") for t in evaluation.trackers]
    rows = []
    for name in order:
        results = [tracker.sequences.get(name) for tracker in evaluation.trackers]
        count = evaluation.lengths[name]
        row = [Cell(name, link=ids[name]), Cell(str(count), count)]
        figures = _figures([None if r is None else r.scores.get(measure) for r in results], "high", _percent)
        row += _marked(figures, [1.0 if r is None else r.covered for r in results])
        if failing:
            row += _figures([None if r is None else r.robot.failures for r in results], None, str)
        rows.append(row)
    return Table(columns, rows)


@dataclass(frozen=True)
class _FigureColumn:
    """A column of figures of trackers: where they are from and how they are written."""

    heading: Column
    of: Callable[[TrackerScores], float | None]
    text: Callable[[float], str]


def _measured(name: str) -> Callable[[TrackerScores], float | None]:
    return lambda tracker: tracker.scores.get(name)


def _robot_score(name: str) -> Callable[[TrackerScores], float | None]:
    return lambda tracker: getattr(tracker.robot, name)


def _where_known(evaluation: Evaluation, columns: list[_FigureColumn]) -> Table | None:
    kept = [column for column in columns if any(is_known(column.of(tracker)) for tracker in evaluation.trackers)]
    return _by_tracker(evaluation, kept) if kept else None


def _by_tracker(evaluation: Evaluation, columns: list[_FigureColumn]) -> Table:
    rows = [[Cell(tracker.label, tracker=place)] for place, tracker in enumerate(evaluation.trackers)]
    for column in columns:
        cells = _figures([column.of(tracker) for tracker in evaluation.trackers], column.heading.better, column.text)
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return Table([Column("tracker", text=True), *(column.heading for column in columns)], rows)


def _figures(values: list[float | None], better: str | None, text: Callable[[float], str]) -> list[Cell]:
    """Cells of figures that compete; the best are marked, unless there is nothing to compare."""
    texts = [text(value) if is_known(value) else "–" for value in values]
    there = [value for value in values if is_known(value)]
    best = None
    if better and len(there) > 1:
        best = text(max(there) if better == "high" else min(there))
    cells = zip(values, texts, strict=True)
    return [Cell(t, float(v) if is_known(v) else None, best=is_known(v) and t == best) for v, t in cells]


def _marked(cells: list[Cell], covered: list[float]) -> list[Cell]:
    return [replace(cell, text=cell.text + mark(share)) for cell, share in zip(cells, covered, strict=True)]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _one_decimal(value: float) -> str:
    return f"{value:.1f}"


def _two_decimals(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # never -0.00
