"""Recorded robot runs: bags with the tracker's messages, written as a recorder writes them, scored as any tracker."""

import csv
import json
import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags is not installed")

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from ckd_ros.datasets.bag import write_truth
from ckd_ros.datasets.bag_images import RAW, image_message
from ckd_ros.datasets.boxes import write_boxes
from ckd_ros.datasets.track_bag import BOX, DEFINITIONS, TRACK, known_types
from ckd_ros.evaluation.evaluate import EvaluationOptions, evaluate
from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.protocols import protocol_for
from ckd_ros.evaluation.recorded_runs import open_runs
from ckd_ros.evaluation.robot_metrics import newest_answers_live
from ckd_ros.evaluation.scoring import evaluate_results
from ckd_ros.frames import Image
from ckd_ros.tracking import TrackState

ROOT = Path(__file__).resolve().parents[2]
TYPES = known_types()
COUNT, PERIOD, START = 20, 50_000_000, 10**18
STAMPS = START + PERIOD * np.arange(COUNT)
BOXES = np.stack(
    [10.0 + 2 * np.arange(COUNT), np.full(COUNT, 12.0), np.full(COUNT, 16.0), np.full(COUNT, 20.0)], axis=1
)
IDLE, TRACKING, LOST = (int(state) for state in (TrackState.IDLE, TrackState.TRACKING, TrackState.LOST))


def track(stamp, box=(0, 0, 0, 0), state=TRACKING, target=1, latency=0.03, thermal=None):
    """A `ckd_ros/Track` as the node publishes it; without a target every box is zero."""
    make = TYPES.types
    time = make["builtin_interfaces/msg/Time"]
    boxes = [make[BOX](*map(float, values)) for values in (box, box if thermal is None else thermal)]
    header = make["std_msgs/msg/Header"](stamp=time(*divmod(int(stamp), 10**9)), frame_id="rgb_optical_frame")
    images = (time(0, 0), True, True)
    target = 0 if state == IDLE else target
    return make[TRACK](header, target, state, 0.8, 0.9, 2.0, *boxes, *images, 1.0, 1.0, 0.0, 0.0, 0.01, 0.012, latency)


def image(stamp, encoding="bgr8", size=(48, 64)):
    shape = (*size, 3) if encoding == "bgr8" else size
    return image_message(TYPES, Image(np.full(shape, 80, np.uint8), encoding), int(stamp), "camera")


