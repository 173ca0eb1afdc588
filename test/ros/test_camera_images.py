"""Images as cameras really send them: what is silently wrong in them is left out, and said with the remedy."""

from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from ckd_ros.ros import conversions  # noqa: E402

WARN = b"\x01"


def with_pixels(b, message, pixels, encoding=None):
    """A message of the present frame with other pixels."""
    return conversions.image_message(pixels, encoding or message.encoding, b.stamp(), message.header.frame_id)


def thermal_changed(b, change, encoding=None):
    """The present frame with `change(counts)` in place of its thermal counts."""
    rgb, thermal = b.messages()
    return rgb, with_pixels(b, thermal, change(conversions.load_image(thermal).data), encoding)


def test_packed_yuv_of_an_odd_width_costs_the_colour_image_alone(bench, capfd):
    b = bench(**{"sync.timeout": 0.2}).started()

    def odd():
        rgb, thermal = b.messages()
        return with_pixels(b, rgb, np.zeros((240, 319, 2), np.uint8), "yuv422_yuy2"), thermal

    for _ in range(3):
        b.play(0.3, make=odd)
    track = b.tracks[-1]
    assert track.thermal_used and not track.rgb_used and track.state == Track.TRACKING
    assert "319 x 240 pixels of yuv422_yuy2: its width must be a multiple of 2" in b.wait_for_fault("rgb image")
    assert capfd.readouterr().err.count("319 x 240") == 1
    b.steps(2)
    b.follow(3)


def test_an_image_that_cannot_be_converted_costs_itself_alone(bench):
    b = bench().started()
    track = b.follow(3, make=lambda: thermal_changed(b, lambda counts: counts.astype(np.float32), "32FC1"))
    assert track.rgb_used and not track.thermal_used
    assert "neither degrees Celsius nor kelvin" in b.wait_for_fault("thermal image")
    response = b.init(b.box() / 2, image=1)
    assert not response.success and "neither degrees Celsius nor kelvin" in response.message
    track = b.follow(3)
    assert track.rgb_used and track.thermal_used


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        ("32FC1", lambda counts: (counts / 100 - 50).astype(np.float32)),
        ("32FC1", lambda counts: (counts / 100 + 223.15).astype(np.float32)),
        ("16SC1", lambda counts: (counts.astype(int) - 7200).astype(np.int16)),
    ],
)
def test_temperatures_and_signed_counts_are_thermal_images(bench, encoding, values):
    b = bench().start()
    b.steps(2, make=lambda: thermal_changed(b, values, encoding))
    assert b.init().success
    track = b.follow(5, make=lambda: thermal_changed(b, values, encoding))
    assert track.rgb_used and track.thermal_used and not b.faults()
    assert b.status("thermal")["image"] == "160 x 120 mono16"


@pytest.mark.parametrize("stream", ["rgb", "thermal"])
def test_a_frozen_camera_is_left_out_and_said(bench, capfd, stream):
    b = bench().started()
    first = dict(zip(("rgb", "thermal"), b.messages(), strict=True))

    def stuck():
        messages = dict(zip(("rgb", "thermal"), b.messages(), strict=True))
        messages[stream] = with_pixels(b, first[stream], conversions.load_image(first[stream]).data)
        return messages["rgb"], messages["thermal"]

    for _ in range(30):
        track = b.step(stuck)
        assert track.state == Track.TRACKING and b.error(track) < 15.0
        assert (track.rgb_used, track.thermal_used) == (stream != "rgb", stream != "thermal")
    assert f"the {stream} image is identical to the one before it (30 in a row)" in b.faults()[f"{stream} frozen"]
    assert "identical" in b.status(stream, lambda v: v["level"] == WARN)["message"]
    assert capfd.readouterr().err.count("identical to the one before") == 1
    track = b.follow(5)
    assert track.rgb_used and track.thermal_used


def test_a_target_can_be_marked_twice_in_the_same_image(bench):
    b = bench().started()
    assert b.init().success and b.init().success
    b.follow(3)
    assert not b.faults()


def test_a_scene_that_stands_still_keeps_its_box(bench):
    """As of a simulator without noise: new stamps, nothing new in either image."""
    b = bench().started()
    show = b.messages()

    def still():
        return tuple(with_pixels(b, message, conversions.load_image(message).data) for message in show)

    shown = b.box()[:2] + b.box()[2:] / 2
    for _ in range(15):
        track = b.step(still)
        assert track.state == Track.TRACKING
        assert np.hypot(*(np.array([track.box.x, track.box.y]) + b.box()[2:] / 2 - shown)) < 15.0
    assert {"rgb frozen", "thermal frozen"} <= b.faults().keys()


def test_bytes_in_the_wrong_order_are_said_and_not_used(bench):
    b = bench().started()

    def swapped():
        rgb, thermal = b.messages()
        thermal.is_bigendian = 1
        return rgb, thermal

    track = b.follow(3, make=swapped)
    assert track.rgb_used and not track.thermal_used
    assert "is_bigendian is 1, but only with 0 they are a picture" in b.wait_for_fault("thermal image")
    track = b.follow(3)
    assert track.rgb_used and track.thermal_used


