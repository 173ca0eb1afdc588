"""The tables of a report, once for Markdown and for the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ckd_ros.evaluation.report.figures import shown_attributes
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
    return number(None if value is None else 100 * value, 1)


def number(value: float | None, digits: int = 1) -> str:
    """A figure for reading; a dash where it is not known."""
    return f"{value:.{digits}f}" if known(value) else "–"


def known(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def score_table(evaluation: Evaluation) -> Table:
    """The measures in percent, and on how many sequences."""
    specs = [
        _Spec(Column(m.name, f"{m.title}, percent", "high"), lambda t, name=m.name: t.scores.get(name), _percent)
        for m in evaluation.measures
    ]
    total = len(evaluation.lengths)
    specs.append(
        _Spec(Column("sequences", "scored, of those that can be"), lambda t: len(t.sequences), lambda v: f"{v}/{total}")
    )
    return _by_tracker(evaluation, specs)


def robot_table(evaluation: Evaluation) -> Table | None:
    """What matters on a robot; None where nothing of it is known."""
    rate = "each sequence's own rate" if evaluation.rate is None else f"{evaluation.rate:g} frames a second"
    specs = [
        _Spec(Column("longest run [s]", "longest time on the target, median", "high"), _robot("longest_run_s"), _one),
        _Spec(Column("failures", "times that the box came off the target (IoU 0)", "low"), _robot("failures"), str),
        _Spec(Column("per minute", "failures a minute of visible target", "low"), _robot("failures_per_minute"), _two),
        _Spec(
            Column("found again [s]", "from the target's return to the first box on it (IoU 0.3), median", "low"),
            _robot("reacquired_s"),
            _two,
        ),
        _Spec(Column("returns", "times that the target came back into sight"), _robot("returns"), str),
        _Spec(
            Column("missed", "returns after which it was not found again", "low"),
            lambda tracker: tracker.robot.missed_returns if tracker.robot.returns else None,
            str,
        ),
        _Spec(
            Column("drift [sides/min]", "growth of the distance while on the target, in its sides a minute"),
            _robot("drift_per_minute"),
            _two,
        ),
        _Spec(
            Column("streaming IoU", f"mean overlap with the box that is there in time, percent; at {rate}", "high"),
            _robot("streaming"),
            _percent,
        ),
        _Spec(
            Column("frames in time", f"frames there was time for, percent; at {rate}", "high"),
            _robot("processed"),
            _percent,
        ),
    ]
    return _where_known(evaluation, specs)


def speed_table(evaluation: Evaluation) -> Table | None:
    """Time for a frame; None where no times are known."""
    specs = [
        _Spec(Column("median [ms]", "time for a frame", "low"), lambda t: t.frame_ms, _two),
        _Spec(Column("95 % [ms]", "95 of 100 frames take no longer", "low"), lambda t: t.frame_ms_p95, _two),
        _Spec(
            Column("FPS", "frames a second, of the median", "high"),
            lambda t: 1e3 / t.frame_ms if t.frame_ms else None,
            _one,
        ),
    ]
    return _where_known(evaluation, specs)


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
        row += _figures([r and r.scores.get(measure) for r in results], "high", _percent)
        if failing:
            row += _figures([r and r.robot.failures for r in results], None, str)
        rows.append(row)
    return Table(columns, rows)


@dataclass(frozen=True)
class _Spec:
    """A column of figures of trackers: where they are from and how they are written."""

    column: Column
    of: Callable[[TrackerScores], float | None]
    text: Callable[[float], str]


def _robot(name: str) -> Callable[[TrackerScores], float | None]:
    return lambda tracker: getattr(tracker.robot, name)


def _where_known(evaluation: Evaluation, specs: list[_Spec]) -> Table | None:
    kept = [spec for spec in specs if any(known(spec.of(tracker)) for tracker in evaluation.trackers)]
    return _by_tracker(evaluation, kept) if kept else None


def _by_tracker(evaluation: Evaluation, specs: list[_Spec]) -> Table:
    rows = [[Cell(tracker.label, tracker=place)] for place, tracker in enumerate(evaluation.trackers)]
    for spec in specs:
        cells = _figures([spec.of(tracker) for tracker in evaluation.trackers], spec.column.better, spec.text)
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return Table([Column("tracker", text=True), *(spec.column for spec in specs)], rows)


def _figures(values: list[float | None], better: str | None, text: Callable[[float], str]) -> list[Cell]:
    """Cells of figures that compete; the best are marked, unless there is nothing to compare."""
    texts = [text(value) if known(value) else "–" for value in values]
    there = [value for value in values if known(value)]
    best = None
    if better and len(there) > 1:
        best = text(max(there) if better == "high" else min(there))
    cells = zip(values, texts, strict=True)
    return [Cell(t, float(v) if known(v) else None, best=known(v) and t == best) for v, t in cells]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _one(value: float) -> str:
    return f"{value:.1f}"


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # never -0.00
