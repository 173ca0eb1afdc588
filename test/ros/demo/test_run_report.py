"""The report of a run: when a target counts as lost, what the summary says, what the files hold."""

import csv
import json

import cv2
import numpy as np
import pytest

from ckd_ros.ros.demo.run_report import DemoRun, TimedResult, write_summary
from ckd_ros.tracking import TrackResult, TrackState

RATE = 10.0
BOX, ELSEWHERE = np.array([10.0, 10, 20, 20]), np.array([100.0, 100, 20, 20])


def result(box=BOX, state=TrackState.TRACKING, latency=0.02, total=0.01):
    return TimedResult(TrackResult(box, box, 0.7, state, True, True, total_s=total), latency)


def truth(count, hidden=()):
    boxes = np.tile(BOX, (count, 1))
    boxes[list(hidden)] = np.nan
    return boxes


def test_summary_counts_frames_without_a_result_as_dropped_and_leaves_them_out():
    run = DemoRun([result(latency=0.01), None, result(latency=0.03), result(latency=0.02)], truth(4), RATE)
    summary = run.summary()
    assert (summary["frames"], summary["pairs"], summary["dropped"]) == (4, 3, 1)
    assert summary["mean_iou"] == 1.0
    assert summary["success_auc"] == pytest.approx(20 / 21, abs=1e-4)
    assert summary["latency_ms_median"] == pytest.approx(20)
    assert summary["lost"] is None and summary["final_state"] == "TRACKING"


def test_a_frame_that_the_source_lost_an_image_of_is_not_dropped():
    summary = DemoRun([result(), None, None, result()], truth(4), RATE, incomplete=[1, 3]).summary()
    assert (summary["frames"], summary["pairs"], summary["dropped"]) == (4, 2, 1)


def test_without_truth_there_are_no_scores():
    for unknown in (None, np.full((2, 4), np.nan)):
        summary = DemoRun([result(), result()], unknown, RATE).summary()
        assert summary["mean_iou"] is None and summary["success_auc"] is None and summary["lost"] is None


def test_a_machine_that_is_too_slow_is_told_so_in_a_sentence():
    run = DemoRun([result(total=0.2), None] * 10, truth(20), RATE)
    assert run.slow() == ("this machine was too slow for 10 frames a second: 10 of 20 were dropped; RATE=4 would help")
    assert "fewer other programs" in DemoRun([result(total=0.01), None] * 10, truth(20), RATE).slow()
    assert DemoRun([result()] * 20, truth(20), RATE).slow() is None
    assert DemoRun([result(), None] * 10, truth(20), RATE, incomplete=range(20)).slow() is None


def test_a_run_without_any_result_is_lost():
    run = DemoRun([None, None], truth(2), RATE)
    assert "IDLE" in run.lost() and run.summary()["latency_ms_median"] is None


@pytest.mark.parametrize("known", [truth(3), None])
def test_lost_when_the_tracker_ends_so(known):
    run = DemoRun([result(), result(), result(state=TrackState.LOST)], known, RATE)
    assert "LOST" in run.lost()


def test_not_lost_when_the_tracker_found_it_again():
    assert DemoRun([result(), result(ELSEWHERE, TrackState.LOST), result()], truth(3), RATE).lost() is None


def test_lost_when_no_box_of_the_last_second_touches_the_target():
    count = int(RATE)
    assert "10 frames" in DemoRun([result()] * 3 + [result(ELSEWHERE)] * count, truth(3 + count), RATE).lost()
    assert DemoRun([result()] * 4 + [result(ELSEWHERE)] * (count - 1), truth(3 + count), RATE).lost() is None


def test_a_target_out_of_sight_at_the_end_may_be_lost():
    run = DemoRun([result()] * 5 + [result(state=TrackState.LOST)] * 15, truth(20, hidden=range(5, 20)), RATE)
    assert run.lost() is None


def test_files(tmp_path):
    run = DemoRun([result(), None, result(state=TrackState.UNCERTAIN)], truth(3, hidden=[2]), RATE)
    run.write_table(tmp_path / "track.csv")
    with open(tmp_path / "track.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["TRACKING", "", "UNCERTAIN"]
    assert [row["overlap"] for row in rows] == ["1.0000", "", "nan"]
    assert rows[0]["w"] == "20.00" and rows[0]["latency_ms"] == "20.000" and rows[1]["x"] == ""
    write_summary(tmp_path / "summary.json", run.summary())
    assert json.loads((tmp_path / "summary.json").read_text())["pairs"] == 2


def test_dropped_frames_are_marked_in_the_plot(tmp_path):
    def red(results):
        DemoRun(results, truth(3), RATE).plot(tmp_path / "plot.png", "a title")
        blue, green, red = np.moveaxis(cv2.imread(str(tmp_path / "plot.png")).astype(int), -1, 0)
        return int(((red > 150) & (blue < 100) & (green < 100)).sum())

    assert red([result(), None, result()]) > red([result()] * 3)


@pytest.mark.parametrize("known", [truth(3, hidden=[1]), None])
def test_plot(tmp_path, known):
    DemoRun([result(), None, result()], known, RATE).plot(tmp_path / "plot.png", "a title")
    assert cv2.imread(str(tmp_path / "plot.png")).shape[1] > 800
