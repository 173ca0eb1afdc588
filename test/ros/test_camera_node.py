"""A source of frames becomes the topics of two cameras, each image at its own moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from ckd_ros.srv import InitTarget  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from sensor_msgs.msg import Image as ImageMessage  # noqa: E402

from ckd_ros.datasets.lasher import write_lasher  # noqa: E402
from ckd_ros.datasets.sources import open_source  # noqa: E402
from ckd_ros.frames import FramePair, Image  # noqa: E402
from ckd_ros.ros.camera_node import Prefetcher, camera_info, in_order  # noqa: E402
from ckd_ros.ros.conversions import load_image, to_nanoseconds  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
GREY = Image(np.zeros((4, 4), np.uint8), "mono8")
SOURCE = "simulator:frames=30,width=160,height=120,thermal_width=80,thermal_height=60,thermal_bits=16,jitter=0.0"


def start(*parameters: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    settings = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "ckd_ros.ros.camera_node", "--ros-args", *settings]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


class Recorder:
    """Everything that comes on a camera's topics, in order."""

    def __init__(self, ros, images=("rgb", "thermal")):
        self.node = ros.create_node("recorder", namespace="ckd")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.received = []
        for stream in images:
            for kind, topic, qos in (
                (ImageMessage, "image", 20),
                (CameraInfo, "camera_info", qos_profile_sensor_data),
            ):
                name = f"{stream}/{topic}"
                self.node.create_subscription(kind, name, lambda m, name=name: self.received.append((name, m)), qos)

    def until(self, process: subprocess.Popen, timeout: float = 120.0) -> str:
        """Receive until the process ends; its log."""
        end = time.monotonic() + timeout
        while process.poll() is None and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)
        if process.poll() is None:
            process.kill()
        return process.communicate()[1]

    def of(self, name: str) -> list:
        return [message for topic, message in self.received if topic == name]

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def recorder(ros):
    made = []

    def make(**options) -> Recorder:
        made.append(Recorder(ros, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_source_becomes_topics(recorder):
    r = recorder()
    process = start(f"source:={SOURCE}", "frames:=12", "rate:=20.0", "wait_for_subscribers:=true")
    log = r.until(process)
    assert process.returncode == 0, log
    rgb, thermal = r.of("rgb/image"), r.of("thermal/image")
    assert (len(rgb), len(thermal)) == (12, 12)
    assert [(m.width, m.height, m.encoding, m.header.frame_id) for m in (rgb[0], thermal[0])] == [
        (160, 120, "rgb8", "rgb_optical_frame"),
        (80, 60, "mono16", "thermal_optical_frame"),
    ]
    stamps = np.array([to_nanoseconds(m.header.stamp) for m in rgb])
    assert (np.diff(stamps) == 50_000_000).all() and abs(stamps[0] - time.time_ns()) < 60e9
    infos = r.of("rgb/camera_info")
    assert {to_nanoseconds(m.header.stamp) for m in infos} <= set(stamps) and len(infos) >= 10
    assert (infos[0].width, infos[0].height, infos[0].header.frame_id) == (160, 120, "rgb_optical_frame")
    assert len({load_image(m).data.tobytes() for m in rgb}) == 12, "the scene moves"


def test_time_offset_and_loss_of_the_source_reach_the_subscriber(recorder):
    r = recorder()
    process = start(f"source:={SOURCE},time_offset=0.02,loss=0.3", "rate:=20.0", "wait_for_subscribers:=true")
    log = r.until(process)
    assert process.returncode == 0, log
    rgb, thermal = ({to_nanoseconds(m.header.stamp) for m in r.of(f"{stream}/image")} for stream in ("rgb", "thermal"))
    assert 10 < len(rgb) < 30 and 10 < len(thermal) < 30
    first = min(rgb)
    assert all((stamp - first) % 50_000_000 == 0 for stamp in rgb)
    assert all(abs((stamp - first) % 50_000_000 - 20_000_000) < 1000 for stamp in thermal)


def test_a_loop_goes_on_with_growing_stamps_until_it_is_interrupted(recorder, tmp_path):
    for name in ("visible", "infrared"):
        (tmp_path / name).mkdir()
        for i in range(5):
            cv2.imwrite(str(tmp_path / name / f"{i:06d}.png"), np.full((40, 50, 3), 40 * i + 9, np.uint8))
    np.savetxt(tmp_path / "init.txt", [[5, 5, 10, 10]], fmt="%d", delimiter=",")
    np.savetxt(tmp_path / "visible.txt", [[5, 5, 10, 10]] * 5, fmt="%d", delimiter=",")
    r = recorder(images=("rgb",))
    process = start(f"source:={tmp_path}", "rate:=50.0", "loop:=true")
    wait_for(lambda: r.executor.spin_once(timeout_sec=0.05) or len(r.of("rgb/image")) >= 12, 60.0)
    process.send_signal(signal.SIGINT)
    log = r.until(process)
    assert process.returncode == 0 and "Traceback" not in log, log
    stamps = [to_nanoseconds(m.header.stamp) for m in r.of("rgb/image")]
    steps = np.diff(stamps)
    assert len(steps) > 5 and (steps > 0).all() and (steps % 20_000_000 == 0).all()


@pytest.mark.parametrize(
    "parameters, words",
    [
        (["source:=/nowhere"], "/nowhere"),
        (["rate:=20"], "parameter 'rate' is 20"),
        (["source:=simulator:night=3"], "night is 3.0: it must be a number from 0 to 1"),
    ],
)
def test_a_bad_source_or_parameter_ends_the_process_with_the_reason(ros, parameters, words):
    process = start(*parameters)
    log = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and words in log and "Traceback" not in log


@pytest.fixture
def folder(tmp_path):
    """A sequence of six frames as a folder, and its colour images."""
    write_lasher(open_source(SOURCE.replace("frames=30", "frames=6")), tmp_path / "walk")
    return tmp_path / "walk", sorted((tmp_path / "walk" / "visible").iterdir())


def test_a_damaged_frame_is_named_and_passed_over_in_every_round(recorder, folder):
    walk, images = folder
    images[0].write_bytes(images[0].read_bytes()[:50])
    images[3].write_bytes(b"")
    r = recorder()
    truths = []
    r.node.create_subscription(Track, "truth", truths.append, 20)
    process = start(f"source:={walk}", "frames:=9", "rate:=20.0", "loop:=true", "wait_for_subscribers:=true")
    log = r.until(process)
    assert process.returncode == 0 and "Traceback" not in log, log
    stamps = [to_nanoseconds(m.header.stamp) for m in r.of("rgb/image")]
    steps = np.round(np.diff(stamps) / 5e7).astype(int).tolist()
    assert steps == [1, 2, 1, 1, 1, 2, 1, 1], "the others keep their moments"
    for number in (0, 3):
        assert f"frame {number} of walk is passed over: {images[number]}" in log
    boxes = open_source(str(walk)).boxes
    assert [truth.box.x for truth in truths] == pytest.approx([boxes[i][0] for i in (1, 2, 4, 5, 1, 2, 4, 5, 1)])


def test_a_source_without_a_frame_that_can_be_read_ends_with_an_error(ros, folder):
    walk, images = folder
    for image in images:
        image.write_bytes(b"")
    process = start(f"source:={walk}")
    log = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and "Traceback" not in log
    assert "no frame of walk can be read: nothing was published" in log


def test_images_come_in_the_order_of_their_stamps_whatever_the_offset():
    for offset in (-900, -120, 0, 7, 900):
        pairs = [FramePair(GREY, GREY, 50_000_000 * i, 50_000_000 * i + offset * 1_000_000) for i in range(60)]
        events = list(in_order(enumerate(pairs)))
        assert len(events) == 120
        assert [stamp for stamp, *_ in events] == sorted(stamp for stamp, *_ in events)
        assert sum(event.stream == "rgb" for event in events) == 60


def test_a_missing_image_is_no_event():
    pairs = [FramePair(GREY, None, 0, None), FramePair(None, GREY, None, 50), FramePair(GREY, GREY, 100, 101)]
    assert [(event.stamp, event.stream) for event in in_order(enumerate(pairs))] == [
        (0, "rgb"),
        (50, "thermal"),
        (100, "rgb"),
        (101, "thermal"),
    ]


def test_an_error_of_the_source_is_not_lost_in_its_thread():
    def broken():
        yield FramePair(GREY, None, 0, None)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(Prefetcher(broken(), 4))


def test_the_calibration_matches_the_field_of_view():
    info = camera_info(640, 480, 90.0)
    assert np.allclose(info.k, [320, 0, 319.5, 0, 320, 239.5, 0, 0, 1])
    assert np.allclose(np.reshape(info.p, (3, 4))[:, :3].ravel(), info.k)


def test_it_waits_for_a_node_by_its_name(ros, recorder):
    r = recorder()
    process = start(f"source:={SOURCE}", "frames:=3", "wait_for_subscribers:=true", "wait_for_node:=late")
    end = time.monotonic() + 60
    while not r.node.count_publishers("/ckd/rgb/image") and time.monotonic() < end:
        r.executor.spin_once(timeout_sec=0.05)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        r.executor.spin_once(timeout_sec=0.05)
    assert process.poll() is None and not r.received
    late = ros.create_node("late", namespace="ckd")
    late.create_subscription(CameraInfo, "rgb/camera_info", lambda _: None, 1)
    log = r.until(process)
    late.destroy_node()
    assert process.returncode == 0 and len(r.of("rgb/image")) == 3, log


def test_the_truth_of_the_source_is_published(recorder):
    r, truth = recorder(), []
    r.node.create_subscription(Track, "truth", truth.append, 20)
    process = start(f"source:={SOURCE}", "frames:=12", "rate:=20.0", "wait_for_subscribers:=true")
    log = r.until(process)
    assert process.returncode == 0, log
    boxes = {to_nanoseconds(t.header.stamp): t for t in truth}
    expected = open_source(SOURCE)
    stamps = [to_nanoseconds(m.header.stamp) for m in r.of("rgb/image")]
    for index, stamp in enumerate(stamps):
        track = boxes[stamp]
        assert track.state == Track.TRACKING and track.header.frame_id == "rgb_optical_frame"
        for box, true in zip((track.box, track.thermal_box), expected.truth(index), strict=True):
            assert np.allclose([box.x, box.y, box.width, box.height], true)


def test_it_shows_the_tracker_the_target_again_and_again(recorder):
    """At first there is no tracker, then it refuses, then it starts; and anew with every round of the source."""
    r = recorder()
    play = ("frames:=75", "rate:=30.0", "loop:=true", "wait_for_subscribers:=true")
    process = start(f"source:={SOURCE}", "init:=auto", *play)
    wait_for(lambda: r.executor.spin_once(timeout_sec=0.05) or len(r.of("rgb/image")) >= 3, 60.0)
    requests = []

    def answer(request, response):
        requests.append(request)
        response.success, response.message = len(requests) > 1, "not yet"
        return response

    r.node.create_service(InitTarget, "init_target", answer)
    log = r.until(process)
    assert process.returncode == 0 and "the tracker does not start: not yet; trying again" in log, log
    stamps = [to_nanoseconds(m.header.stamp) for m in r.of("rgb/image")]
    sequence = open_source(SOURCE, rate=30.0)
    shown = [stamps.index(to_nanoseconds(request.stamp)) for request in requests]
    assert {30, 60} <= set(shown) <= {*range(28), 30, 60} and len(shown) in (3, 4)
    for index, request in zip(shown, requests, strict=True):
        true = sequence.truth(index % 30)[0]
        assert request.image == InitTarget.Request.RGB
        assert np.allclose([request.box.x, request.box.y, request.box.width, request.box.height], true)
