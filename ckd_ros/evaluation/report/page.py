"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.report import charts, tables
from ckd_ros.evaluation.report.faults import fault_groups
from ckd_ros.evaluation.report.figures import Plot
from ckd_ros.evaluation.report.filmstrips import Tile, draw_strip, image_files, strip_frames
from ckd_ros.evaluation.report.marks import mark, meaning
from ckd_ros.evaluation.report.styles import COLOURS, plot_style
from ckd_ros.evaluation.scores import Evaluation, SequenceScores

#: Sequences that are shown first, with frames, those in which the tracker that is looked at does worst.
WORST = 12
#: Up to this many sequences all of them have frames.
ALL_STRIPS = 40


def page(evaluation: Evaluation, plots: list[Plot], sequences: Mapping[str, FrameSequence], out: Path) -> str:
    """The HTML text; links to images of `sequences` are relative to the folder `out`."""
    report = _Report(evaluation, sequences, Path(out))
    order = report.worst_first
    titled = {plot.name: (plot.title, Markup(plot.svg())) for plot in plots}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=tables.percent, number=tables.number, mark=mark)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        evaluation=evaluation,
        measure=evaluation.measures[-1],
        styles=[plot_style(place) for place in range(len(evaluation.trackers))],
        focus=report.focus,
        frames=sum(evaluation.lengths.values()),
        plots=titled,
        scores=tables.score_table(evaluation),
        meaning=meaning(evaluation),
        robot=tables.robot_table(evaluation),
        speed=tables.speed_table(evaluation),
        attributes=tables.attribute_table(evaluation),
        sequences=tables.sequence_table(evaluation, order, report.ids) if order else None,
        worst=[report.section(name) for name in order[:WORST]],
        others=[report.section(name) for name in order[WORST:]],
        boxed=len(COLOURS),
        faults=fault_groups(evaluation),
        settings=[(place, _pretty(t.settings)) for place, t in enumerate(evaluation.trackers) if t.settings],
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


@dataclass(frozen=True)
class _Result:
    """One tracker on one sequence, as its section shows it."""

    place: int
    scores: SequenceScores
    score: float | None
    path: str


@dataclass(frozen=True)
class _Picture:
    """One tile of a strip, embedded, with links to the images it was made of."""

    tile: Tile
    source: str
    overlap: float | None
    links: list[tuple[str, str]]


@dataclass(frozen=True)
class _SequenceSection:
    """The section of the page about one sequence."""

    name: str
    id: str
    frames: int
    attributes: list[str]
    results: list[_Result]
    missing: list[int]
    hidden: list[tuple[int, int]]
    ticks: list[tuple[int, float]]  # frame number, and where it is in percent of the chart's width
    frame_positions: list[int] = field(default_factory=list)
    pictures: list[_Picture] = field(default_factory=list)
    folders: list[tuple[str, str]] = field(default_factory=list)


class _Report:
    def __init__(self, evaluation: Evaluation, sequences: Mapping[str, FrameSequence], out: Path) -> None:
        self.evaluation, self.sequences, self.out = evaluation, sequences, out
        self.measure = evaluation.measures[-1].name
        self.ids = {name: f"sequence-{number}" for number, name in enumerate(evaluation.lengths, start=1)}

    @cached_property
    def focus(self) -> int | None:
        """Place of the tracker whose failures are shown; None if no tracker has a result."""
        places = {tracker.label: n for n, tracker in enumerate(self.evaluation.trackers) if tracker.sequences}
        if self.evaluation.focus in places:
            return places[self.evaluation.focus]
        return min(places.values(), default=None)

    @cached_property
    def worst_first(self) -> list[str]:
        """Names of all sequences, those that the tracker in focus has no result for at the end."""

        def score(name: str) -> float:
            results = {} if self.focus is None else self.evaluation.trackers[self.focus].sequences
            value = results[name].scores.get(self.measure) if name in results else None
            return value if tables.is_known(value) else np.inf

        return sorted(self.evaluation.lengths, key=score)

    @cached_property
    def with_strips(self) -> set[str]:
        names = self.worst_first
        return set(names if len(names) <= ALL_STRIPS else names[:WORST])

    def section(self, name: str) -> _SequenceSection:
        results, missing = [], []
        for place, tracker in enumerate(self.evaluation.trackers):
            scores = tracker.sequences.get(name)
            if scores is None:
                missing.append(place)
            else:
                path = charts.overlap_path(scores.overlap)
                results.append(_Result(place, scores, scores.scores.get(self.measure), path))
        shown = next((r for r in results if r.place == self.focus), results[0] if results else None)
        attributes = [a for a, names in self.evaluation.attributes.items() if name in names]
        count = self.evaluation.lengths[name]
        hidden = [] if shown is None else charts.hidden_spans(shown.scores.overlap)
        numbers = charts.frame_ticks(count)
        places = [100 * x / charts.WIDTH for x in charts.frame_positions(numbers, count)]
        ticks = list(zip(numbers, places, strict=True))
        section = _SequenceSection(name, self.ids[name], count, attributes, results, missing, hidden, ticks)
        if name in self.sequences:
            files = image_files(self.sequences[name], 0)
            section.folders.extend(self._links(file and file.parent for file in files))
        if shown is not None and name in self.sequences and name in self.with_strips:
            section.pictures.extend(self._pictures(self.sequences[name], shown, results))
            section.frame_positions.extend(
                charts.frame_positions([picture.tile.frame for picture in section.pictures], count)
            )
        return section

    def _pictures(self, sequence: FrameSequence, shown: _Result, results: Iterable[_Result]) -> Iterable[_Picture]:
        # On top the tracker that is looked at; as many as have a colour of their own.
        drawn = [shown, *(r for r in results if r is not shown and r.place < len(COLOURS))]
        boxes = [(plot_style(r.place).bgr, r.scores.boxes) for r in drawn]
        overlap = shown.scores.overlap
        for tile in draw_strip(sequence, strip_frames(overlap), boxes):
            yield _Picture(
                tile,
                f"data:image/jpeg;base64,{b64encode(tile.jpeg).decode()}",
                float(overlap[tile.frame]) if np.isfinite(overlap[tile.frame]) else None,
                self._links(tile.files),
            )

    def _links(self, paths: Iterable[Path | None]) -> list[tuple[str, str]]:
        """Name and relative link of the colour and of the thermal one of `paths`, if there is one."""
        both = zip(("colour", "thermal"), paths, strict=True)
        return [(name, quote(os.path.relpath(path, self.out))) for name, path in both if path is not None]


def _pretty(settings: dict[str, object]) -> str:
    return json.dumps(settings, indent=2, ensure_ascii=False, default=str)
