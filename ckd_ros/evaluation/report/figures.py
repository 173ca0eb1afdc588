"""The plots of a report, as papers print them: curves of the measures, attributes, speed."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Literal, cast

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ckd_ros.evaluation.report.marks import mark
from ckd_ros.evaluation.report.styles import PlotStyle, plot_style
from ckd_ros.evaluation.scores import Evaluation, Measure, TrackerScores

#: File formats in which every plot is written.
FORMATS = ("png", "pdf")
#: A radar needs at least three directions.
_RADAR_FROM = 3
_WIDTH, _HEIGHT = 4.0, 3.2  # inches; a column of a paper is about 3.4 wide
_INSIDE = 6  # more trackers than this have their legend beside the plot
_LONG = 24  # characters of a label: longer ones go there too
_LONGEST = 40
# Colours that the page replaces by those of its light or dark mode.
_INK, _GRID, _PAPER = "#1a1c1e", "#d9dce0", "#fefefe"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.facecolor": _PAPER,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.handlelength": 2.6,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.05,
    "pdf.fonttype": 42,  # text that a publisher's tools can read
    "svg.fonttype": "path",
    "svg.hashsalt": "ckd_ros",
    "text.parse_math": False,  # a label is a name, not a formula
}


class Plot:
    """One plot: its file's name without suffix, a sentence that says what it shows, and its figure."""

    def __init__(self, name: str, title: str, figure: Figure) -> None:
        self.name, self.title, self.figure = name, title, figure

    def file(self, form: str) -> bytes:
        """The plot as `png` or `pdf`, the same bytes for the same data."""
        metadata = {"CreationDate": None} if form == "pdf" else {}
        return self._saved(format=form, dpi=200, metadata=metadata)

    def svg(self) -> str:
        """An `<svg>` element for the page, in its colours (`currentColor`, `--line`, `--paper`), with its own ids."""
        text = self._saved(format="svg", facecolor="none", metadata={"Date": None, "Creator": None}).decode()
        text = text[text.index("<svg") :].strip()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{self.name}-", text)
        for colour, name in ((_INK, "currentColor"), (_GRID, "var(--line)"), (_PAPER, "var(--paper)")):
            text = text.replace(colour, name)
        drawn = re.search(r'width="([\d.]+)pt"', text)
        width = float(drawn[1]) if drawn else _WIDTH * 72
        text = re.sub(r' height="[\d.]+pt"', "", text, count=1)
        # Never wider than it was drawn (1 pt is about 1.3 px), and never wider than its place.
        return re.sub(r' width="[\d.]+pt"', f' style="width:{width * 1.3:.0f}px"', text, count=1)

    def _saved(self, **options: Any) -> bytes:
        file = BytesIO()
        with matplotlib.rc_context(_STYLE):
            self.figure.savefig(file, **options)
        return file.getvalue()


def plots(evaluation: Evaluation) -> list[Plot]:
    """What can be plotted: a curve for each measure; attributes where three are known; speed where times are."""
    with matplotlib.rc_context(_STYLE):
        made = [_curves(evaluation, measure) for measure in evaluation.measures]
        if len(shown_attributes(evaluation)) >= _RADAR_FROM:
            made.append(_radar(evaluation))
        if any(tracker.frame_ms for tracker in evaluation.trackers):
            made.append(_speed(evaluation))
    return made


def shown_attributes(evaluation: Evaluation) -> dict[str, int]:
    """Attributes for which any tracker has a figure, with the number of scored sequences that have them."""
    counts = {}
    for attribute, names in evaluation.attributes.items():
        if any(attribute in tracker.attributes for tracker in evaluation.trackers):
            counts[attribute] = len(evaluation.lengths.keys() & set(names))
    return {attribute: count for attribute, count in counts.items() if count}


def plot_name(measure: Measure) -> str:
    """Name of a measure's plot, by what every benchmark's plot is called."""
    if measure.at is None:
        return "success"
    return "normalised_precision" if measure.name.startswith("N") else "precision"


def _curves(evaluation: Evaluation, measure: Measure) -> Plot:
    figure, axes = _axes()
    ranked = _ranked(evaluation, lambda tracker: tracker.scores.get(measure.name, np.nan))
    entries = []
    for rank, (score, place, tracker) in enumerate(ranked):
        curve = tracker.curves.get(measure.name)
        if curve is None or not np.isfinite(score):
            continue
        line = _line(
            axes, measure.thresholds, 100 * np.asarray(curve), plot_style(place), zorder=3 - rank / len(ranked)
        )
        entries.append((line, f"{_named(tracker)} [{100 * score:.1f}]"))
    if measure.at is not None:
        axes.axvline(measure.thresholds[measure.at], color=_INK, lw=0.7, ls=":", zorder=1)
    title = f"{measure.title} ({measure.name}) on {evaluation.dataset}"
    axes.set(title=measure.title, xlabel=measure.axis, ylabel=f"{measure.name} [%]")
    axes.set(xlim=(measure.thresholds[0], measure.thresholds[-1]), ylim=(0, 100))
    _legend(axes, entries, "lower left" if measure.at is None else "lower right")
    return Plot(plot_name(measure), title, figure)


