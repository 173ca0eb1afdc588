"""The demo as a user runs it: real processes, real middleware, small images, the hand-made network."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.cli import main as ckd
from ckd_ros.datasets.boxes import read_boxes, write_boxes
from ckd_ros.datasets.sources import open_source

for name in ("onnxruntime", "rich", "tyro"):
    pytest.importorskip(name, reason=f"{name} is not installed: run `make setup`")

FRAMES = 40
# Slow and undisturbed, so that the hand-made network follows even when a busy machine drops frames.
CLEAR = (
    f"simulator:frames={FRAMES},width=160,height=128,thermal_width=160,thermal_height=128,target_size=24,motion=0.3,"
    "camera_motion=0.1,distractors=0,occlusion=0,night=0,glare=0,crossover=0,scale=0,rotation=0"
)


@pytest.fixture
def ready():
    """Skips where the demo cannot run. The nodes are other processes: this one needs no context."""
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")


def command(out, *args):
    return [sys.executable, "-m", "ckd_ros.ros.demo", "--out", str(out), *map(str, args)]


def demo(out, *args, **variables):
    """(exit code, what it said) of a demo. Whatever it said, none of its processes may be left."""
    own = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}  # not that of other tests
    done = subprocess.run(command(out, *args), capture_output=True, text=True, timeout=120, env={**own, **variables})
    assert not left(out)
    return done.returncode, done.stderr


def left(out):
    """Command lines of running processes that were given files of `out`."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if f"{out}/" in line and ".yaml" in line]


def sequence(tmp_path):
    """The clear simulation as a folder, so that a test can change its truth."""
    settings = [f"--{pair.replace('_', '-').replace('=', ' ')}".split() for pair in CLEAR.split(":")[1].split(",")]
    ckd(["simulate", str(tmp_path / "run"), *sum(settings, [])])
    return tmp_path / "run"


