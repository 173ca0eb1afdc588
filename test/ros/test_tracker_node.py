"""Two camera topics in, the target's box out: the node end to end, through real middleware and real ONNX Runtime."""

import math
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import CELL, PERIOD, wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from ckd_ros.srv import InitTarget  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ckd_ros.ros import conversions, messages  # noqa: E402
from ckd_ros.ros.camera_node import camera_info  # noqa: E402
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, CameraPair  # noqa: E402
from ckd_ros.tracking import default_model  # noqa: E402


def test_it_follows_a_target(bench):
    b = bench().start()
    idle = b.steps(3)
    assert (idle.state, idle.target_id, idle.box.width) == (Track.IDLE, 0, 0.0)

    response = b.init()
    assert response.success and response.target_id == 1 and "target 1" in response.message
    first = b.track(lambda t: t.target_id == 1)
    assert np.allclose([first.box.x, first.box.y, first.box.width, first.box.height], b.box())

    track = b.follow(30)
    assert track.target_id == 1 and track.confidence > 0.55
    assert track.rgb_used and track.thermal_used
    assert conversions.to_nanoseconds(track.header.stamp) == b.stamp() and track.header.frame_id == "rgb_frame"
    assert conversions.to_nanoseconds(track.thermal_stamp) == b.stamp()
    # The thermal image is half the size.
    assert math.isclose(track.thermal_box.x, track.box.x / 2) and math.isclose(
        track.thermal_box.width, track.box.width / 2
    )
    assert 0 < track.inference_time < track.processing_time < 1.0


def test_the_latency_is_measured_against_the_stamp(bench):
    b = bench().start()
    b.start_stamp = time.time_ns() - 3 * PERIOD - 500_000_000
    track = b.steps(3)  # the third is half a second old
    assert 0.5 <= track.latency < 2.0


def test_it_answers_how_sure_it_is_of_what_was_drawn_and_refuses_what_is_too_weak(bench):
    b = bench(**{"model.path": str(default_model())}).start()
    b.steps(2)
    drawn = b.stamp()  # with it the box's image may be as old as it likes
    sure = b.init(stamp=drawn)
    assert sure.message == f"following target 1; confidence: {sure.confidence:.2f}" and sure.confidence > 0.8
    weak = b.init((100, 100, 4, 4), stamp=drawn)
    assert weak.message == f"following target 2; weak: {weak.confidence:.2f}" and 0 < weak.confidence < 0.5
    assert b.node.set_parameters([Parameter("init.min_confidence", value=0.5)])[0].successful
    refused = b.init((100, 100, 4, 4), stamp=drawn)
    assert not refused.success and (refused.target_id, refused.confidence) == (0, 0.0)
    assert f"its confidence is {weak.confidence:.2f}, min_confidence is 0.5" in refused.message
    assert b.step().target_id == 2 and b.init().target_id == 3


def test_a_new_target_replaces_the_one_before(bench):
    b = bench().started()
    assert b.init().target_id == 2
    assert b.follow(5).target_id == 2


def test_it_stops_following(bench):
    b = bench().started()
    response = b.stop()
    assert response.success and "target 1" in response.message
    assert (b.step().state, b.step().target_id) == (Track.IDLE, 0)
    response = b.stop()
    assert response.success and response.message == "no target was followed"


def test_a_box_drawn_on_an_old_image_still_hits_the_target(bench):
    b = bench(**{"sync.history": 60.0}).start()
    b.steps(5)
    old = b.frame
    b.steps(60)  # by now the target is 100 pixels away, out of reach of a search around the old place
    response = b.init(b.box(old), stamp=b.stamp(old) + 1_000_000)
    assert response.success, response.message
    present = b.track(lambda t: t.target_id == 1 and conversions.to_nanoseconds(t.header.stamp) == b.stamp())
    assert b.error(present) < CELL
    b.follow(5)
    stamps = [conversions.to_nanoseconds(t.header.stamp) for t in b.tracks if t.target_id == 1]
    assert stamps[0] == b.stamp(old) and stamps == sorted(stamps)


