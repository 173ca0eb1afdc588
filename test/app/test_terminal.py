"""What a person sees while something runs, on a terminal and in a log."""

import io
import re

import pytest
from rich.console import Console

from ckd_ros.app import terminal

SCORES = {"ckd": 0.71, "csrt-thermal": 0.653, "another-tracker-with-a-long-label": 0.5}


@pytest.fixture
def screen(monkeypatch):
    def make(**settings):
        made = Console(file=io.StringIO(), **settings)
        monkeypatch.setattr(terminal, "console", lambda: made)
        return made

    return make


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_keeps_the_time_left_however_narrow_the_terminal(screen, width):
    made = screen(force_terminal=True, width=width)
    with terminal.evaluation_progress("evaluate simulator") as on_progress:
        for done in (1000, 40000):
            on_progress(done, 123456, SCORES)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", made.file.getvalue())
    assert re.search(r"40000/123456 0:00:0\d (\d:\d\d:\d\d|-:--:--)", shown)
    assert all(f"{label} {100 * score:.1f}" in " ".join(shown.split()) for label, score in SCORES.items())


def test_progress_in_a_log_is_a_line_every_half_minute(screen, monkeypatch):
    made, now = screen(width=80), [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.evaluation_progress("evaluate simulator") as on_progress:
        for second in range(0, 61):
            now[0] = 100.0 + second
            on_progress(200 + 10 * second, 1000, {"ckd": 0.71} if second > 20 else {})
        on_progress(1000, 1000, {"ckd": 0.7})
    assert made.file.getvalue().splitlines() == [
        "evaluate simulator: 200 of 1000 frames",
        "evaluate simulator: 500 of 1000 frames, 0:00:50 left, ckd 71.0",
        "evaluate simulator: 800 of 1000 frames, 0:00:20 left, ckd 71.0",
        "evaluate simulator: 1000 of 1000 frames, ckd 70.0",
    ]
