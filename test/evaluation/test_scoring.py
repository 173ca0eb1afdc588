"""From boxes to an evaluation and its JSON: who is best, what is missing, and what went wrong."""

import json

import numpy as np
import pytest

pytest.importorskip("rgbt", reason="metrics come with the package rgbt")

from rich.console import Console

from ckd_ros.app.terminal import fault_lines, scores_table
from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.protocols import protocol_for
from ckd_ros.evaluation.report.marks import meaning
from ckd_ros.evaluation.report.tables import score_table
from ckd_ros.evaluation.result_files import BOX_FORMATS, TrackerResults, read_results, write_result
from ckd_ros.evaluation.scoring import as_json, evaluate_results
from ckd_ros.evaluation.truth import Truth

FOLDER = protocol_for("folder")
TRUTH = np.tile([100.0, 100, 20, 20], (8, 1)) + np.arange(8)[:, None] * [4, 0, 0, 0]
TRUTH[4] = np.nan
TRUTHS = {"a": Truth(TRUTH), "b": Truth(TRUTH + [50, 0, 0, 0]), "c": Truth(TRUTH + [0, 50, 0, 0])}
RATES = dict.fromkeys(TRUTHS, 10.0)


def done(boxes, seconds=np.nan, faults=()) -> OnePassResult:
    return OnePassResult(boxes.copy(), np.full(len(boxes), seconds), np.full(len(boxes), np.nan), tuple(faults))


def results(label, off, names="abc", **more) -> TrackerResults:
    """A tracker that is `off` pixels to the side of the truth."""
    shift = np.array([0, off, 0, 0])
    return TrackerResults(label, {name: done(TRUTHS[name].rgb + shift, **more) for name in names})


@pytest.fixture(scope="module")
def evaluation():
    halfway = results("halfway", 1, "ac")
    halfway.faults["b"] = "b.txt is empty"
    worst = TrackerResults("none", {}, {"": "no result at all"})
    attributes = {"rain": ["a", "c"], "snow": ["d"]}
    return evaluate_results(
        EvaluationSet(FOLDER, TRUTHS, RATES, {"d": "no truth"}, attributes=attributes),
        [worst, results("far", 15, seconds=0.15), halfway, results("near", 0, seconds=0.01)],
    )


def test_trackers_are_ranked_by_the_last_measure(evaluation):
    assert [tracker.label for tracker in evaluation.trackers] == ["near", "halfway", "far", "none"]
    assert evaluation.trackers[0].scores["SR"] == pytest.approx(20 / 21)
    assert np.isnan(evaluation.trackers[-1].scores["SR"])


def test_a_tracker_without_a_result_is_scored_on_those_it_has(evaluation):
    halfway = evaluation.trackers[1]
    assert list(halfway.sequences) == ["a", "c"]
    assert halfway.faults == {"b": "b.txt is empty"}
    assert halfway.scores["SR"] == pytest.approx(np.mean([s.scores["SR"] for s in halfway.sequences.values()]))
    assert set(evaluation.trackers[-1].faults) == {"", "a", "b", "c"}


def test_the_json_says_how_many_of_how_many_and_names_the_missing(evaluation):
    values = json.loads(json.dumps(as_json(evaluation), allow_nan=False))
    assert values["sequences"] == 3
    assert values["frames"] == 24
    assert values["faults"] == {"d": "no truth"}
    near, halfway, _, none = values["trackers"]
    assert near["sequences"] == {"scored": 3, "of": 3, "missing": [], "with_faults": 0}
    assert halfway["sequences"] == {"scored": 2, "of": 3, "missing": ["b"], "with_faults": 0}
    assert none["scores"] == {"PR": None, "NPR": None, "SR": None}
    assert near["per_sequence"]["a"]["mean_iou"] == 1
    assert len(near["curves"]["SR"]) == len(values["measures"][2]["thresholds"]) == 21


def test_attributes_are_averaged_over_the_sequences_that_can_be_scored(evaluation):
    assert evaluation.attributes == {"rain": ["a", "c"]}  # no sequence with snow can be used
    near = evaluation.trackers[0]
    expected = np.mean([near.sequences[name].scores["SR"] for name in ("a", "c")])
    assert near.attributes["rain"]["SR"] == pytest.approx(expected)


def test_overlap_boxes_and_times_of_each_sequence_are_kept(evaluation):
    far, halfway = evaluation.trackers[2].sequences["a"], evaluation.trackers[1].sequences["a"]
    assert far.overlap == pytest.approx([1 / 7] * 4 + [np.nan] + [1 / 7] * 3, nan_ok=True)
    np.testing.assert_array_equal(far.boxes, TRUTH + [0, 15, 0, 0])
    assert halfway.seconds is None
    np.testing.assert_array_equal(far.seconds, np.full(8, 0.15))


