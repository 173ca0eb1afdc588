"""Who is taken for whom where two targets meet, and the rows of the table that need no scene."""

import json
from collections import Counter

import measured_once
import numpy as np
import pytest
import robustness
from several_targets import APART, count_meetings


def crossing(length=60):
    """`(N, 2, 4)` true boxes of two that walk past one another."""
    boxes = np.empty((length, 2, 4))
    for frame in range(length):
        boxes[frame] = [[10 + 3 * frame, 50, 20, 40], [190 - 3 * frame, 50, 20, 40]]
    return boxes


def exchanged(boxes, frame):
    changed = boxes.copy()
    changed[frame:] = changed[frame:, ::-1]
    return changed


def test_two_that_pass_and_stay_themselves_are_a_meeting_and_nothing_more():
    truth = crossing()
    counts = count_meetings(truth, truth)
    assert counts == Counter(meetings=1, seen=120, own=120)


def test_an_exchange_and_one_that_follows_the_other_are_told_apart():
    truth = crossing()
    both = count_meetings(exchanged(truth, 30), truth)
    assert (both["meetings"], both["taken over"], both["exchanged"]) == (1, 1, 1)
    one = truth.copy()
    one[30:, 0] = truth[30:, 1]
    counts = count_meetings(one, truth)
    assert (counts["meetings"], counts["taken over"], counts["exchanged"]) == (1, 1, 0)


def test_what_was_lost_before_or_never_parts_is_no_meeting():
    truth = crossing()
    lost = truth.copy()
    lost[:, 0, 1] += 200
    assert count_meetings(lost, truth)["meetings"] == 0
    begins = np.argmax(truth[:, 0, 0] + 20 > truth[:, 1, 0])
    assert count_meetings(truth[: begins + APART], truth[: begins + APART])["meetings"] == 0


def test_a_row_that_needs_no_scene_is_measured_once(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_once, "_FRAMES", 6)
    monkeypatch.setattr(measured_once, "_SEQUENCES", 0)
    file = tmp_path / "table.json"
    robustness.main(json_file=file, rows=("four targets",))
    found = {one["figure"]: one for one in json.loads(file.read_text())["figures"]}
    assert set(found) == set(robustness.ONCE["four targets"][1])
    assert all(len(one["scenes"]) == 1 and np.isfinite(one["value"]) for one in found.values())


def test_a_row_of_recordings_without_them_is_refused_before_anything_is_measured():
    with pytest.raises(ValueError, match="'calibration' is of recordings: give their folder with --data"):
        robustness.main(rows=("rates", "calibration"))
