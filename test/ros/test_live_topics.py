"""`ckd calibrate` on the topics of running cameras, through the middleware."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")

import rclpy  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from ckd_ros import geometry  # noqa: E402
from ckd_ros.app import calibration_frames  # noqa: E402
from ckd_ros.app.node_settings import read_node_settings  # noqa: E402
from ckd_ros.cli import main  # noqa: E402
from ckd_ros.ros import live_topics  # noqa: E402
from ckd_ros.ros.camera_pairs import CameraPairs  # noqa: E402
from ckd_ros.ros.conversions import compressed_message, image_message  # noqa: E402

COLOUR, THERMAL = (320, 240), (160, 120)
POINTS = geometry.grid((240, 180), 3) + 20


@pytest.fixture
def cameras(ros):
    """Starts cameras that publish black images, stamped so many seconds ago; of None none come."""
    stopped, threads = threading.Event(), []
    node = rclpy.create_node("cameras")

    def start(compressed=False, colour=0.0, thermal=0.0):
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        publishers = [node.create_publisher(kind, f"/robot/{name}{suffix}", 5) for name in ("colour", "warm")]

        def publish():
            while not stopped.wait(0.03):
                for publisher, (width, height), ago in zip(
                    publishers, (COLOUR, THERMAL), (colour, thermal), strict=True
                ):
                    if ago is None:
                        continue
                    stamp, pixels = time.time_ns() - int(1e9 * ago), np.zeros((height, width), np.uint8)
                    raw = image_message(pixels, "mono8", stamp, "camera")
                    publisher.publish(compressed_message(pixels, stamp, "camera") if compressed else raw)

        threads.append(threading.Thread(target=publish))
        threads[-1].start()

    yield start
    stopped.set()
    for thread in threads:
        thread.join()
    node.destroy_node()


@pytest.mark.parametrize("compressed", [False, True])
def test_topics_are_calibrated_as_a_recording_is(cameras, tmp_path, monkeypatch, compressed):
    monkeypatch.setattr(calibration_frames, "_PAUSE", 0.1e9)
    cameras(compressed)
    np.savetxt(tmp_path / "points.txt", np.concatenate([POINTS, POINTS / 2], axis=1))
    file = tmp_path / "registration.yaml"
    options = ["--points", str(tmp_path / "points.txt"), "--frames", "3", "--out", str(file)]
    main(["calibrate", "topics:/robot/colour,/robot/warm", *options])
    registration = read_node_settings(file).registration
    assert (registration.rgb_size, registration.thermal_size) == (COLOUR, THERMAL)
    np.testing.assert_allclose(registration.matrix(COLOUR, THERMAL), np.diag([0.5, 0.5, 1]), atol=1e-6)


def test_pairs_are_of_different_moments(cameras, monkeypatch):
    cameras()
    with live_topics.LiveTopics("/robot/colour", "/robot/warm") as topics:
        pairs = topics.frames(start=2)
        stamps = [next(pairs).stamp for _ in range(4)]
    assert (np.diff(stamps) > 0).all() and topics.name == "topics-robot-colour-robot-warm"


def test_no_pair_comes_twice_where_a_bag_loops(ros):
    node = rclpy.create_node("looper")
    pairs = CameraPairs(node, {"rgb": "/a", "thermal": "/b"})
    for stream, stamps in (("rgb", [90, 95, 10, 15]), ("thermal", [10, 15])):
        for stamp in stamps:
            pairs._on_image(stream, image_message(np.zeros((4, 6), np.uint8), "mono8", stamp * 10_000_000))
    taken = pairs.take()
    assert taken.stamp == taken.thermal_stamp == 150_000_000 and pairs.take() is None
    node.destroy_node()


def test_an_offset_between_the_stamps_is_taken_off(ros):
    node = rclpy.create_node("shifted")
    pairs = CameraPairs(node, {"rgb": "/a", "thermal": "/b"}, thermal_offset=0.3)
    for stream, stamps in (("rgb", [10, 13, 16]), ("thermal", [40, 43])):
        for stamp in stamps:
            pairs._on_image(stream, image_message(np.zeros((4, 6), np.uint8), "mono8", stamp * 10_000_000))
    taken = pairs.take()
    assert (taken.stamp, taken.thermal_stamp) == (130_000_000, 430_000_000)
    node.destroy_node()


@pytest.mark.parametrize(
    ("show", "said"),
    [
        (None, "nobody publishes /robot/colour, nor /robot/colour/compressed; nobody publishes /robot/warm, nor"),
        ({"thermal": None}, "s: no images arrive on /robot/warm, which is published"),
        ({"thermal": 1.0}, "s: the newest stamp of /robot/warm is -1.0"),
    ],
    ids=["nothing", "one is silent", "other clocks"],
)
def test_what_does_not_come_is_named(cameras, monkeypatch, show, said):
    patience = 0.5
    if show is not None:
        cameras(**show)
        patience = 6.0  # the cameras are found, and send, within this
    monkeypatch.setattr(live_topics, "PATIENCE", patience)
    with live_topics.LiveTopics("/robot/colour", "/robot/warm") as topics, pytest.raises(ValueError) as error:
        next(topics.frames())
    assert str(error.value).startswith(f"no pair of images has come for {patience:g} s: ") and said in str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("topics:/robot/colour", "does not name two topics: expected topics:/COLOUR,/THERMAL"),
        ("topics:/a,/a", "does not name two topics"),
        ("topics:/a b,/c", "Invalid topic name"),
    ],
)
def test_topics_that_cannot_be_are_named(ros, capsys, source, said):
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", source])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and said in error and error.count("\n") == 1
