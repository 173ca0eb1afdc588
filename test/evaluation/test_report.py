"""The report of an evaluation: what it shows, what it leaves out, and that it is written whole or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from small_evaluation import BROKEN, LOST_FROM, MISCHIEF, evaluate, write_sequences

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.report import write_report
from ckd_ros.evaluation.report.charts import hidden_spans, overlap_path
from ckd_ros.evaluation.report.figures import plots
from ckd_ros.evaluation.report.filmstrips import draw_strip, strip_frames
from ckd_ros.evaluation.report.styles import COLOURS, plot_style
from ckd_ros.evaluation.report.tables import plain


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return write_sequences(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def evaluation(sequences):
    return evaluate(sequences)


@pytest.fixture(scope="module")
def out(evaluation, sequences, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    write_report(evaluation, out, sequences)
    return out


@pytest.fixture(scope="module")
def page(out) -> str:
    return (out / "report.html").read_text()


class Elements(HTMLParser):
    """Every element's name and attributes, and the texts of `script`."""

    def __init__(self, text: str):
        super().__init__()
        self.all, self.scripts, self._open = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open == "script":
            self.scripts.append(data)


def test_every_plot_is_there_for_a_paper(out):
    names = ["success", "precision", "normalised_precision", "attributes", "speed"]
    assert {p.name for p in (out / "plots").iterdir()} == {f"{n}.{form}" for n in names for form in ("png", "pdf")}
    for name in names:
        image = cv2.imread(str(out / "plots" / f"{name}.png"))
        assert min(image.shape[:2]) > 500 and image.std() > 5
        assert (out / "plots" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_legends_rank_trackers_by_the_plots_own_figure(evaluation):
    for plot, measure in zip(plots(evaluation), evaluation.measures, strict=False):
        texts = [text.get_text() for text in plot.figure.axes[0].get_legend().get_texts()]
        figures = [float(re.search(r"\[([\d.]+)\]$", text)[1]) for text in texts]
        assert figures == sorted(figures, reverse=True) and len(figures) == 3
        best = max(evaluation.trackers, key=lambda t: t.scores[measure.name])
        assert texts[0] == f"{best.label} [{100 * best.scores[measure.name]:.1f}]"


def test_a_tracker_has_its_colour_everywhere(evaluation, page):
    for place, tracker in enumerate(evaluation.trackers):
        for plot in plots(evaluation)[:3]:
            axes = plot.figure.axes[0]
            handles = {t.get_text(): h for t, h in zip(axes.get_legend().get_texts(), axes.get_lines(), strict=False)}
            line = next(line for text, line in handles.items() if text.startswith(tracker.label))
            assert line.get_color() == plot_style(place).colour
        assert f".t{place} {{ stroke: {plot_style(place).colour};" in page


def test_looks_differ_for_more_trackers_than_there_are_colours():
    looks = [plot_style(place) for place in range(4 * len(COLOURS))]
    assert len({(style.colour, style.dashes) for style in looks}) == len(looks)


def test_what_is_not_known_has_no_section(sequences, tmp_path):
    one = evaluate(sequences, trackers=1, attributes=2)
    one = replace(one, faults={}, trackers=(replace(one.trackers[0], frame_ms=None, frame_ms_p95=None),))
    assert [plot.name for plot in plots(one)] == ["precision", "normalised_precision", "success"]
    write_report(one, tmp_path, {})
    html, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert 'id="speed"' not in html and "## Speed" not in text
    assert 'class="strip"' not in html and "data:image" not in html
    nothing = replace(one, attributes={}, trackers=())
    write_report(nothing, tmp_path, {})
    assert "hard0" not in (tmp_path / "report.md").read_text()


def test_a_plot_that_the_new_report_has_not_goes(evaluation, sequences, tmp_path):
    write_report(evaluation, tmp_path, {})
    assert (tmp_path / "plots" / "attributes.png").exists()
    (tmp_path / "plots" / "mine.png").write_bytes(b"")
    write_report(evaluate(sequences, trackers=1, attributes=0), tmp_path, {})
    assert not (tmp_path / "plots" / "attributes.png").exists() and (tmp_path / "plots" / "mine.png").exists()


def test_markdown_gives_percent_and_marks_the_best(evaluation, out):
    text = (out / "report.md").read_text()
    best = evaluation.trackers[0]
    assert best.label == "good"
    row = next(line for line in text.splitlines() if line.startswith("| good |"))
    assert f"| **{100 * best.scores['SR']:.1f}** |" in row and "| 3/3 |" in row
    for name in ("success", "precision", "attributes", "speed"):
        assert f"(plots/{name}.pdf)" in text


def test_faults_are_counted_and_named(out):
    text = (out / "report.md").read_text()
    assert "10 of 13 sequences cannot be used" in text
    # the missing ones in one line, with every name
    line = next(line for line in text.splitlines() if "gone0" in line)
    assert line.startswith("- 9 sequences: no folder /data/… with visible/") and "gone8" in line
    assert "- bad: line 3" in text
    assert "frame 17: damaged" in text and "no result for 1 of 3 sequences" in text


def test_scores_that_rest_on_little_are_marked_wherever_they_stand(evaluation, out, page):
    """The tracker of mischief has no result for one sequence of three."""
    marked = [tracker for tracker in evaluation.trackers if tracker.covered < 0.9]
    assert [tracker.label for tracker in marked] == [MISCHIEF]
    figure = f"{100 * marked[0].scores['SR']:.1f}"
    row = next(line for line in (out / "report.md").read_text().splitlines() if "alert" in line)
    assert rf"{figure}\*" in row and f"{figure}*</td>" in page
    for text in ((out / "report.md").read_text(), page):
        assert "rests on less than 90 % of the truth" in text
    assert any(f"{MISCHIEF[:5]}" in text and "* [" in text for text in legend(evaluation))
    assert not any("good*" in text for text in legend(evaluation))


def legend(evaluation):
    return [text.get_text() for text in plots(evaluation)[0].figure.axes[0].get_legend().get_texts()]


def test_names_of_users_do_no_mischief(out, page):
    elements = Elements(page)
    assert len(elements.scripts) == 1 and "alert" not in elements.scripts[0]
    assert "alert" in page  # the name is there, as text
    assert BROKEN.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page
    row = next(line for line in (out / "report.md").read_text().splitlines() if "alert" in line)
    assert "<script" not in row and r"\|" in row


def test_plain_text_stays_plain_in_markdown():
    assert plain("a|b\n*c* <d> snake_case _e_") == r"a\|b \*c\* &lt;d> snake_case \_e\_"


def test_the_page_asks_for_nothing_and_its_links_lead_somewhere(page, out):
    elements = Elements(page).all
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements:
        assert tag not in ("iframe", "object", "embed")
        for name in ("src", "srcset", "href", "xlink:href"):
            target = attributes.get(name, "")
            if name == "src" and target:
                assert target.startswith("data:")
            elif target.startswith("#"):
                assert target[1:] in ids
            elif target and not target.startswith("data:"):
                place = out / unquote(target)
                assert place.is_dir() if target.endswith("/") else place.is_file(), target
    assert "http-equiv" in page and "default-src 'none'" in page
    assert not re.search(r"url\((?!#)", page) and "@import" not in page


def test_the_worst_sequence_of_the_tracker_run_here_comes_first(evaluation, page):
    good = evaluation.trackers[0].sequences
    order = re.findall(r"<h3>(.*?) <small>\d+ frames", page)
    escaped = {name: name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for name in good}
    assert order == [escaped[name] for name in sorted(good, key=lambda name: good[name].scores["SR"])]


def test_the_same_evaluation_gives_the_same_files(evaluation, sequences, out):
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    write_report(evaluation, out, sequences)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_a_report_that_fails_leaves_the_older_one(evaluation, sequences, out):
    before = {path: path.read_bytes() for path in out.rglob("*.*")}

    class Unexpected(type(sequences["plain"])):
        def truth(self, index):
            raise RuntimeError("a fault in this program")

    broken = Unexpected(sequences["plain"].folder)
    with pytest.raises(RuntimeError):
        write_report(evaluate(sequences, trackers=1), out, {"plain": broken})
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_many_trackers_have_their_legend_beside_the_plot(sequences):
    figure = plots(evaluate(sequences, trackers=12))[0].figure
    axes = figure.axes[0]
    figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1


def test_frames_of_a_strip_are_the_first_and_the_worst():
    overlap = np.full(51, 0.8)
    overlap[25:30] = 0.0
    overlap[45] = 0.1
    frames = strip_frames(overlap)
    assert frames[0] == 0 and 25 in frames and 45 in frames
    assert frames == sorted(set(frames)) and len(frames) == 6
    assert strip_frames(np.full(51, np.nan))[0] == 0
    assert strip_frames(np.array([1.0])) == [0]
    assert strip_frames(np.array([1.0, np.nan])) == [0, 1]


def test_a_strip_shows_boxes_and_truth_in_both_images(sequences):
    sequence = sequences["plain"]
    boxes = np.tile([20.0, 20.0, 60.0, 50.0], (len(sequence), 1))
    (bare,), (tile,) = (draw_strip(sequence, [3], b) for b in ([], [((0, 0, 255), boxes)]))
    assert tile.files == sequence.files(3) and not tile.fault
    pictures = [cv2.imdecode(np.frombuffer(t.jpeg, np.uint8), cv2.IMREAD_COLOR) for t in (bare, tile)]
    assert pictures[1].shape[:2] == tile.size[::-1]
    red = (pictures[1][..., 2].astype(int) - pictures[1][..., 1] > 90) & (pictures[0] != pictures[1]).any(axis=2)
    half = len(red) // 2
    assert red[:half].sum() > 60 and red[half:].sum() > 60
    scale = tile.size[0] / 160
    for axis in (0, 1):  # edges are where a column or a row is red at length
        edges = np.flatnonzero(red[:half].sum(axis=axis) > 25)
        assert abs(edges.min() - 20 * scale) < 3 and abs(edges.max() - (80, 70)[axis] * scale) < 3


def test_a_damaged_image_gives_a_grey_tile_with_the_reason(sequences):
    good, bad = draw_strip(sequences[BROKEN], [3, LOST_FROM], [])
    assert "is not an image that OpenCV reads" in bad.fault and bad.size == good.size
    picture = cv2.imdecode(np.frombuffer(bad.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.ptp(picture, axis=2).max() < 12 and abs(np.median(picture) - 96) < 4


def test_a_source_that_cannot_jump_is_read_once():
    starts = []

    class Counted(SimulatedSequence):
        def frames(self):
            starts.append(self)
            return super().frames()

    sequence = Counted(SimulatorConfig(frames=12, width=160, height=128, thermal_width=80, thermal_height=64))
    tiles = draw_strip(sequence, [0, 4, 11, 30], [])
    assert [tile.frame for tile in tiles] == [0, 4, 11] and len(starts) == 1
    again = draw_strip(sequence, [4], [])
    assert tiles[1].jpeg == again[0].jpeg


def test_the_overlap_chart_keeps_every_failure_and_breaks_where_the_target_is_hidden():
    overlap = np.full(6000, 0.9)
    overlap[2345] = 0.0
    overlap[4000:4400] = np.nan
    path = overlap_path(overlap)
    assert len(path) < 3000
    points = [tuple(map(int, p.split())) for p in re.findall(r"[ML](\d+ \d+)", path)]
    assert any(y == 100 and abs(x - 600 * 2345 / 5999) < 2 for x, y in points)
    assert path.count("M") == 2
    assert hidden_spans(overlap) == [(400, 40)]
    assert overlap_path(np.full(5, np.nan)) == "" and hidden_spans(np.full(5, np.nan)) == []


def test_truth_in_every_tenth_frame_is_one_line():
    overlap = np.full(1000, np.nan)
    overlap[::10] = 0.5
    assert overlap_path(overlap).count("M") == 1
    assert hidden_spans(overlap) == []


def test_the_page_of_a_benchmark_stays_small(sequences, tmp_path):
    """245 sequences of 6 trackers, with the pictures of the worst ones."""
    small = evaluate(sequences, trackers=6)
    names = [f"sequence-{number}" for number in range(245)]
    random = np.random.default_rng(0)
    overlaps = np.clip(np.cumsum(random.normal(0, 0.1, (8, 900)), axis=1) % 1.0, 0, 1)

    def results(tracker):
        given = tracker.sequences["plain"]
        return {name: replace(given, name=name, overlap=overlaps[n % 8]) for n, name in enumerate(names)}

    trackers = tuple(replace(tracker, sequences=results(tracker)) for tracker in small.trackers)
    large = replace(small, lengths=dict.fromkeys(names, 900), trackers=trackers)
    write_report(large, tmp_path, dict.fromkeys(names, sequences["plain"]))
    page = (tmp_path / "report.html").read_text()
    assert len(page) < 15e6
    assert page.count('class="strip"') == 12 and page.count('class="sequence"') == 245


def test_mischief_is_shown_as_it_is_in_plots(evaluation):
    texts = [t.get_text() for t in plots(evaluation)[0].figure.axes[0].get_legend().get_texts()]
    assert any(text.startswith(MISCHIEF) for text in texts)
