"""The interface files document themselves, and their constants are the tracker's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")])


def undocumented(text: str) -> list[str]:
    """Fields and constants without a comment on their line, or in the block of lines above them."""
    missing, explained = [], False
    for line in text.splitlines():
        if not line.strip() or line == "---":
            explained = False
        elif line.startswith("#"):
            explained = True
        elif not explained and "#" not in line:
            missing.append(line)
    return missing


def constants(name: str) -> dict[str, int]:
    return {
        key: int(value) for key, value in re.findall(r"^uint8 ([A-Z]+)=(\d+)", (ROOT / name).read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_field_is_documented(path):
    assert undocumented(path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_units_are_given(path):
    measured = re.search(r"^(float|BoundingBox|builtin_interfaces)", path.read_text(), re.MULTILINE)
    assert not measured or re.search(r"pixel|second", path.read_text())


def test_states_of_a_track_are_those_of_the_tracker():
    tracking = pytest.importorskip("ckd_ros.tracking")
    assert constants("msg/Track.msg") == {state.name: int(state) for state in tracking.TrackState}


def test_generated_messages_have_the_constants_of_the_files():
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: make setup")
    from ckd_ros.msg import Track
    from ckd_ros.srv import InitTarget

    assert {name: getattr(Track, name) for name in constants("msg/Track.msg")} == constants("msg/Track.msg")
    assert (InitTarget.Request.RGB, InitTarget.Request.THERMAL) == (0, 1)
