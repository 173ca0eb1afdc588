"""Whatever comes in, the node says once what is wrong with it, reports it, and tracks on when good images return."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import CELL, PERIOD  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from ckd_ros.srv import InitTarget  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402

from ckd_ros.ros import conversions  # noqa: E402

WARN = b"\x01"
SECOND = 10**9


def changed(message, **fields):
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def truncated(message):
    message.data = message.data[: len(message.data) // 2]
    return message


BROKEN = {
    "0-byte": (lambda m: changed(m, data=array("B")), "0 bytes"),
    "truncated": (truncated, "bytes of data"),
    "unknown encoding": (lambda m: changed(m, encoding="jpeg"), "encoding 'jpeg' is not one of"),
    "wrong encoding": (
        lambda m: changed(m, encoding="rgba8" if m.encoding == "rgb8" else "rgb8"),
        "smaller than a row",
    ),
    "zero width": (lambda m: changed(m, width=0), "no pixels"),
    "zero height": (lambda m: changed(m, height=0), "no pixels"),
    "short step": (lambda m: changed(m, step=m.step - 1), "smaller than a row"),
    "absurd height": (lambda m: changed(m, height=2**32 - 1), "bytes of data"),
}


@pytest.mark.parametrize("stream", ["rgb", "thermal"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_images(bench, capfd, stream, kind):
    spoil, words = BROKEN[kind]
    b = bench().started()
    for _ in range(4):
        b.frame += 1
        rgb, thermal = b.messages()
        b.send(*((spoil(rgb), thermal) if stream == "rgb" else (rgb, spoil(thermal))))
    assert words in b.wait_for_fault(f"{stream} image")
    status = b.status(stream, lambda v: v["level"] == WARN)
    assert words in status["message"]
    assert words in b.status()[f"fault {stream} image"]
    assert capfd.readouterr().err.count(f"{stream} image cannot be used") == 1
    b.steps(2)
    b.follow(5)


def test_a_rate_is_never_beside_none_received(bench):
    b = bench().start()

    def empty():
        rgb, thermal = b.messages()
        rgb.data = array("B")
        return rgb, thermal

    b.play(0.3, make=empty)
    refused = b.status("rgb", lambda values: float(values["rate"]) > 0)
    assert int(refused["received"]) > 0 and refused["usable"] == "0"
    b.step()
    b.node.trigger_deactivate()
    assert (b.status()["rate"], b.status("thermal")["rate"]) == ("0.0", "0.0"), "that of before"


def test_both_images_broken(bench):
    b = bench().started()
    for _ in range(4):
        b.frame += 1
        b.send(*(truncated(message) for message in b.messages()))
    b.wait_for_fault("rgb image")
    b.wait_for_fault("thermal image")
    b.follow(5)


@pytest.mark.parametrize("stream", [0, 1])
def test_compressed_images_that_cannot_be_decoded(bench, capfd, stream):
    b = bench(**{"image_transport.rgb": "compressed", "image_transport.thermal": "compressed"}).start()

    def compressed(spoilt=()):
        pair = b.pair()
        warmth = ((pair.thermal.data - 7000) // 4).clip(0, 255).astype(np.uint8)
        pictures = enumerate((pair.rgb.data[..., ::-1], warmth))
        messages = [conversions.compressed_message(p, b.stamp(), f"camera {i}", quality=95) for i, p in pictures]
        for i in spoilt:
            data = messages[i].data
            messages[i].data = data[:20] + array("B", bytes(len(data) - 24)) + data[-4:]
        return messages

    b.step(compressed)
    assert b.init().success
    b.follow(3, make=compressed)
    track = b.follow(3, make=lambda: compressed([stream]))
    assert (track.rgb_used, track.thermal_used) == (stream == 1, stream == 0), "the other image of the pair is used"
    name = ("rgb", "thermal")[stream]
    assert "cannot be decoded" in b.faults()[f"{name} image"]
    assert capfd.readouterr().err.count("cannot be decoded") == 1
    track = b.follow(3, make=compressed)
    assert track.rgb_used and track.thermal_used


def test_the_resolution_changes_in_mid_stream(bench, capfd):
    b = bench().started()
    for scale in (0.5, 1.0):
        for _ in range(10):
            track = b.step(scale=scale)
        x, y = track.box.x + track.box.width / 2, track.box.y + track.box.height / 2
        assert track.state == Track.TRACKING
        assert np.hypot(*(np.array([x, y]) - scale * np.array(b.centre()))) < 2 * CELL * scale
        b.wait_for_fault("rgb resolution")
    assert "changed from 160 x 120 to 320 x 240" in b.faults()["rgb resolution"]
    assert "changed from 80 x 60 to 160 x 120" in b.faults()["thermal resolution"]
    assert "changed from" in b.status("rgb", lambda v: v["level"] == WARN)["message"]
    assert capfd.readouterr().err.count("rgb images changed from 320 x 240 to 160 x 120") == 1
    b.follow(5)


def test_swapped_topics(bench, capfd):
    b = bench().started()
    for _ in range(3):
        b.step(lambda: b.messages()[::-1])
    assert "are the topics swapped?" in b.wait_for_fault("rgb topic")
    assert "are the topics swapped" in b.status("rgb", lambda v: v["level"] == WARN)["message"]
    assert capfd.readouterr().err.count("16-bit grey images") == 1
    b.steps(3)
    b.follow(5)


def test_colour_images_on_the_thermal_topic(bench):
    b = bench().start()

    def same_camera_twice():
        rgb = b.messages()[0]
        data = conversions.load_image(rgb).data // [1, 2, 4]
        return rgb, conversions.image_message(data.astype(np.uint8), "rgb8", b.stamp(), "thermal_frame")

    b.steps(2, make=same_camera_twice)
    assert "colour images (rgb8): are the topics swapped" in b.wait_for_fault("thermal topic")


def test_a_lens_cap(bench):
    b = bench().started()

    def capped():
        rgb, thermal = b.messages()
        return changed(rgb, data=array("B", bytes(len(rgb.data)))), thermal

    b.play(0.6, make=capped)  # pixels are looked at twice a second
    assert "every pixel of the rgb image is 0" in b.wait_for_fault("rgb content")
    b.steps(2)
    b.follow(5)


def test_a_noisy_closed_lens_is_said_while_no_target_is_followed(bench):
    b = bench().start()
    noise = np.random.default_rng(0)

    def closed():
        rgb, thermal = b.messages()
        return changed(rgb, data=array("B", noise.integers(2, 7, len(rgb.data), np.uint8).tobytes())), thermal

    b.steps(3)
    assert not any("quality" in key for key in b.faults())
    b.steps(2, make=closed)
    assert "the rgb image shows nothing (black" in b.wait_for_fault("rgb quality")


def test_images_that_are_missing_for_a_moment_are_said_in_words(bench):
    b = bench(**{"sync.timeout": 0.5}).started()
    b.play(1.0)
    b.status()
    b.play(0.6, thermal=False)
    assert "no thermal image came with" in b.status("thermal", lambda v: v["level"] == WARN)["message"]
    assert "they are tracked by themselves" in b.faults()["thermal missing"]


def stamped(b, rgb: int | None = None, thermal: int | None = None):
    """The present frame with other stamps, nanoseconds."""
    messages = b.messages()
    for message, stamp in zip(messages, (rgb, thermal), strict=True):
        if stamp is not None:
            message.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
    return messages


@pytest.mark.parametrize("stamp", [0, -5 * SECOND])
def test_images_without_a_stamp_get_the_time_of_their_reception(bench, capfd, stamp):
    b = bench(**{"sync.slop": 2.0}).started()  # a busy machine receives them apart
    for _ in range(5):
        b.frame += 1
        count = len(b.tracks)
        b.send(*stamped(b, stamp, stamp))
        track = b.track(lambda t, count=count: len(b.tracks) > count)
    assert 0 <= track.latency < 2.0 and track.state == Track.TRACKING
    assert "have no stamp" in b.faults()["rgb stamp"] and "have no stamp" in b.faults()["thermal stamp"]
    assert "have no stamp" in b.status("rgb", lambda v: v["level"] == WARN)["message"]
    assert capfd.readouterr().err.count("rgb images have no stamp") == 1
    b.follow(5)


@pytest.mark.parametrize("error", [-40 * 365 * 86400 * SECOND, 8 * 365 * 86400 * SECOND])
def test_a_wild_stamp_costs_its_own_image_only(bench, error):
    b = bench().started()
    b.frame += 1
    b.send(*stamped(b, rgb=b.stamp() + error))
    b.follow(5)
    assert "went back" in b.faults()["rgb order"]


def test_repeated_and_late_stamps(bench, capfd):
    b = bench().started()
    for _ in range(4):
        b.frame += 1
        b.send(*stamped(b, b.stamp(3), b.stamp(3)))
    assert "older than the one before" in b.wait_for_fault("rgb order")
    b.follow(5)
    for _ in range(3):
        b.send(*b.messages())
    status = b.status("thermal", lambda v: v["repeated"] == "3")
    assert "repeats that of the one before" in status["message"] and status["late"] == "4"
    assert capfd.readouterr().err.count("thermal image is older") == 1
    b.follow(5)


def test_a_bag_that_loops(bench):
    b = bench().started()
    b.follow(40)
    b.tracks.clear()
    b.start_stamp -= 44 * PERIOD
    b.steps(1)
    b.follow(10)
    assert "went back" in b.faults()["rgb order"] and "went back" in b.faults()["thermal order"]


def test_cameras_whose_clocks_disagree(bench):
    b = bench(**{"sync.timeout": 0.2}).started()

    def an_hour_apart():
        return stamped(b, thermal=b.stamp() + 3600 * SECOND)

    for _ in range(60):
        b.play(0.03, make=an_hour_apart)
    assert b.tracks[-1].rgb_used and not b.tracks[-1].thermal_used, "colour goes on alone"
    status = b.status(wanted=lambda v: v["level"] == WARN)
    assert "stamped by the same clock" in status["fault pairing"] and "+3600.000 s" in status["fault pairing"]
    b.steps(2)
    track = b.follow(5)
    assert track.rgb_used and track.thermal_used


BAD_BOXES = {
    "NaN": ((float("nan"), 10.0, 20.0, 20.0), "finite"),
    "infinite": ((10.0, 10.0, float("inf"), 20.0), "finite"),
    "zero-size": ((10.0, 10.0, 0.0, 20.0), "no area"),
    "negative size": ((100.0, 100.0, -20.0, 20.0), "no area"),
    "out of the image": ((1000.0, 10.0, 20.0, 20.0), "inside the image of 320 x 240"),
    "left of the image": ((-30.0, 10.0, 20.0, 20.0), "inside the image"),
}


@pytest.mark.parametrize("kind", BAD_BOXES)
def test_boxes_that_cannot_be_followed(bench, capfd, kind):
    box, words = BAD_BOXES[kind]
    b = bench().started()
    response = b.init(box)
    assert not response.success and words in response.message and response.target_id == 0
    assert words in b.status(wanted=lambda v: "fault init_target" in v)["fault init_target"]
    assert capfd.readouterr().err.count("init_target refused") == 1
    assert b.follow(5).target_id == 1, "the target followed before is still followed"


def test_a_bad_box_while_idle_starts_nothing(bench):
    b = bench().start()
    b.steps(2)
    assert not b.init(BAD_BOXES["NaN"][0]).success
    assert b.step().state == Track.IDLE


def test_moments_that_are_not_in_the_buffer(bench):
    b = bench(**{"sync.history": 0.5}).start()
    response = b.init()
    assert not response.success and "no rgb image has arrived" in response.message
    b.steps(3)
    for stamp in (b.stamp() - 3600 * SECOND, b.stamp() + 3600 * SECOND):
        response = b.init(stamp=stamp)
        assert not response.success and "the buffer reaches from" in response.message
    b.play(0.7)
    assert not b.init(stamp=b.stamp(1)).success
    assert b.init(stamp=b.stamp()).success


def test_an_image_that_never_came(bench):
    b = bench(**{"sync.timeout": 0.1}).start()
    b.play(0.4, thermal=False)
    response = b.init(image=InitTarget.Request.THERMAL)
    assert not response.success and "no thermal image has arrived" in response.message
    response = b.init(image=7)
    assert not response.success and "image is 7" in response.message


def test_a_camera_that_stopped(bench):
    import time

    b = bench().start()
    b.steps(3)
    time.sleep(1.2)
    response = b.init()
    assert not response.success and "is the camera running?" in response.message


def test_a_tracker_that_fails_is_a_fault_and_not_the_end(bench, capfd):
    b = bench().started()
    tracker = b.node.worker.tracker
    update = tracker.update
    tracker.update = lambda *given: 1 / 0
    for _ in range(3):
        b.frame += 1
        b.send(*b.messages())
    assert "ZeroDivisionError" in b.wait_for_fault("tracker")
    tracker.update = update
    b.follow(5)  # by now the fault has been logged
    assert capfd.readouterr().err.count("ZeroDivisionError") == 1


def test_images_larger_than_allowed_are_refused_and_the_limit_may_change(bench):
    b = bench(**{"limits.image_pixels": 320 * 240}).started()
    b.node.set_parameters([Parameter("limits.image_pixels", value=320 * 240 - 1)])
    for _ in range(3):
        b.frame += 1
        b.send(*b.messages())
    assert "320 x 240 pixels: at most 76,799 are taken" in b.wait_for_fault("rgb image")
    b.node.set_parameters([Parameter("limits.image_pixels", value=320 * 240)])
    b.steps(2)
    b.follow(3)


def test_requests_that_would_leave_nothing_for_the_images_are_refused(bench):
    b = bench(**{"limits.starts": 2}).started()
    assert b.init().target_id == 2
    answer = b.init()
    assert not answer.success and "more than 2 requests within 10 s (limits.starts)" in answer.message
    assert b.follow(3).target_id == 2 and b.stop().success
    b.node.set_parameters([Parameter("limits.starts", value=0)])
    assert b.init().target_id == 3


@pytest.mark.parametrize("data", [b"\0\1", serialize_message(CameraInfo())[:30], b"\0\1\0\0" + 200 * b"\xff"])
def test_bytes_that_are_no_camera_info(bench, data):
    b = bench().started()
    b.calibrations["rgb"].publish(data)
    assert "are no CameraInfo" in b.wait_for_fault("rgb camera_info")
    assert b.status("rgb", lambda values: int(values["camera_info"]) == 1)
    b.follow(3)