def test_speed_is_the_median_of_a_frame_and_the_start_is_none():
    slow_start = done(TRUTH)
    slow_start.seconds[:] = [5, 0.01, 0.02, 0.03, np.nan, 0.04, 0.05, np.nan]
    scores = evaluate_results(
        EvaluationSet(FOLDER, {"a": TRUTHS["a"]}, RATES), [TrackerResults("t", {"a": slow_start})]
    )
    assert scores.trackers[0].frame_ms == pytest.approx(30)
    assert scores.trackers[0].frame_ms_p95 == pytest.approx(48)


def test_streaming_scores_the_box_at_hand_when_a_frame_arrives():
    def streaming(seconds, rate):
        scores = evaluate_results(
            EvaluationSet(FOLDER, {"a": TRUTHS["a"]}, RATES), [results("t", 0, "a", seconds=seconds)], rate
        )
        return scores.trackers[0].robot

    # The target moves by a fifth of its side a frame, so that a box of one frame before overlaps by 16 / 24. In the
    # frame after the gap there is no box, for the truth that this tracker repeats had none.
    keeps_pace = streaming(0.05, None)
    assert keeps_pace.streaming == pytest.approx((1 + 3 * 16 / 24 + 0 + 2 * 16 / 24) / 7)
    assert keeps_pace.processed == 1
    # At 0.15 s a frame it takes the frames 0, 1, 3, 4, 6 and 7, as they arrive 0.1 s apart.
    slower = streaming(0.15, None)
    assert slower.processed == 6 / 8
    assert slower.streaming < keeps_pace.streaming
    # Half as many frames a second, and it keeps pace again.
    assert streaming(0.15, 5.0).streaming == pytest.approx(keeps_pace.streaming)


def test_frames_that_a_tracker_was_not_shown_are_none_it_had_time_for():
    gave_up = done(TRUTH, 0.15)
    gave_up.seconds[4:], gave_up.boxes[4:] = np.nan, np.nan
    scores = evaluate_results(EvaluationSet(FOLDER, {"a": TRUTHS["a"]}, RATES), [TrackerResults("t", {"a": gave_up})])
    robot = scores.trackers[0].robot
    assert robot.processed == 3 / 4  # frames 0, 1 and 3
    assert robot.failures == 0  # it was lost while the target was out of sight
    assert robot.missed_returns == 1


def test_frames_before_the_start_are_no_part_of_the_streaming_score():
    late = done(TRUTH, 0.05)
    late.seconds[:2], late.boxes[:2] = np.nan, np.nan
    scores = evaluate_results(EvaluationSet(FOLDER, {"a": TRUTHS["a"]}, RATES), [TrackerResults("t", {"a": late})])
    # Frame 2 sees the first box of the truth, 8 pixels behind; frame 5 that of the gap, which is none.
    assert scores.trackers[0].robot.streaming == pytest.approx((12 / 28 + 16 / 24 + 0 + 16 / 24 + 16 / 24) / 5)


def test_robot_measures_use_the_annotated_frames_of_vtuav():
    sparse = np.full((61, 4), np.nan)
    sparse[::10] = [100, 100, 20, 20]
    sparse[30] = np.nan  # out of sight once
    boxes = np.tile([100.0, 100, 20, 20], (61, 1))
    boxes[40] = np.nan
    protocol = protocol_for("vtuav")
    truth = {"a": Truth(sparse, sparse, stride=10)}
    scores = evaluate_results(EvaluationSet(protocol, truth, {"a": 30.0}), [TrackerResults("t", {"a": done(boxes)})])
    robot = scores.trackers[0].robot
    assert (robot.returns, robot.missed_returns, robot.failures) == (1, 0, 0)
    assert robot.reacquired_s == pytest.approx(1 / 3)  # one annotated frame of three a second
    assert robot.longest_run_s == pytest.approx(1)


def test_the_better_truth_counts_for_overlap_where_the_benchmark_has_two():
    thermal = TRUTH + [100, 0, 0, 0]
    truth = {"a": Truth(TRUTH, thermal)}
    scores = evaluate_results(
        EvaluationSet(protocol_for("rgbt234"), truth, RATES), [TrackerResults("t", {"a": done(thermal)})]
    )
    overlap = scores.trackers[0].sequences["a"].overlap
    assert overlap == pytest.approx(np.where(np.isfinite(TRUTH[:, 0]), 1, np.nan), nan_ok=True)


