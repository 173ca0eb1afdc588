"""A stream from which nothing comes: the log says what is published instead, and `init_target` why it has no image."""

import time
from array import array

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

import rclpy  # noqa: E402
from bench import wait_for  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, PointCloud2  # noqa: E402

from ckd_ros.ros.silence import KINDS, explain_silence  # noqa: E402

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def camera(ros):
    """A node in a process of its own, as far as the middleware can tell."""
    context = rclpy.context.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("driver", namespace="cam", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def explain(ros):
    """What is said of the stream `rgb` of a node, as soon as it knows who publishes on a number of topics."""
    node = rclpy.create_node("listener", namespace="ckd")

    def known(topic: str) -> bool:
        publishers = node.get_publishers_info_by_topic(topic)
        return bool(publishers) and publishers[0].node_name == "driver"

    def make(transport="raw", qos=BEST_EFFORT, knows=("/ckd/rgb/image",)) -> str:
        topic = "rgb/image" + ("/compressed" if transport == "compressed" else "")
        subscription = node.create_subscription(KINDS[transport], topic, lambda message: None, qos)
        wait_for(lambda: all(known(name) for name in knows))
        return explain_silence(node, subscription, "rgb", transport).text

    yield make
    node.destroy_node()


def test_no_camera_at_all(explain):
    said = explain(knows=())
    assert said.startswith("no images arrive on /ckd/rgb/image (sensor_msgs/msg/Image, best_effort, volatile): ")
    assert "nobody publishes there" in said and "No other topic of images" in said and "ROS_DOMAIN_ID" in said


def test_another_topic(explain, camera):
    camera.create_publisher(Image, "/color/image_raw", BEST_EFFORT)
    camera.create_publisher(PointCloud2, "/color/points", 1)
    said = explain(knows=("/color/image_raw", "/color/points"))
    assert "Images are published on /color/image_raw (sensor_msgs/msg/Image by /cam/driver): remap rgb/image to" in said
    assert "points" not in said


@pytest.mark.parametrize(
    "wanted, topic, sent",
    [("raw", "/ckd/rgb/image/compressed", "compressed"), ("compressed", "/ckd/rgb/image", "raw")],
)
def test_another_transport(explain, camera, wanted, topic, sent):
    camera.create_publisher(KINDS[sent], topic, BEST_EFFORT)
    said = explain(wanted, knows=(topic,))
    assert f"Beside it {topic} is published by /cam/driver" in said and f"set image_transport.rgb to {sent}" in said


@pytest.mark.parametrize("kind, name", [(PointCloud2, "draco"), (CompressedImage, "compressedDepth")])
def test_a_transport_that_is_not_read(explain, camera, kind, name):
    camera.create_publisher(kind, f"/ckd/rgb/image/{name}", BEST_EFFORT)
    said = explain(knows=(f"/ckd/rgb/image/{name}",))
    assert f"Beside it /ckd/rgb/image/{name} is published" in said and "that is not read" in said


def test_another_type(explain, camera):
    camera.create_publisher(CompressedImage, "/ckd/rgb/image", BEST_EFFORT)
    said = explain()
    assert "/cam/driver (sensor_msgs/msg/CompressedImage, best_effort, volatile), which is another type" in said
    assert said.endswith("set image_transport.rgb to compressed and remap rgb/image/compressed to /ckd/rgb/image")


def test_a_quality_of_service_that_does_not_fit(explain, camera):
    camera.create_publisher(Image, "/ckd/rgb/image", BEST_EFFORT)
    said = explain(qos=QoSProfile(depth=1))
    assert "/cam/driver (sensor_msgs/msg/Image, best_effort, volatile), whose QoS does not fit" in said
    assert "set qos.reliability to best_effort" in said and "qos_overrides./ckd/rgb/image.subscription" in said


def test_a_camera_that_sends_nothing(explain, camera):
    camera.create_publisher(Image, "/ckd/rgb/image", QoSProfile(depth=1))
    said = explain()
    assert "/cam/driver (sensor_msgs/msg/Image, reliable, volatile), whose type and QoS fit" in said
    assert "config/fastdds.xml" in said


def test_it_is_said_once_after_a_few_seconds_and_answered_at_once(bench, camera, capfd, monkeypatch):
    b = bench(**{"sync.timeout": 0.1}).start()
    b.user.destroy_publisher(b.cameras["rgb"])
    camera.create_publisher(Image, "/color/image_raw", 1)
    wait_for(lambda: b.node.get_publishers_info_by_topic("/color/image_raw"))
    wait_for(lambda: not b.node.get_publishers_info_by_topic("/ckd/rgb/image"))
    response = b.init()
    assert not response.success and response.message.startswith(
        "no rgb image has arrived; no images arrive on /ckd/rgb"
    )
    assert "/color/image_raw" in response.message
    assert "rgb silent (no publisher)" not in b.faults()
    monkeypatch.setattr("ckd_ros.ros.inputs.SILENT_AFTER", 0.5)
    for _ in range(2):
        b.status(wanted=lambda values: "fault rgb silent (no publisher)" in values)
    assert "/color/image_raw" in b.status("rgb")["message"]
    camera.create_publisher(Image, "/ckd/rgb/image", BEST_EFFORT)
    b.status(wanted=lambda values: "fault rgb silent (QoS)" in values)  # another cause is said at once
    log = capfd.readouterr().err
    assert log.count("nobody publishes there. Images are published on /color/image_raw") == 1 + 1  # and the answer
    assert log.count("whose QoS does not fit") == 1


def test_a_start_on_a_stream_that_is_refused_says_why(bench):
    b = bench(**{"sync.timeout": 0.1}).start()

    def empty():
        rgb, thermal = b.messages()
        rgb.data = array("B")
        return rgb, thermal

    b.play(0.3, make=empty)
    b.wait_for_fault("rgb image")
    response = b.init()
    assert response.message == (
        "no rgb image has arrived; images come but are refused: rgb image cannot be used: the message holds no data "
        "(0 bytes)"
    )


def test_a_paused_bag_needs_the_stamp_of_the_image(bench):
    b = bench().start()
    b.steps(3)
    time.sleep(1.1)
    sec, nanosec = divmod(b.stamp(), 10**9)
    response = b.init()
    assert not response.success and "is the camera running? If a bag is paused, give the stamp of" in response.message
    assert f"{{sec: {sec}, nanosec: {nanosec}}}" in response.message
    assert b.init(stamp=b.stamp()).success


def test_at_start_it_names_what_it_waits_for(bench, capfd):
    bench(**{"image_transport.thermal": "compressed"}).start()
    topics = (
        "/ckd/rgb/image (sensor_msgs/msg/Image) and /ckd/thermal/image/compressed (sensor_msgs/msg/CompressedImage)"
    )
    wait_for(lambda: f"waiting for images on {topics}" in capfd.readouterr().err)


def test_a_robot_with_one_camera_is_told_once_how_to_say_so(bench, monkeypatch):
    monkeypatch.setattr("ckd_ros.ros.inputs.SILENT_AFTER", 0.2)
    reports = []
    b = bench(**{"sync.timeout": 0.1})
    monkeypatch.setattr(b.node.faults, "report", lambda key, text, remind=True: reports.append((key, text, remind)))
    b.start()
    b.play(0.5, rgb=False)
    b.node.inputs.check()
    b.play(0.5)
    b.play(0.5, rgb=False)
    b.node.inputs.check()
    never, later = [report for report in reports if report[0].startswith("rgb silent")][-2:]
    assert never[1].endswith("If there is no such camera: set modality to thermal") and not never[2]
    assert "modality" not in later[1] and later[2], "one that has stopped is said again and again"


def test_a_camera_that_a_robot_does_not_have_is_not_missed(bench, capfd):
    b = bench(modality="thermal", **{"sync.timeout": 0.1})
    assert b.node.start()
    wait_for(lambda: b.cameras["thermal"].get_subscription_count() and b.init_client.service_is_ready())
    assert b.cameras["rgb"].get_subscription_count() == 0
    b.play(0.5)
    status = b.status("rgb", lambda values: values["received"] == "0")
    assert status["message"] == "not received: modality is set to the other camera" and status["level"] == b"\x00"
    response = b.init()
    assert response.message == (
        "no rgb image has arrived; modality is thermal: draw the box in the thermal image ('image' of the request)"
    )
    assert "waiting for images on /ckd/thermal/image (" in capfd.readouterr().err