def test_the_demo_follows_the_target_and_leaves_its_results(tmp_path, ready):
    """With the network that is shipped, which follows whatever images a busy machine drops."""
    code, said = demo(tmp_path / "out", "--source", CLEAR, "--rate", 6)
    assert code == 0, said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"] == FRAMES and summary["pairs"] + summary["dropped"] == FRAMES
    assert summary["pairs"] > FRAMES / 2, "most frames are answered, however busy the machine that tests"
    assert summary["provider"].endswith("ExecutionProvider") and summary["rate"] == 6 and summary["source"] == CLEAR
    assert 0 < summary["latency_ms_median"] <= summary["latency_ms_p95"]
    assert summary["mean_iou"] > 0.4 and summary["success_auc"] > 0.4 and summary["lost"] is None

    film = cv2.VideoCapture(str(tmp_path / "out" / "video.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES and film.get(cv2.CAP_PROP_FPS) == 6
    assert cv2.imread(str(tmp_path / "out" / "plot.png")) is not None
    with open(tmp_path / "out" / "track.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES and rows[0]["overlap"] == "1.0000", "it starts on the true box of the very first frame"
    assert "following target 1" in (tmp_path / "out" / "tracker_node.log").read_text()


def test_a_lost_target_is_an_error(tmp_path, ready, model_path):
    folder = sequence(tmp_path)
    boxes = read_boxes(folder / "visible.txt")
    boxes[10:] = [1, 1, 4, 4]  # for all that the truth says, the target jumped into the corner
    write_boxes(folder / "visible.txt", boxes)
    code, said = demo(tmp_path / "out", "--source", folder, "--model", model_path)
    assert code == 1
    assert "the target was lost" in " ".join(said.split())
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["lost"]


def test_a_thermal_camera_alone(tmp_path, ready, model_path):
    folder = sequence(tmp_path)
    (folder / "visible").rename(tmp_path / "aside")
    (folder / "frames.csv").unlink()
    code, said = demo(tmp_path / "out", "--source", folder, "--rate", 20, "--model", model_path)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"] == FRAMES and summary["pairs"] > 5, said


def test_a_node_that_dies_is_shown_with_its_log(tmp_path, ready):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("{}")
    code, said = demo(tmp_path / "out", "--source", CLEAR, "--model", tmp_path / "broken.onnx")
    assert code == 1 and "Traceback" not in said
    assert "tracker_node ended with exit code 1" in said and "broken.onnx" in said
    assert not (tmp_path / "out" / "summary.json").exists(), "results of an earlier run are not taken for this one's"


def test_what_a_node_warns_of_is_shown(tmp_path, ready, model_path):
    folder = sequence(tmp_path)
    lines = (folder / "frames.csv").read_text().splitlines()
    # Every other stamp comes twice and its second image is refused, from before the target is started.
    lines[3::2] = lines[2 : 2 + 2 * len(lines[3::2]) : 2]
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    code, said = demo(tmp_path / "out", "--source", folder, "--model", model_path)
    assert "[WARN]" in said and "image repeats that of the one before" in " ".join(said.split())


def test_a_demo_that_is_stopped_takes_its_processes_with_it(tmp_path, ready, model_path):
    out = tmp_path / "out"
    process = subprocess.Popen(command(out, "--source", "simulator", "--model", model_path), stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(left(out)) < 2 and time.monotonic() < limit:
        time.sleep(0.1)
    assert len(left(out)) == 2, "camera and tracker are processes of their own"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert not left(out)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--source", "nowhere"], "'nowhere' does not exist"),
        (["--source", "simulator:night=9"], "it must be a number from 0 to 1"),
        (["--source", "simulator", "--rate", "-1"], "rate"),
        (["--source", "simulator", "--frames", "0"], "--frames 0"),
    ],
)
def test_bad_arguments_end_with_two(tmp_path, args, message):
    code, said = demo(tmp_path / "out", *args)
    assert code == 2 and message in said and "Traceback" not in said


def test_a_demo_of_what_a_demo_left_does_not_remove_it(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "video.csv").write_text("20,20,10,10\n" * 3)
    before = (tmp_path / "video.mp4").read_bytes()
    code, said = demo(tmp_path, "--source", f"{tmp_path / 'video.mp4'},")
    assert code == 2 and "is an input" in said
    assert (tmp_path / "video.mp4").read_bytes() == before


def test_a_source_that_does_not_show_its_target_is_refused(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    code, said = demo(tmp_path / "out", "--source", f"{tmp_path}/v.avi,")
    assert code == 2 and "does not say where the target is" in " ".join(said.split()) and "INIT=x,y,w,h" in said
    code, said = demo(tmp_path / "out", "--source", f"{tmp_path}/v.avi,", "--init", "10,10,0,0")
    assert code == 2 and "box '10,10,0,0' is not possible" in said


def test_one_camera_with_a_box_and_a_domain_of_ones_own(tmp_path, ready, model_path):
    sequence = open_source(CLEAR)
    images = [cv2.cvtColor(pair.rgb.data, cv2.COLOR_RGB2BGR) for pair in sequence.frames()]
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 15, (160, 128))
    for image in images:
        writer.write(image)
    writer.release()
    box = ",".join(f"{value:.1f}" for value in sequence.boxes[0])
    out = tmp_path / "out"
    arguments = ["--source", f"{tmp_path}/v.avi,", "--init", box, "--frames", 20, "--model", model_path]
    code, said = demo(out, *arguments, ROS_DOMAIN_ID="7")
    assert "to watch: ROS_DOMAIN_ID=7" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["frames"] == 20 and summary["pairs"] > 5 and summary["mean_iou"] is None, said
    film = cv2.VideoCapture(str(out / "video.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_WIDTH) == 160, "one panel for one camera"
    with open(out / "track.csv", newline="") as file:
        first = next(csv.DictReader(file))
    assert [float(first[name]) for name in "xywh"] == pytest.approx(sequence.boxes[0], abs=0.1)


def test_without_ros_it_says_what_is_missing(tmp_path, monkeypatch, capsys):
    from ckd_ros.ros.demo import demo as module

    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert module.main(["--source", CLEAR, "--out", str(tmp_path / "out")]) == 2
    assert "make demo" in capsys.readouterr().err