def record(path, tracks, images=(), topic="/ckd/track", storage=StoragePlugin.MCAP, delay=0.04):
    """A bag of `tracks`, each recorded `delay` seconds after its stamp, and of (topic, image message)."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        entries = [(topic, TRACK, message, delay) for message in tracks]
        entries += [(name, RAW, message, 0.0) for name, message in images]
        connections = {}
        for name, kind, message, late in entries:
            if name not in connections:
                connections[name] = writer.add_connection(name, kind, typestore=TYPES)
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            writer.write(connections[name], stamp + round(late * 1e9), TYPES.serialize_cdr(message, kind))
    return path


def true_tracks(numbers=range(COUNT), **changes):
    return [track(STAMPS[i], BOXES[i], **changes) for i in numbers]


@pytest.fixture
def bag(tmp_path):
    """Records a bag `run` with its truth beside it."""

    def make(tracks, truth=BOXES, name="run", **settings):
        write_truth(tmp_path / f"{name}.csv", STAMPS, truth)
        return record(tmp_path / name, tracks, **settings)

    return make


def scored(runs):
    protocol = protocol_for("runs")
    evaluation_set = EvaluationSet(protocol, runs.truths, runs.rates, runs.faults)
    return evaluate_results(evaluation_set, [runs.results]).trackers[0]


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("inside", [False, True])
def test_a_run_without_fault_has_full_marks(bag, storage, inside):
    path = bag(true_tracks(), storage=storage)
    runs = open_runs(next(p for p in path.iterdir() if p.suffix in (".mcap", ".db3")) if inside else path)
    assert not runs.faults and runs.rates == {"run": 20.0} and not runs.sequences
    done = runs.results.passes["run"]
    np.testing.assert_allclose(done.boxes, BOXES)
    np.testing.assert_allclose(done.confidences, 0.8, atol=1e-6)
    assert done.faults == () and done.live
    scores = scored(runs)
    assert scores.scores["PR"] == 1 and scores.robot.failures == 0
    assert runs.results.settings["runs"]["run"] == {
        **{"frames": COUNT, "dropped": 0, "idle": 0, "tracking": COUNT, "uncertain": 0, "lost": 0}
    }


def test_dropped_frames_have_no_box_and_are_counted(bag):
    kept = [i for i in range(COUNT) if i not in (5, 6)]
    runs = open_runs(bag(true_tracks(kept)))
    done = runs.results.passes["run"]
    assert np.isnan(done.boxes[5:7]).all() and np.isnan(done.seconds[5:7]).all()
    assert done.faults == ("2 of 20 frames have no answer",)
    scores = scored(runs)
    assert scores.scores["PR"] == pytest.approx(18 / 20) and scores.robot.processed == pytest.approx(18 / 20)


def test_a_run_begins_with_the_target_and_ends_where_it_is_told_to_stop(bag):
    waiting = [track(STAMPS[i], state=IDLE) for i in range(4)]
    stopped = [track(STAMPS[i], state=IDLE) for i in range(15, COUNT)]
    runs = open_runs(bag([*waiting, *true_tracks(range(4, 15)), *stopped]))
    np.testing.assert_allclose(runs.truths["run"].rgb, BOXES[4:15])
    np.testing.assert_allclose(runs.results.passes["run"].boxes, BOXES[4:15])
    assert scored(runs).scores["PR"] == 1


def test_a_tracker_that_falls_silent_misses_the_rest(bag):
    runs = open_runs(bag(true_tracks(range(10))))
    assert len(runs.truths["run"]) == COUNT and scored(runs).scores["PR"] == pytest.approx(0.5)


def test_the_box_of_a_lost_target_counts_and_its_frames_are_counted(bag):
    lost = [track(STAMPS[i], BOXES[9], state=LOST) for i in range(10, 14)]
    runs = open_runs(bag([*true_tracks(range(10)), *lost, *true_tracks(range(14, COUNT))]))
    np.testing.assert_allclose(runs.results.passes["run"].boxes[10:14], np.tile(BOXES[9], (4, 1)))
    assert runs.results.settings["runs"]["run"]["lost"] == 4


def test_a_target_that_is_set_again_is_told(bag):
    runs = open_runs(bag([*true_tracks(range(10)), *true_tracks(range(10, COUNT), target=2)]))
    assert runs.results.passes["run"].faults == ("the target was set 2 times",)


def test_of_several_targets_at_once_the_first_is_scored_and_that_is_told(bag):
    others = [track(stamp, (40, 20, 16, 20), target=2) for stamp in STAMPS]
    runs = open_runs(bag([one for pair in zip(true_tracks(), others, strict=True) for one in pair]))
    np.testing.assert_allclose(runs.results.passes["run"].boxes, BOXES)
    (fault,) = runs.results.passes["run"].faults
    assert fault == "targets 1, 2 were followed at the same time: target 1, shown first, is scored"


def test_times_are_when_the_bag_heard_the_answer(bag):
    np.testing.assert_allclose(open_runs(bag(true_tracks(), delay=0.04)).results.passes["run"].seconds, 0.04)


def test_where_the_clocks_differ_the_tracker_s_own_latency_stands(bag):
    for name, delay in (("early", -3.0), ("late", 1e6)):
        done = open_runs(bag(true_tracks(), name=name, delay=delay)).results.passes[name]
        np.testing.assert_allclose(done.seconds, 0.03, rtol=1e-6)
    done = open_runs(bag(true_tracks(latency=-5.0), name="neither", delay=-3.0)).results.passes["neither"]
    assert np.isnan(done.seconds).all() and "no times" in done.faults[0]


@pytest.mark.parametrize(("delay", "behind"), [(0.04, 1), (0.09, 2), (0.14, 3)])
def test_streaming_is_by_the_moments_at_which_answers_really_came(bag, delay, behind):
    """A pipeline may be slower than the camera and keep pace with it: nothing is dropped, all is late."""
    scores = scored(open_runs(bag(true_tracks(), delay=delay)))
    shift = 2.0 * np.minimum(np.arange(COUNT), behind)
    inter = (16 - shift) * 20
    assert scores.robot.streaming == pytest.approx(np.mean(inter / (640 - inter)), abs=1e-6)
    assert scores.robot.processed == 1


def test_an_answer_that_comes_late_or_never_leaves_the_last_one_at_hand():
    at_hand, processed = newest_answers_live(np.array([0.5, np.nan, 2.5, 0.5, 0.5]), rate=1.0)
    assert at_hand.tolist() == [-1, 0, 0, 0, 3], "frame 2's answer comes at 4.5, behind that to frame 3"
    assert processed.tolist() == [True, False, True, True, True]
    assert newest_answers_live(np.array([0.5, 2.7, 0.5, 1.0, 1.0]), 1.0)[0].tolist() == [-1, 0, 0, 2, 3], (
        "no way back to frame 1"
    )


# -- with images -------------------------------------------------------------------------------------------------------


def images(colour=range(COUNT), thermal=range(COUNT)):
    found = [("/rgb/image", image(STAMPS[i])) for i in colour]
    return found + [("/thermal/image", image(STAMPS[i] + 5_000_000, "mono8")) for i in thermal]


def test_with_images_a_run_is_a_sequence_too(bag):
    waiting = [track(STAMPS[i], state=IDLE) for i in range(4)]
    runs = open_runs(bag([*waiting, *true_tracks(range(4, COUNT))], images=images()))
    sequence = pickle.loads(pickle.dumps(runs.sequences["run"]))  # it is sent to other processes
    assert len(sequence) == len(runs.truths["run"]) == COUNT - 4 and sequence.modality == "both"
    assert [pair.stamp for pair in sequence.frames()] == STAMPS[4:].tolist()
    np.testing.assert_allclose(sequence.init_box, BOXES[4])
    np.testing.assert_allclose(sequence.boxes, BOXES[4:])


def test_frames_of_one_camera_are_answered_under_its_stamp(bag):
    late = [track(STAMPS[i] + 5_000_000, BOXES[i]) for i in (7, 8)]  # their colour images were lost
    others = [i for i in range(COUNT) if i not in (7, 8)]
    runs = open_runs(bag([*true_tracks(others), *late], images=images(colour=others)))
    done = runs.results.passes["run"]
    np.testing.assert_allclose(done.boxes, BOXES)
    assert done.faults == () and np.isnan(runs.truths["run"].rgb[7:9]).all(), "no colour image, no truth"


def test_a_thermal_camera_alone_is_scored_in_its_own_pixels(tmp_path):
    stamps = STAMPS + 5_000_000
    tracks = [track(stamp, box, thermal=box / 2) for stamp, box in zip(stamps, BOXES, strict=True)]
    path = record(tmp_path / "run", tracks, images(colour=()))
    write_truth(tmp_path / "run.csv", stamps, BOXES / 2)
    runs = open_runs(path)
    assert runs.sequences["run"].modality == "thermal"
    np.testing.assert_allclose(runs.results.passes["run"].boxes, BOXES / 2)


def test_one_box_for_each_colour_image_is_truth_enough(tmp_path):
    path = record(tmp_path / "run", true_tracks(), images())
    write_boxes(tmp_path / "run.txt", BOXES)
    assert scored(open_runs(path)).scores["PR"] == 1
    write_boxes(tmp_path / "run.txt", BOXES[:-1])
    assert "19 boxes for 20 images" in open_runs(path).faults["run"]


def test_images_that_cannot_be_told_apart_are_left_aside(bag):
    more = [*images(), ("/front/image", image(STAMPS[0])), ("/back/image", image(STAMPS[0]))]
    runs = open_runs(bag(true_tracks(), images=more))
    assert not runs.sequences and scored(runs).scores["PR"] == 1
    assert "its images are not used" in runs.results.passes["run"].faults[0]


# -- what is wrong -----------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_bag_is_named_and_the_others_go_on(bag, tmp_path):
    bag(true_tracks(), name="good")
    bag([], images=images(), name="silent")
    bag([track(stamp, state=IDLE) for stamp in STAMPS], name="idle")
    bag(true_tracks(), name="elsewhere", topic="/robot/track")
    bag([], name="images", images=[("/ckd/track", image(STAMPS[0]))])
    bag([track(stamp + 1, BOXES[0]) for stamp in STAMPS], name="strange")
    bag(true_tracks(), name="untrue")
    (tmp_path / "untrue.csv").unlink()
    bag(true_tracks(), name="garbled")
    (tmp_path / "garbled.csv").write_text("stamp,x\n1,2\n")
    file = next(bag(true_tracks(), name="cut").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    runs = open_runs(tmp_path)
    assert list(runs.truths) == ["good"]
    for name, reason in {
        "silent": "no topic /ckd/track: it has no topic of type ckd_ros/msg/Track",
        "idle": "no target was set",
        "elsewhere": "its tracks are on /robot/track",
        "images": "is of type sensor_msgs/msg/Image, expected ckd_ros/msg/Track",
        "strange": "none of the 20 answers",
        "untrue": "has no truth: expected",
        "garbled": "expected the columns stamp,x,y,w,h",
        "cut": "cut is not a bag that can be read",
    }.items():
        assert reason in runs.faults[name], name
    assert len(runs.faults) == 8


def test_what_systems_leave_beside_bags_is_passed_over(bag, tmp_path):
    bag(true_tracks(), name="good")
    (tmp_path / "good.csv").write_text("\ufeff" + (tmp_path / "good.csv").read_text(), encoding="utf-8")
    (tmp_path / "._good.mcap").write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX" / "good").mkdir(parents=True)
    (tmp_path / "README.txt").write_text("drives of Monday")
    runs = open_runs(tmp_path)
    assert list(runs.truths) == ["good"] and runs.faults == {}


def test_a_bag_that_is_not_there_or_no_bag(tmp_path):
    with pytest.raises(FileNotFoundError, match="no bag or folder"):
        open_runs(tmp_path / "nothing")
    with pytest.raises(ValueError, match="holds no bag"):
        open_runs(tmp_path)


def test_a_truth_file_may_lie_elsewhere(tmp_path):
    path = record(tmp_path / "run", true_tracks())
    write_truth(tmp_path / "truth" / "run.csv", STAMPS, BOXES)
    for truth in (tmp_path / "truth", tmp_path / "truth" / "run.csv"):
        assert list(open_runs(path, truth).truths) == ["run"]


# -- the definition, the command, a real run ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [BOX, TRACK])
def test_the_definition_is_that_of_the_interface_files(name):
    published = (ROOT / "msg" / f"{name.rsplit('/', 1)[1]}.msg").read_text()
    assert get_types_from_msg(DEFINITIONS[name], name) == get_types_from_msg(published, name)


def test_a_bag_of_an_older_distribution_holds_no_definitions(bag):
    path = bag(true_tracks(), storage=StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(next(path.glob("*.db3")))) as file:
        file.execute("DELETE FROM message_definitions")
        file.commit()
    np.testing.assert_allclose(open_runs(path).results.passes["run"].boxes, BOXES)


def test_other_trackers_stand_beside_the_recorded_one(bag, tmp_path):
    path = bag(true_tracks(), topic="/robot/track", images=images())
    root = Path(f"{path}?topic=/robot/track")
    evaluation = evaluate(EvaluationOptions("runs", root, trackers=["template"], out=tmp_path / "out", processes=1))
    assert {tracker.label for tracker in evaluation.trackers} == {"recorded", "template-rgb"}
    assert all(list(tracker.sequences) == ["run"] for tracker in evaluation.trackers)
    assert evaluation.trackers[0].label == "recorded", "the images show nothing that could be matched"
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_demo_leaves_a_run_that_is_scored_as_the_demo_scored_it(tmp_path, model_path):
    """Real nodes on real middleware."""
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    source = (
        "simulator:frames=40,width=160,height=128,thermal_width=160,thermal_height=128,target_size=24,motion=0.3,"
        "camera_motion=0.1,distractors=0,occlusion=0,night=0,glare=0,crossover=0,scale=0,rotation=0"
    )
    command = [
        sys.executable,
        "-m",
        "ckd_ros.ros.demo",
        "--source",
        source,
        "--rate",
        15,
        "--model",
        model_path,
        "--out",
        tmp_path,
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    runs = open_runs(tmp_path / "run.mcap")
    result, recorded = runs.results.passes["run"], scored(runs)
    with open(tmp_path / "track.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file)][-len(result.boxes) :]
    table = [[float(row[key]) if row[key] else np.nan for key in "xywh"] for row in rows]
    np.testing.assert_allclose(result.boxes, table, atol=0.006)
    late = result.seconds[np.isfinite(result.seconds)]
    assert len(late) == summary["pairs"] and (late > 0).all()
    told = [float(row["latency_ms"]) / 1e3 for row in rows if row["latency_ms"]]
    # From the colour image's stamp (the thermal one is newer), and as far as the recorder.
    assert (late > np.array(told) - 0.001).all()
    # The demo's is of the frames with a track, this one of all; how good it is is a matter of the machine's load.
    precision = summary["precision_20px"] * summary["pairs"] / summary["frames"]
    assert recorded.scores["PR"] == pytest.approx(precision, abs=1e-4) and precision > 0