def test_images_are_received_while_it_catches_up(bench):
    b = bench().start()
    tracker = b.node.worker.tracker
    update = tracker.update
    tracker.update = lambda *given: (time.sleep(0.05), update(*given))[1]  # slower than the cameras
    b.steps(2)
    old = b.frame
    b.play(1.0)
    assert b.init(b.box(old), stamp=b.stamp(old)).success
    reached = None
    for _ in range(60):
        b.play(0.03)
        delay = b.stamp() - conversions.to_nanoseconds(b.tracks[-1].header.stamp)
        if delay <= 6 * PERIOD:
            reached = reached or b.frame
    assert reached is not None and reached < old + 30 + 45, "the present is reached, although every update is too slow"


@pytest.mark.parametrize("registration", [{}, {"registration.type": "offset", "registration.offset": [12.0, -7.0]}])
def test_a_box_drawn_in_the_thermal_image_starts_the_same_target(bench, registration):
    b = bench(**registration).start()
    dx, dy = registration.get("registration.offset", (0.0, 0.0))

    def shifted():
        rgb, thermal = b.messages()
        data = np.roll(conversions.load_image(thermal).data, (int(dy), int(dx)), (0, 1))
        return rgb, conversions.image_message(data, "mono16", b.stamp(), "thermal_frame")

    b.steps(3, make=shifted)
    thermal_box = b.box() / 2 + [dx, dy, 0, 0]
    assert b.init(thermal_box, image=InitTarget.Request.THERMAL).success
    track = b.track(lambda t: t.target_id == 1)
    assert np.allclose([track.box.x, track.box.y, track.box.width, track.box.height], b.box())
    assert np.allclose([track.thermal_box.x, track.thermal_box.y], thermal_box[:2])


def test_a_thermal_image_that_is_a_little_off_is_measured_and_said(bench):
    b = bench(**{"tracker.refine_bound": 0.2}).start()

    def shifted():
        rgb, thermal = b.messages()
        data = np.roll(conversions.load_image(thermal).data, (-1, 2), (0, 1))
        return rgb, conversions.image_message(data, "mono16", b.stamp(), "thermal_frame")

    b.steps(3, make=shifted)
    assert b.init(b.box()).success
    b.steps(10, make=shifted)
    track = b.track(lambda t: t.registration_offset_x != 0)
    assert np.allclose([track.registration_offset_x, track.registration_offset_y], [2, -1], atol=1.0)
    said = b.status(wanted=lambda values: "known to" in values["registration offset"])["registration offset"]
    assert said.startswith("x +") and "thermal px" in said


@pytest.mark.parametrize("silent", ["rgb", "thermal"])
def test_with_one_camera_silent_it_goes_on_with_the_other(bench, silent):
    b = bench(**{"sync.timeout": 0.8}).started()
    alive = {"rgb": silent != "rgb", "thermal": silent != "thermal"}
    b.play(1.2, **alive)
    track = b.follow(10, **alive)
    assert (track.rgb_used, track.thermal_used) == (alive["rgb"], alive["thermal"])
    assert track.header.frame_id == ("rgb_frame" if alive["rgb"] else "thermal_frame")
    if silent == "thermal":
        assert conversions.to_nanoseconds(track.thermal_stamp) == 0
    b.steps(2)  # the first image of the other may only be the promise of pairs to come
    track = b.follow(5)
    assert track.rgb_used and track.thermal_used


