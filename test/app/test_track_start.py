"""Where `ckd track` starts, on what, and with which settings: frames, live cameras, the node's parameter file."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import cv2
import numpy as np
import pytest
from test_cli import CLEAR, SMALL, failure, run

from ckd_ros.datasets.boxes import read_boxes


@pytest.fixture
def track(tmp_path, model_path):
    """Calls `ckd track`, writing boxes.txt, with the correlation network."""
    return lambda *args: run("track", *args, "--out", tmp_path / "boxes.txt", "--model", model_path)


def rows(tmp_path):
    with open(tmp_path / "boxes.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_it_starts_in_the_first_frame_that_shows_the_target_as_an_evaluation_does(tmp_path, track, capsys):
    assert run("simulate", tmp_path / "run", *SMALL, "--frames", "6", "--target-size", "20") == 0
    (tmp_path / "run" / "init.txt").unlink()
    for name in ("visible.txt", "infrared.txt"):
        lines = (tmp_path / "run" / name).read_text().splitlines()
        (tmp_path / "run" / name).write_text("\n".join(["0,0,0,0"] * 2 + lines[2:]))
    truth = read_boxes(tmp_path / "run" / "visible.txt")
    assert track(tmp_path / "run") == 0
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert boxes.shape == (6, 4), "a line for each frame of the sequence"
    np.testing.assert_allclose(boxes[2], truth[2], atol=0.01)
    assert np.isnan(boxes[:2]).all() and np.isfinite(boxes[2:]).all()
    assert [row["state"] for row in rows(tmp_path)[:3]] == ["IDLE", "IDLE", "TRACKING"]
    said = " ".join(capsys.readouterr().err.split())
    assert "4 frames (from number 2 on) on " in said and "against the truth in 4 frames" in said


def test_it_starts_in_the_frame_that_is_named(tmp_path, track, capsys):
    from ckd_ros.datasets.sources import open_source

    assert track(f"{CLEAR},frames=6", "--start", "3", "--video", tmp_path / "out.avi") == 0
    boxes = read_boxes(tmp_path / "boxes.txt")
    np.testing.assert_allclose(boxes[3], open_source(f"{CLEAR},frames=6").boxes[3], atol=0.01)
    assert np.isnan(boxes[:3]).all() and cv2.VideoCapture(str(tmp_path / "out.avi")).get(cv2.CAP_PROP_FRAME_COUNT) == 3
    capsys.readouterr()
    assert "the first is 0" in failure(
        capsys, "track", f"{CLEAR},frames=6", "--start", "-1", "--out", tmp_path / "b.txt"
    )
    said = failure(capsys, "track", f"{CLEAR},frames=6", "--start", "6", "--out", tmp_path / "b.txt")
    assert "has no frame 6 to start in: it has the frames 0 to 5" in said


PARAMETERS = """
/**:
  ros__parameters:
    use_sim_time: true
    registration: {type: "offset", offset: [7.0, 0.0]}
    tracker: {box_correction: 0.0, lost_after: 3}
    thermal: {crop: [2, 0]}
    model: {providers: ["cpu"], threads: 2}
/ckd/tracker:
  ros__parameters:
    tracker.lost_windows: 5
/ckd/camera:
  ros__parameters: {source: "simulator"}
"""


@pytest.fixture
def trackers(monkeypatch):
    """The trackers that are made, with what they were shown first."""
    from ckd_ros.tracking import Tracker

    made, original = [], Tracker.init
    monkeypatch.setattr(Tracker, "init", lambda self, *args: made.append((self, *args)) or original(self, *args))
    return made


def test_the_parameter_file_of_the_node_is_taken(tmp_path, track, trackers):
    pytest.importorskip("yaml")
    (tmp_path / "tracker.yaml").write_text(PARAMETERS)
    assert track(f"{CLEAR},frames=2", "--config", tmp_path / "tracker.yaml") == 0
    ((tracker, pair, _, _),) = trackers
    assert (tracker.config.box_correction, tracker.config.confidence.lost_after, tracker.config.lost_windows) == (
        0,
        3,
        5,
    )
    assert tracker.registration.matrix((160, 128), (160, 128))[0, 2] == 7 and tracker.engine.threads == 2
    assert pair.thermal.height == 126, "two rows of telemetry are taken off"


def test_what_is_given_comes_before_the_parameter_file(tmp_path, track, trackers):
    pytest.importorskip("yaml")
    (tmp_path / "tracker.yaml").write_text(PARAMETERS)
    given = ("--config", tmp_path / "tracker.yaml", "--registration", "none", "--min-overlap", "0.3")
    assert track(f"{CLEAR},frames=2", *given) == 0
    assert trackers[0][0].registration.matrix((160, 128), (160, 128))[0, 2] == 0
    assert trackers[0][0].registration.min_overlap == 0.3


def test_the_shipped_parameter_file_is_the_default(trackers, tmp_path, track):
    pytest.importorskip("yaml")
    from ckd_ros.files import package_file

    for args in ((), ("--config", package_file("config/tracker.yaml"))):
        assert track(f"{CLEAR},frames=1", *args) == 0
    (first, *_), (second, *_) = trackers
    assert first.config == second.config and first.registration == second.registration


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/robot/tracker: {ros__parameters: {tracker: {lead: 7.0}}}", "'tracker.lead' is 7.0"),
        ("just words", "has no parameters of the tracker: expected '/\\*\\*:'"),
        ("a: [1", "it is not YAML"),
        ("/ckd/camera: {ros__parameters: {source: simulator}}", "has no parameters of the tracker"),
        (
            "/**: {ros__parameters: {tracker: {lost_window: 3}}}",
            "'tracker.lost_window': did you mean 'tracker.lost_windows'",
        ),
        ("/**: {ros__parameters: {tracker: {calibration: 0.1}}}", "is now called 'tracker.box_correction'"),
        ("/**: {ros__parameters: {tracker: {box_correction: 2.0}}}", "'tracker.box_correction' is 2.0: it must be"),
        ("/**: {ros__parameters: {tracker: {box_correction: 1}}}", "a number with a decimal point"),
        ("/**: {ros__parameters: {registration: {type: calibrated}}}", "rgb_intrinsics is left to a camera_info"),
        ("/**: {ros__parameters: {registration: {type: calibrated, extrinsics: tf}}}", "the node alone hears"),
    ],
)
def test_what_is_wrong_in_a_parameter_file_is_named(tmp_path, capsys, text, reason):
    pytest.importorskip("yaml")
    (tmp_path / "mine.yaml").write_text(text)
    said = failure(capsys, "track", CLEAR, "--config", tmp_path / "mine.yaml", "--out", tmp_path / "b.txt")
    assert re.search(f"mine.yaml: .*{reason}", said)


@pytest.fixture
def camera(tmp_path):
    """Sends a real video over TCP, again and again, until nobody listens. Gives its address."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 128))
    for number in range(400):
        picture = np.full((128, 160, 3), 40, np.uint8)
        cv2.rectangle(picture, (60 + number % 30, 50), (84 + number % 30, 80), (255, 255, 255), -1)
        writer.write(picture)
    writer.release()
    data, server = path.read_bytes(), socket.create_server(("127.0.0.1", 0))

    def send():
        with server, server.accept()[0] as client, suppress(OSError):  # nobody listens any more
            for begin in range(0, len(data), len(data) // 400):
                client.sendall(data[begin : begin + len(data) // 400])
                time.sleep(0.02)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_a_live_camera_is_followed_until_ctrl_c(tmp_path, model_path, camera):
    command = [sys.executable, "-m", "ckd_ros.cli", "track", camera, "--init", "60,50,24,30", "--start", "2"]
    command += ["--out", str(tmp_path / "live.csv"), "--video", str(tmp_path / "live.avi"), "--model", str(model_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 60
    while sum(path.stat().st_size for path in tmp_path.glob(".live.avi.*/live.avi")) < 40_000:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "Traceback" not in said
    count = int(re.search(r"stopped after (\d+) frames: ", said)[1])
    assert len(read_boxes(tmp_path / "live.txt")) == count + 2 and count > 2
    assert os.path.getsize(tmp_path / "live.avi") > 40_000


def test_a_live_camera_that_ends_is_said_with_what_was_kept(tmp_path, track, camera, capsys):
    assert track(camera, "--init", "60,50,24,30") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r"ckd: error: the camera tcp.* has ended, after \d+ frames: .*boxes.csv", said)
    assert len(read_boxes(tmp_path / "boxes.txt")) > 5