def test_a_truth_without_a_target_and_notes_on_truth_are_reported():
    truths = {"a": Truth(TRUTH, note="not the official one"), "dark": Truth(np.full((8, 4), np.nan))}
    scores = evaluate_results(EvaluationSet(FOLDER, truths, RATES), [results("t", 0, "a")])
    assert "does not show the target in any frame" in scores.faults["dark"]
    assert list(scores.lengths) == ["a"]
    assert scores.trackers[0].sequences["a"].faults == ("not the official one",)
    assert scores.trackers[0].faults == {}


def test_faults_of_a_pass_are_counted():
    damaged = TrackerResults("t", {"a": done(TRUTH, faults=["frame 3: torn"])})
    values = as_json(evaluate_results(EvaluationSet(FOLDER, TRUTHS, RATES), [damaged]))
    assert values["trackers"][0]["sequences"]["with_faults"] == 1
    assert values["trackers"][0]["per_sequence"]["a"]["faults"] == ["frame 3: torn"]


def rounded(value):
    """Corners and back cost a last digit."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 9) if isinstance(value, float) else value


@pytest.mark.parametrize("kind", ["gtot", "rgbt210", "rgbt234", "lasher", "vtuav", "folder"])
def test_scores_of_written_results_are_those_of_the_passes(tmp_path, kind):
    protocol, rng = protocol_for(kind), np.random.default_rng(3)
    truths = {
        name: Truth(truth.rgb, truth.rgb + [3, 1, 0, 0] if protocol.two_truths else None)
        for name, truth in TRUTHS.items()
    }
    passes = {name: done(np.round(truth.rgb + rng.normal(0, 5, (8, 4)), 2), 0.02) for name, truth in truths.items()}
    for name, made in passes.items():
        write_result(tmp_path, "t", name, made, BOX_FORMATS[kind])
    read = read_results(tmp_path, dict.fromkeys(truths, 8), "t")
    attributes = {"rain": ["a"]}
    straight, again = (
        as_json(evaluate_results(EvaluationSet(protocol, truths, RATES, attributes=attributes), [each]))
        for each in (TrackerResults("t", passes), read)
    )
    assert straight["trackers"][0]["robot"]["processed"] == 1
    assert rounded(again) == rounded(straight)


def test_boxes_without_images_are_scored_by_the_official_truth(tmp_path):
    protocol = protocol_for("lasher", "test")
    truths = protocol.official_truths(["10runone", "11leftboy"])
    np.savetxt(tmp_path / "10runone.txt", truths["10runone"].rgb, delimiter="\t")
    read = read_results(tmp_path, {name: len(truth) for name, truth in truths.items()})
    scores = evaluate_results(EvaluationSet(protocol, truths, attributes=protocol.attributes()), [read])
    assert scores.dataset == "lasher test"
    assert scores.trackers[0].scores["PR"] == 1
    assert list(scores.trackers[0].faults) == ["11leftboy"]
    assert scores.attributes["PO"] == ["10runone", "11leftboy"]


# -- scores that rest on little, and boxes in another form ------------------------------------------------------------


def vtuav_truth(count):
    """Annotated in every tenth frame, for both cameras."""
    boxes = np.full((count, 4), np.nan)
    boxes[::10] = [100, 100, 20, 20]
    return Truth(boxes, boxes, stride=10)


def test_a_score_that_rests_on_little_of_the_truth_is_marked_and_says_so(tmp_path):
    """Ten lines for 100 frames, nine of them far off, score as perfect: only the first is one that is annotated."""
    protocol, truths = protocol_for("vtuav"), {"bus": vtuav_truth(100)}
    (tmp_path / "bus.txt").write_text("100 100 20 20\n" + "400 400 20 20\n" * 9)
    read = read_results(tmp_path, {"bus": 100}, "short")
    evaluation = evaluate_results(EvaluationSet(protocol, truths, {"bus": 30.0}), [read])
    (tracker,) = evaluation.trackers
    assert tracker.scores["MPR"] == 1 and tracker.covered == tracker.sequences["bus"].covered == 0.1
    assert tracker.sequences["bus"].faults[:2] == (
        "it has a line for each of 10 annotated frames: expected one for each frame",
        "its score rests on 1 of 10 frames of the truth",
    )
    assert as_json(evaluation)["trackers"][0]["covered"] == 0.1
    assert r"100.0\*" in score_table(evaluation).markdown() and "less than 90 % of the truth" in meaning(evaluation)
    printed = "\n".join(fault_lines(evaluation))
    assert (
        "short: bus: it has a line for each of 10 annotated frames" in printed
        and "rests on 1 of 10" in printed
        and "has 10 boxes for 100 frames" in printed
    )
    assert "100.0*" in table_text(evaluation) and "* rests on less than 90 %" in table_text(evaluation)


def test_a_score_that_rests_on_enough_has_no_mark(tmp_path):
    protocol, truths = protocol_for("vtuav"), {"bus": vtuav_truth(100)}
    (tmp_path / "bus.txt").write_text("100 100 20 20\n" * 91)
    evaluation = evaluate_results(EvaluationSet(protocol, truths), [read_results(tmp_path, {"bus": 100})])
    assert evaluation.trackers[0].covered == 1 and meaning(evaluation) == ""
    assert "*" not in score_table(evaluation).markdown() and "*" not in table_text(evaluation)


def test_sequences_without_a_result_are_truth_that_the_score_does_not_rest_on(evaluation):
    assert [tracker.covered for tracker in evaluation.trackers] == pytest.approx([1, 2 / 3, 1, 0])


def test_frames_that_could_not_be_read_are_no_part_of_what_a_score_rests_on():
    unread = done(TRUTH, 0.02, [f"frame {number}: infrared/{number:06d}.jpg is no image" for number in range(1, 8)])
    unread.boxes[1:], unread.seconds[1:] = unread.boxes[0], np.nan
    evaluation = evaluate_results(
        EvaluationSet(FOLDER, {"a": TRUTHS["a"]}, RATES), [TrackerResults("t", {"a": unread})]
    )
    (tracker,) = evaluation.trackers
    assert tracker.covered == pytest.approx(1 / 7)
    (line,) = fault_lines(evaluation)
    assert "rests on 1 of 7 frames" in line and "frame 1: infrared/000001.jpg" in line and "and 5 more like" in line
    assert "8" in table_text(evaluation)  # faults, each counted


def test_of_many_faults_the_first_are_printed_and_the_others_counted():
    names = [f"s{number:02d}" for number in range(40)]
    passes = {name: done(TRUTH, 0.02, [f"frame 3: {number} is no image"]) for number, name in enumerate(names)}
    evaluation = evaluate_results(
        EvaluationSet(FOLDER, dict.fromkeys(names, TRUTHS["a"])), [TrackerResults("t", passes)]
    )
    printed = list(fault_lines(evaluation))
    assert len(printed) == 11 and printed[0] == "t: s00: frame 3: 0 is no image"
    assert "and 30 more faults" in printed[-1] and "--json" in printed[-1]


@pytest.mark.parametrize("kind", ["lasher", "rgbt234", "vtuav", "folder"])
def test_corner_pairs_in_place_of_boxes_are_named(tmp_path, kind):
    truths = {"a": Truth(TRUTH, TRUTH if kind in ("rgbt234", "vtuav") else None)}
    corners = np.nan_to_num(np.concatenate([TRUTH[:, :2], TRUTH[:, :2] + TRUTH[:, 2:]], axis=1))
    np.savetxt(tmp_path / "a.txt", corners, delimiter=",")
    read = read_results(tmp_path, {"a": 8})
    evaluation = evaluate_results(EvaluationSet(protocol_for(kind), truths), [read])
    assert "looks like two corners x1,y1,x2,y2" in evaluation.trackers[0].sequences["a"].faults[0]
    assert "looks like two corners" in "".join(fault_lines(evaluation))


def test_a_tracker_on_a_robots_run_starts_on_the_robots_box_whatever_the_truth_is():
    far = TrackerResults("t", {"a": done(TRUTH + [60, 0, 0, 0])})
    for kind, named in (("runs", False), ("folder", True)):
        evaluation = evaluate_results(EvaluationSet(protocol_for(kind), {"a": TRUTHS["a"]}), [far])
        assert ("its first box" in str(evaluation.trackers[0].sequences["a"].faults)) == named


def test_robot_measures_know_the_annotated_frames_of_vtuav_where_images_were_lost():
    every = np.delete(np.arange(61), [12, 13, 14, 33])
    sparse = np.full((57, 4), np.nan)
    annotated = every % 10 == 0
    sparse[annotated] = [100, 100, 20, 20]
    boxes = np.tile([100.0, 100, 20, 20], (57, 1))
    truth = {"a": Truth(sparse, sparse, stride=10, annotated=annotated)}
    scores = evaluate_results(
        EvaluationSet(protocol_for("vtuav"), truth, {"a": 30.0}), [TrackerResults("t", {"a": done(boxes)})]
    )
    robot = scores.trackers[0].robot
    assert (robot.returns, robot.failures) == (0, 0) and robot.longest_run_s == pytest.approx(7 / 3)


def table_text(evaluation):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(scores_table(evaluation))
    return captured.get()