def test_a_slow_thermal_camera_does_not_slow_down_the_tracks(bench):
    b = bench().start()

    def slow():
        rgb, thermal = b.messages()
        return rgb, thermal if b.frame % 3 == 0 else None

    b.play(1.5, make=slow)
    drive = b.status(wanted=lambda status: status["drive"])["drive"]
    assert drive.startswith("each rgb image is tracked, with the newest thermal image")
    b.step(make=slow)
    assert b.init().success
    ages = set()
    for step in range(40):  # a track for each colour image
        track = b.step(make=slow)
        assert track.state == Track.TRACKING and b.error(track) < 1.5 * CELL, "it turns about on its way"
        assert track.rgb_used and track.header.frame_id == "rgb_frame"
        if step < 10:
            continue  # until the target's motion is known, an old image says little of it
        assert track.thermal_used
        ages.add((b.stamp() - conversions.to_nanoseconds(track.thermal_stamp)) // PERIOD)
    assert ages == {0, 1, 2, 3} or ages == {0, 1, 2} or ages == {1, 2, 3}
    assert "thermal frozen" not in b.faults(), "an image that is used again is no repetition"
    assert int(b.status("thermal")["reused"]) > 15


def test_a_track_has_the_stamp_of_the_image_that_drives_and_the_frame_of_the_colour_camera():
    rgb, thermal = (CameraFrame(s, stamp, stamp, lambda: None, f"{s}_frame") for s, stamp in ((RGB, 50), (THERMAL, 70)))
    for driver, stamp in ((RGB, 50), (THERMAL, 70)):
        header = messages.pair_header(CameraPair(rgb, thermal, 1, driver), {RGB: "", THERMAL: ""})
        assert (conversions.to_nanoseconds(header.stamp), header.frame_id) == (stamp, "rgb_frame")


def test_compressed_images(bench):
    b = bench(**{"image_transport.rgb": "compressed", "image_transport.thermal": "compressed"}).start()

    def compressed():
        colour, thermal = (conversions.load_image(m) for m in b.messages())
        rgb = conversions.compressed_message(colour.data[..., ::-1], b.stamp(), "rgb_frame", quality=95)
        warmth = ((thermal.data - 7000) // 4).clip(0, 255).astype(np.uint8)
        return rgb, conversions.compressed_message(warmth, b.stamp(), "thermal_frame", quality=95)

    b.step(compressed)
    assert b.init().success
    track = b.follow(10, make=compressed)
    assert track.rgb_used and track.thermal_used


@pytest.mark.parametrize("stream", ["rgb", "thermal"])
def test_one_camera_compressed_and_the_other_raw(bench, stream):
    b = bench(**{f"image_transport.{stream}": "compressed"}).start()

    def one_compressed():
        rgb, thermal = b.messages()
        if stream == "rgb":
            picture = conversions.load_image(rgb).data[..., ::-1]
            return conversions.compressed_message(picture, b.stamp(), "rgb_frame", quality=95), thermal
        warmth = ((conversions.load_image(thermal).data - 7000) // 4).clip(0, 255).astype(np.uint8)
        return rgb, conversions.compressed_message(warmth, b.stamp(), "thermal_frame", quality=95)

    b.step(one_compressed)
    assert b.init().success
    track = b.follow(10, make=one_compressed)
    assert track.rgb_used and track.thermal_used


def test_best_effort_subscriptions_receive_too(bench):
    b = bench(**{"qos.reliability": "best_effort", "qos.depth": 1}).start()
    b.play(1.0)
    assert len(b.tracks) >= 0.8 * b.frame


def test_the_overlay_is_made_only_while_somebody_looks(bench, monkeypatch):
    import ckd_ros.ros.outputs as outputs

    drawn, draw = [], outputs.draw_overlay
    monkeypatch.setattr(outputs, "draw_overlay", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    b = bench(**{"overlay.width": 160}).started()
    assert not drawn
    pictures, compressed = b.subscribe(Image, "overlay"), b.subscribe(CompressedImage, "overlay/compressed")
    track = b.follow(5)
    wait_for(lambda: all(p and p[-1].header.stamp == track.header.stamp for p in (pictures, compressed)))
    picture = conversions.load_image(pictures[-1])
    assert (picture.width, picture.height) == (2 * 160, 120 + 2 * 28)  # over two lines of text
    assert pictures[-1].header.frame_id == "rgb_frame"
    assert conversions.load_image(compressed[-1]).data.shape == picture.data.shape
    # The box in the colour of its state, at half the scale, in both views.
    for offset in (0, 160):
        y, x = round(track.box.y / 2), offset + round((track.box.x + track.box.width / 2) / 2)
        blue, green, red = picture.data[y - 1 : y + 2, x].max(axis=0).astype(int)
        assert green > 200 and green > max(red, blue) + 30


def test_the_overlay_of_one_camera_is_one_picture(bench):
    b = bench(**{"overlay.width": 160, "sync.timeout": 0.1}, modality="rgb")
    assert b.node.start()
    wait_for(lambda: b.cameras["rgb"].get_subscription_count() and b.init_client.service_is_ready())
    b.play(0.5, thermal=False)
    assert b.init().success
    pictures = b.subscribe(Image, "overlay")
    b.follow(2, thermal=False)
    wait_for(lambda: pictures)
    assert (pictures[-1].width, pictures[-1].height) == (160, 120 + 2 * 28)


def test_overlays_can_be_rationed(bench):
    b = bench(**{"overlay.rate": 1.0}).started()
    pictures = b.subscribe(Image, "overlay")
    b.steps(10)
    time.sleep(0.2)
    assert len(pictures) <= 2


def test_markers_point_at_the_target(bench):
    b = bench(**{"markers.distance": 7.0}).started()
    markers = b.subscribe(MarkerArray, "markers")
    b.steps(2)
    time.sleep(0.1)
    assert not markers, "without calibration there is no direction"
    info = camera_info(320, 240, field_of_view=60.0)
    info.header.frame_id = "colour_optical"
    b.calibrations["rgb"].publish(info)
    wait_for(lambda: b.node.inputs.calibrations)
    track = b.follow(3)
    wait_for(lambda: markers and markers[-1].markers[0].header.stamp == track.header.stamp)
    arrow, frustum, region = markers[-1].markers
    assert region.action == Marker.DELETE, "only of what is uncertain"
    assert (arrow.type, frustum.type, arrow.header.frame_id) == (Marker.ARROW, Marker.LINE_LIST, "colour_optical")
    tip = arrow.points[1]
    assert math.isclose(math.hypot(tip.x, tip.y, tip.z), 7.0, rel_tol=1e-6)
    u, v = (info.k[0] * tip.x / tip.z + info.k[2] + 0.5, info.k[4] * tip.y / tip.z + info.k[5] + 0.5)
    assert np.allclose([u, v], [track.box.x + track.box.width / 2, track.box.y + track.box.height / 2])
    assert len(frustum.points) == 16 and arrow.lifetime.sec > 0
    b.stop()
    track = b.step()
    wait_for(lambda: markers[-1].markers[0].header.stamp == track.header.stamp)
    assert markers[-1].markers[0].action == Marker.DELETEALL


def test_markers_of_a_thermal_camera_alone(bench):
    b = bench().started()
    markers = b.subscribe(MarkerArray, "markers")
    info = camera_info(160, 120, field_of_view=60.0)
    info.header.frame_id = "thermal_optical"
    b.calibrations["thermal"].publish(info)
    wait_for(lambda: b.node.inputs.calibrations)
    track = b.follow(3)
    wait_for(lambda: markers and markers[-1].markers[0].header.stamp == track.header.stamp)
    assert markers[-1].markers[0].header.frame_id == "thermal_optical"
    tip = markers[-1].markers[0].points[1]
    u = info.k[0] * tip.x / tip.z + info.k[2] + 0.5
    assert math.isclose(u, track.thermal_box.x + track.thermal_box.width / 2)


def test_detections_where_vision_msgs_is_installed(bench):
    if messages.Detection2DArray is None:
        pytest.skip("no vision_msgs: install ros-$ROS_DISTRO-vision-msgs")
    b = bench().start()
    received = b.subscribe(messages.Detection2DArray, "detections")
    b.steps(2)
    wait_for(lambda: received)
    assert not received[-1].detections
    b.init()
    track = b.follow(2)
    wait_for(lambda: received[-1].header.stamp == track.header.stamp)
    detection = received[-1].detections[0]
    assert math.isclose(detection.bbox.center.position.x, track.box.x + track.box.width / 2)
    assert (detection.id, detection.bbox.size_y) == ("1", track.box.height)
    assert math.isclose(detection.results[0].hypothesis.score, track.confidence, rel_tol=1e-6)
    pose = detection.results[0].pose
    assert math.isclose(pose.pose.position.y, track.box.y + track.box.height / 2)
    assert track.position_stddev > 0 and math.isclose(pose.covariance[7], track.position_stddev**2, rel_tol=1e-6)


def test_frames_can_be_named(bench):
    b = bench(**{"frames.rgb": "my_camera"}).start()
    assert b.steps(2).header.frame_id == "my_camera"


def calibration(width: int, height: int, field_of_view: float, frame_id: str) -> CameraInfo:
    info = camera_info(width, height, field_of_view)
    info.header.frame_id = frame_id
    return info


def test_calibrated_registration_comes_from_camera_info(bench):
    # A thermal camera 0.5 m to the right sees a target at 10 m to the left of where the colour camera does.
    b = bench(
        **{
            "registration.type": "calibrated",
            "registration.distance": 10.0,
            "registration.translation": [-0.5, 0.0, 0.0],
        }
    ).start()
    b.steps(2)
    assert "camera_info" in b.status(wanted=lambda v: "fault registration" in v)["fault registration"]
    rgb, thermal = calibration(320, 240, 60.0, "rgb"), calibration(160, 120, 60.0, "thermal")
    b.calibrations["rgb"].publish(rgb)
    b.calibrations["thermal"].publish(thermal)
    wait_for(lambda: len(b.node.inputs.calibrations) == 2)
    b.steps(2)
    assert b.init().success
    track = b.track(lambda t: t.target_id == 1)
    shift = thermal.k[0] * -0.5 / 10.0
    assert math.isclose(track.thermal_box.x, track.box.x / 2 + shift, abs_tol=0.01)
    assert math.isclose(track.thermal_box.y, track.box.y / 2, abs_tol=0.01)


def test_diagnostics_say_how_it_goes(bench):
    b = bench().started()
    b.follow(30)
    status = b.status(wanted=lambda v: int(v["pairs"]) >= 36)
    assert status["level"] == b"\x00" and status["lifecycle"] == "active"
    assert status["provider"] == "CPUExecutionProvider" and "correlation" in status["engine"]
    assert "target 1 TRACKING" in status["target"] and status["dropped"] == "0"
    assert int(status["paired"]) >= 36 and status["single"] == "0"
    assert 0 < float(status["latency median ms"]) <= float(status["latency p95 ms"]) < 1000
    assert float(status["stamp offset ms"]) == 0.0
    stream = b.status("rgb")
    assert stream["image"] == "320 x 240 rgb8" and float(stream["rate"]) > 1.0
    assert int(stream["received"]) >= 36 and stream["unpaired"] == "0"
    wait_for(lambda: "no images arrive" in b.status("thermal")["message"], 10.0)


def test_pairs_that_come_too_fast_are_dropped_and_counted(bench):
    b = bench().started()
    tracker, counters = b.node.worker.tracker, lambda: b.node.worker.snapshot().pairing.counters
    update, go_on = tracker.update, threading.Event()
    tracker.update = lambda *given: (go_on.wait(20.0), update(*given))[1]
    before = b.status()
    for _ in range(10):  # one is being worked on, of the others the newest is left
        b.frame += 1
        count = counters().paired
        b.send(*b.messages())
        wait_for(lambda count=count: counters().paired == count + 1)
    go_on.set()
    b.track(lambda t: conversions.to_nanoseconds(t.header.stamp) == b.stamp())
    after = b.status()
    assert int(after["dropped"]) == 8 and int(after["pairs"]) - int(before["pairs"]) == 2