def _radar(evaluation: Evaluation) -> Plot:
    counts, measure = shown_attributes(evaluation), evaluation.measures[-1]
    figure = Figure(figsize=(_WIDTH, _WIDTH))
    axes = cast(PolarAxes, figure.add_subplot(projection="polar"))
    angles = np.linspace(0, 2 * np.pi, len(counts), endpoint=False)
    closed = np.append(angles, angles[0])
    ranked = _ranked(evaluation, lambda tracker: tracker.scores.get(measure.name, np.nan))
    entries, lowest, highest = [], 100.0, 0.0
    for rank, (score, place, tracker) in enumerate(ranked):
        values = 100 * np.array([tracker.attributes.get(a, {}).get(measure.name, np.nan) for a in counts])
        if not np.isfinite(values).any():
            continue
        lowest, highest = min(lowest, np.nanmin(values)), max(highest, np.nanmax(values))
        ring, order = np.append(values, values[0]), 3 - rank / len(ranked)
        line = _line(axes, closed, ring, plot_style(place), zorder=order, lw=1.3, marker=plot_style(place).marker, ms=3)
        if len(evaluation.trackers) == 1:
            axes.fill(closed, np.nan_to_num(ring), color=plot_style(place).colour, alpha=0.12, lw=0)
        entries.append((line, f"{_named(tracker)} [{100 * score:.1f}]"))
    # From a round figure below the worst on: from 0 the differences would hardly be seen.
    bottom = max(0.0, 10 * np.floor((lowest - 8) / 10))
    top = max(bottom + 10, 10 * np.ceil(highest / 10))
    rings = np.arange(bottom, top + 1, 10 if top - bottom <= 50 else 20)[1:]
    axes.set(theta_offset=np.pi / 2, theta_direction=-1, ylim=(bottom, top))
    axes.set_rgrids(rings, [f"{ring:.0f}" for ring in rings], angle=180 / len(counts), fontsize=7, color=_INK, zorder=4)
    axes.set_xticks(angles, [f"{attribute}\n({count})" for attribute, count in counts.items()])
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        side = np.sin(angle)
        label.set_horizontalalignment("center" if abs(side) < 0.2 else "left" if side > 0 else "right")
    axes.tick_params(axis="x", pad=1)
    axes.spines["polar"].set_color(_GRID)
    axes.set_title(f"{measure.name} [%] by attribute", pad=14)
    axes.legend(*zip(*entries, strict=True), loc="upper left", bbox_to_anchor=(1.16, 1.0), borderaxespad=0)
    return Plot("attributes", f"{measure.name} by attribute (in brackets: sequences) on {evaluation.dataset}", figure)


def _speed(evaluation: Evaluation) -> Plot:
    measure = evaluation.measures[-1]
    figure, axes = _axes()
    entries: list[tuple[Artist, str]] = []
    rates = []
    for score, place, tracker in _ranked(evaluation, lambda tracker: tracker.scores.get(measure.name, np.nan)):
        if not tracker.frame_ms or not np.isfinite(score):
            continue
        rate, style = 1e3 / tracker.frame_ms, plot_style(place)
        hollow = bool(style.dashes)
        options: dict[str, Any] = {
            "mfc": _PAPER if hollow else style.colour,
            "mec": style.colour,
            "mew": 1.4,
            "ms": 7.5,
            "zorder": 3,
        }
        (point,) = axes.plot([rate], [100 * score], style.marker, **options)
        rates.append(rate)
        entries.append((point, f"{_named(tracker)} [{100 * score:.1f}, {_figure(rate)} FPS]"))
    if evaluation.rate:
        axes.axvline(evaluation.rate, color=_INK, lw=0.7, ls=":", zorder=1)
        rates.append(evaluation.rate)
        at: dict[str, Any] = {"xytext": (3, -3), "textcoords": "offset points", "va": "top", "fontsize": 7}
        axes.annotate("camera", (evaluation.rate, 1), xycoords=axes.get_xaxis_transform(), **at)
    axes.set_xscale("log")
    low, high = (min(rates), max(rates)) if rates else (1.0, 100.0)
    axes.set(xlim=(low / 1.6, high * 1.6))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _figure(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.15)
    axes.set(title="Speed and accuracy", xlabel="frames per second", ylabel=f"{measure.name} [%]")
    _legend(axes, entries, None)
    return Plot("speed", f"{measure.name} against frames per second on {evaluation.dataset}", figure)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    return figure, figure.subplots()


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, style: PlotStyle, lw: float = 1.6, **options: Any) -> Artist:
    if style.dashes:
        options["dashes"] = style.dashes
    (line,) = axes.plot(x, y, color=style.colour, lw=lw, **options)
    return line


def _ranked(
    evaluation: Evaluation, figure_of: Callable[[TrackerScores], float]
) -> list[tuple[float, int, TrackerScores]]:
    """`(figure, place among the trackers, tracker)`, best first; those without a figure last."""
    rows = [(float(figure_of(tracker)), place, tracker) for place, tracker in enumerate(evaluation.trackers)]
    return sorted(rows, key=lambda row: (-np.nan_to_num(row[0], nan=-1.0), row[1]))


def _legend(axes: Axes, entries: list[tuple[Artist, str]], corner: Literal["lower left", "lower right"] | None) -> None:
    """Inside, in the corner that such curves leave free, or beside the plot where it would cover them."""
    if not entries:
        return
    artists, labels = [artist for artist, _ in entries], [label for _, label in entries]
    if corner and len(entries) <= _INSIDE and max(map(len, labels)) <= _LONG:
        axes.legend(artists, labels, loc=corner)
    else:
        axes.legend(artists, labels, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0)


def _named(tracker: TrackerScores) -> str:
    """Its label, with the mark of a score that rests on too little."""
    return _short(tracker.label) + mark(tracker.covered)


def _short(label: str) -> str:
    if len(label) > _LONGEST:
        label = f"{label[: _LONGEST // 2]}…{label[-_LONGEST // 2 + 1 :]}"
    return f"\u2009{label}" if label.startswith("_") else label  # matplotlib leaves such names out of legends


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