def test_telemetry_rows_are_named_and_cropped(bench):
    b = bench().start()
    words = np.random.default_rng(0).integers(0, 65535, (3, 160)).astype(np.uint16)

    def with_telemetry():
        return thermal_changed(b, lambda counts: np.concatenate([words, counts]))

    b.steps(2, make=with_telemetry)
    assert "thermal.crop of the node: [3, 0]" in b.wait_for_fault("thermal rows")
    assert "telemetry" in b.status("thermal", lambda v: v["level"] == WARN)["message"]
    (result,) = b.node.set_parameters([Parameter("thermal.crop", value=[3, 0])])
    assert result.successful
    b.play(0.7, make=with_telemetry)  # pixels are looked at twice a second
    count = b.node.faults.active()["thermal rows"].count
    b.play(0.7, make=with_telemetry)
    assert b.node.faults.active()["thermal rows"].count == count
    assert b.status("thermal")["image"] == "160 x 120 mono16"
    b.step(with_telemetry)
    assert b.init().success
    track = b.follow(5, make=with_telemetry)
    assert track.thermal_used and abs(track.thermal_box.y - track.box.y / 2) < 0.01


def test_a_crop_of_everything_is_a_fault_of_the_image(bench):
    b = bench(**{"thermal.crop": [100, 20]}).start()
    b.steps(2)
    assert "the image has only 120 rows" in b.wait_for_fault("thermal image")


def test_a_picture_above_raw_data_is_named(bench):
    b = bench().start()

    def stacked():
        return thermal_changed(b, lambda counts: np.concatenate([(counts - 7000) // 4, counts]))

    b.steps(2, make=stacked)
    assert "thermal.crop of the node: [0, 120] keeps the upper one" in b.wait_for_fault("thermal halves")
    b.node.set_parameters([Parameter("thermal.crop", value=[120, 0])])
    wait_for(lambda: b.node.worker.loader.thermal_crop == (120, 0))
    b.steps(2, make=stacked)
    assert b.init().success and b.follow(5, make=stacked).thermal_used


def test_coarse_counts_are_named(bench):
    b = bench().start()
    b.steps(2, make=lambda: thermal_changed(b, lambda counts: counts // 16))
    assert "different counts, as of whole degrees" in b.wait_for_fault("thermal levels")


@pytest.mark.parametrize("stream", [0, 1])
def test_padded_jpegs_are_taken_and_cut_ones_are_not(bench, stream):
    b = bench(**dict.fromkeys(("image_transport.rgb", "image_transport.thermal"), "compressed")).start()

    def compressed(spoil=lambda data: data):
        pair = b.pair()
        warmth = ((pair.thermal.data - 7000) // 4).clip(0, 255).astype(np.uint8)
        pictures = (cv2.cvtColor(pair.rgb.data, cv2.COLOR_RGB2BGR), warmth)
        messages = [conversions.compressed_message(p, b.stamp(), f"camera {i}", 95) for i, p in enumerate(pictures)]
        messages[stream].data = array("B", spoil(bytes(messages[stream].data)))
        return messages

    b.step(compressed)
    assert b.init().success
    track = b.follow(3, make=lambda: compressed(lambda data: data + bytes(4096)))
    assert track.rgb_used and track.thermal_used and not b.faults()
    track = b.follow(3, make=lambda: compressed(lambda data: data[: len(data) // 2] + b"\xff\xd9"))
    assert (track.rgb_used, track.thermal_used) == (stream == 1, stream == 0)
    assert "its last rows are missing" in b.faults()[f"{('rgb', 'thermal')[stream]} image"]


@pytest.mark.parametrize("stream", ["rgb", "thermal"])
def test_a_blind_camera_is_left_out_and_said_until_it_sees_again(bench, capfd, stream):
    b = bench().started()

    def blind():
        messages = dict(zip(("rgb", "thermal"), b.messages(), strict=True))
        pixels = conversions.load_image(messages[stream]).data
        black = np.random.default_rng(b.frame).integers(0, 4, pixels.shape).astype(pixels.dtype)
        messages[stream] = with_pixels(b, messages[stream], black)
        return messages["rgb"], messages["thermal"]

    track = b.track(lambda t: t.target_id == 1)
    for _ in range(3):
        track = b.step(blind)
    weights = {"rgb": track.rgb_weight, "thermal": track.thermal_weight}
    assert weights == {"rgb": 1.0, "thermal": 1.0} | {stream: 0.0}
    assert (track.rgb_used, track.thermal_used) == (stream != "rgb", stream != "thermal")
    fault = b.wait_for_fault(f"{stream} quality")
    assert f"the {stream} image shows nothing (black" in fault and "left out" in fault
    assert "shows nothing" in b.status(stream, lambda v: v["level"] == WARN)["message"]
    track = b.follow(5)
    assert track.rgb_weight == track.thermal_weight == 1.0 and track.rgb_used and track.thermal_used
    assert capfd.readouterr().err.count(f"the {stream} image shows nothing") == 1
