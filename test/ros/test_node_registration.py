"""The registration is held against the images and the camera_info that come, through real middleware."""

import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

import rclpy  # noqa: E402
from bench import wait_for  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CameraInfo, RegionOfInterest  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ckd_ros.ros.camera_node import camera_info  # noqa: E402

WARN = b"\x01"
#: Colour 320 x 240 to thermal 160 x 120: the true one of the bench's scene.
TRUE = np.diag([0.5, 0.5, 1.0])
CALIBRATED = {"registration.type": "calibrated", "registration.distance": 10.0}


def homography(matrix) -> dict:
    return {"registration.type": "homography", "registration.matrix": np.ravel(matrix).tolist()}


def calibration(width: int, height: int, **fields) -> CameraInfo:
    info = camera_info(width, height, field_of_view=60.0)
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def publish(b, rgb=None, thermal=None) -> None:
    """Send camera_info of both cameras, by default of what the bench shows, and wait until they are in effect."""
    infos = {"rgb": rgb or calibration(320, 240), "thermal": thermal or calibration(160, 120)}
    for stream, info in infos.items():
        b.calibrations[stream].publish(info)
    wait_for(lambda: all(b.node.inputs.calibrations.get(stream) == info for stream, info in infos.items()))


def problems(b) -> dict[str, str]:
    """Faults that last, but for that of the time before the camera_info came."""
    return {key: message for key, message in b.faults().items() if "has arrived" not in message}


def centre(box) -> np.ndarray:
    return np.array([box.x + box.width / 2, box.y + box.height / 2])


def test_an_inverse_homography_is_a_fault_and_thermal_is_left_out(bench, capfd):
    b = bench(**homography(np.linalg.inv(TRUE))).start()
    b.steps(2)
    assert "its inverse would fit" in b.wait_for_fault("registration"), "before a target is followed"
    assert b.init().success
    track = b.follow(5)
    assert track.rgb_used and not track.thermal_used
    assert track.thermal_box.width == 0.0 and track.thermal_stamp.sec == 0
    status = b.status(wanted=lambda v: v["level"] == WARN)
    assert "thermal images are not used" in status["fault registration"]
    assert capfd.readouterr().err.count("its inverse would fit") == 1


def test_a_box_outside_the_thermal_image_is_found_without_it(bench):
    # The thermal camera sees the colour image from x = 130 on; the target comes there.
    wide = {"registration.type": "offset", "registration.offset": [-65.0, 0.0]}
    b = bench(**wide).started()
    track = b.follow(1)
    assert not track.thermal_used and track.thermal_box.width == 0.0
    assert "outside the thermal image of 160 x 120" in b.wait_for_fault("thermal outside")
    assert "outside the thermal image" in b.status("thermal", lambda v: v["level"] == WARN)["message"]
    track = b.steps(60)
    assert track.thermal_used and np.allclose(centre(track.thermal_box), centre(track.box) / 2 - [65, 0])


def test_aspects_that_disagree_are_a_fault(bench):
    b = bench().start()

    def cropped():
        rgb, thermal = b.messages()
        thermal.height, thermal.data = 90, thermal.data[: 90 * thermal.step]
        return rgb, thermal

    b.steps(2, make=cropped)
    assert "320 x 240 and thermal images of 160 x 90 have different aspects" in b.wait_for_fault("registration view")


def test_until_the_calibration_comes_thermal_is_left_out(bench):
    b = bench(**CALIBRATED).start()
    b.steps(2)
    fault = b.wait_for_fault("registration")
    assert "no rgb/camera_info and no thermal/camera_info has arrived" in fault and "not used" in fault
    assert b.init().success
    assert not b.follow(2).thermal_used
    publish(b)
    track = b.steps(4)
    assert track.thermal_used and np.allclose(centre(track.thermal_box), centre(track.box) / 2, atol=0.01)


@pytest.mark.parametrize(("images", "factor"), [("raw", 1.0), ("rectified", 1.25)])
def test_rectified_images_have_p_and_raw_ones_k(bench, images, factor):
    b = bench(**CALIBRATED, **{"registration.thermal_images": images}).start()
    thermal = calibration(160, 120)
    thermal.p = [value * 1.25 if i in (0, 5) else value for i, value in enumerate(thermal.p)]
    publish(b, thermal=thermal)
    b.steps(2)
    assert b.init().success
    track = b.track(lambda t: t.target_id == 1)
    assert np.allclose(centre(track.thermal_box) - [80, 60], factor * (centre(track.box) / 2 - [80, 60]), atol=0.01)


def test_the_corners_of_the_box_are_undistorted(bench):
    b = bench(**CALIBRATED).start()
    d = [-0.35, 0.1, 0.0, 0.0, 0.0]
    rgb = calibration(320, 240, d=d)
    publish(b, rgb=rgb)
    b.steps(2)
    box = np.array([20.0, 15.0, 40.0, 30.0])
    assert b.init(box).success
    track = b.track(lambda t: t.target_id == 1)
    corners = np.array([[[x, y]] for x in (20.0, 60.0) for y in (15.0, 45.0)]) - 0.5
    k, ideal = np.reshape(rgb.k, (3, 3)), np.reshape(calibration(160, 120).k, (3, 3))
    straight = cv2.undistortPoints(corners, k, np.array(d), P=ideal)[:, 0] + 0.5
    expected = [*straight.min(axis=0), *np.ptp(straight, axis=0)]
    found = track.thermal_box
    assert np.allclose([found.x, found.y, found.width, found.height], expected, atol=0.05)
    assert abs(found.x - 10.0) > 2, "without D it would be at 10, 7.5"


def test_region_of_interest_and_binning_are_honoured(bench):
    """Images of 320 x 240: the middle of a sensor of 1280 x 960, binned by two."""
    b = bench(**CALIBRATED).start()
    rgb = calibration(1280, 960, binning_x=2, binning_y=2)
    rgb.roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    publish(b, rgb=rgb)
    b.steps(2)
    assert b.init().success
    track = b.track(lambda t: t.target_id == 1)
    assert np.allclose(centre(track.thermal_box) - [80, 60], (centre(track.box) / 2 - [80, 60]) / 2, atol=0.01)
    assert not problems(b)


def test_an_info_of_another_size_with_the_same_k_is_applied(bench):
    b = bench(**CALIBRATED).start()
    publish(b)
    b.steps(2)
    assert b.init().success
    twice = calibration(640, 480)
    twice.k = calibration(320, 240).k
    publish(b, rgb=twice)
    track = b.steps(2)
    # A pixel of the 320 images is now two of those that K is of.
    expected = (2 * centre(track.box) - [160, 120]) / 2 + [80, 60]
    mapped = b.node.registration.current.map_points(centre(track.box)[None], (320, 240), (160, 120))
    assert np.allclose(mapped, [expected], atol=0.01)


@pytest.mark.parametrize("size", [(640, 480), (1280, 960)])
def test_an_info_of_another_resolution_is_scaled(bench, size):
    b = bench(**CALIBRATED).start()
    publish(b, rgb=calibration(*size))
    b.steps(2)
    assert b.init().success
    track = b.track(lambda t: t.target_id == 1)
    assert track.thermal_used and np.allclose(centre(track.thermal_box), centre(track.box) / 2, atol=0.01)
    assert not problems(b)


def test_an_info_of_another_aspect_is_a_fault(bench):
    b = bench(**CALIBRATED).start()
    publish(b, rgb=calibration(1280, 720))
    b.steps(2)
    assert b.init().success
    fault = b.wait_for_fault("registration")
    assert "colour images of 1280 x 720, but those that come are 320 x 240, of another aspect" in fault
    assert not b.follow(2).thermal_used
    publish(b)
    assert b.steps(4).thermal_used


@pytest.mark.parametrize(
    ("parameters", "rgb", "key", "words"),
    [
        (CALIBRATED, {"k": [0.0] * 9}, "registration", "rgb/camera_info has no focal lengths in K"),
        (CALIBRATED, {"d": [0.1, 0.1]}, "registration", r"rgb_distortion has 2 number"),
        (
            CALIBRATED,
            {"roi": RegionOfInterest(width=160, height=120)},
            "rgb camera_info",
            "cut to 160 x 120 (roi), but those that come are whole, 320 x 240",
        ),
        (
            CALIBRATED,
            {"k": [277.0, 0.0, 320.0, 0.0, 277.0, 240.0, 0.0, 0.0, 1.0]},
            "rgb camera_info",
            "centre at (320, 240)",
        ),
        (
            {},
            {"k": [550.0, 0.0, 160.0, 0.0, 550.0, 120.0, 0.0, 0.0, 1.0]},
            "registration type",
            "sees 32 degrees and the",
        ),
    ],
)
def test_what_speaks_against_it_is_said(bench, parameters, rgb, key, words):
    b = bench(**parameters).start()
    publish(b, rgb=calibration(320, 240, **rgb))
    b.steps(2)
    status = b.status(wanted=lambda v: f"fault {key}" in v)
    assert words in status[f"fault {key}"]


def test_a_topic_whose_name_has_rect_in_it_otherwise_is_not(bench):
    b = bench(**CALIBRATED).start()
    b.node.registration._topics["rgb"] = "/redirected/image"
    publish(b, rgb=calibration(320, 240, d=[-0.3, 0.1, 0.0, 0.0, 0.0]))
    b.steps(2)
    b.status()
    assert not problems(b)


def test_a_topic_that_is_called_rectified_is_pointed_out(bench):
    b = bench(**CALIBRATED).start()
    b.node.registration._topics["rgb"] = "/camera/color/image_rect"  # as a remapping makes it
    publish(b, rgb=calibration(320, 240, d=[-0.3, 0.1, 0.0, 0.0, 0.0]))
    b.steps(2)
    words = b.status(wanted=lambda v: "fault rgb camera_info" in v)["fault rgb camera_info"]
    assert (
        "registration.rgb_images is 'raw'" in words and "/camera/color/image_rect" in words and "'rectified'" in words
    )


def test_a_bad_camera_info_does_not_keep_parameters_from_being_set(bench):
    b = bench(**CALIBRATED).start()
    publish(b, rgb=calibration(320, 240, k=[0.0] * 9))
    client = b.user.create_client(SetParameters, "tracker/set_parameters")
    wait_for(client.service_is_ready)
    change = Parameter("registration.distance", value=5.0).to_parameter_msg()
    assert b.call(client, SetParameters.Request(parameters=[change])).results[0].successful


@pytest.mark.parametrize("durability", [DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE])
def test_camera_info_is_heard_whether_it_is_latched_or_not(bench, ros, capfd, durability):
    """Latched, it came once, before the node was there; volatile, it comes with the images."""
    latched = durability == DurabilityPolicy.TRANSIENT_LOCAL
    camera = rclpy.create_node("camera", namespace="ckd")
    qos = QoSProfile(depth=1, durability=durability)
    publishers = {s: camera.create_publisher(CameraInfo, f"{s}/camera_info", qos) for s in ("rgb", "thermal")}
    infos = {"rgb": calibration(320, 240), "thermal": calibration(160, 120)}
    try:
        if latched:
            for stream, publisher in publishers.items():
                publisher.publish(infos[stream])
            time.sleep(0.2)
        b = bench(**CALIBRATED).start()
        if not latched:
            wait_for(lambda: all(publisher.get_subscription_count() for publisher in publishers.values()))
            for stream, publisher in publishers.items():
                publisher.publish(infos[stream])
        wait_for(lambda: dict(b.node.inputs.calibrations) == infos)
        b.steps(2)
        assert b.init().success
        assert b.follow(2).thermal_used
        if (
            not latched
        ):  # the bench has publishers that keep nothing, which are warned of the subscription that they lack
            assert "incompatible QoS" not in capfd.readouterr().err
    finally:
        camera.destroy_node()


def test_an_info_that_is_the_same_but_for_its_stamp_changes_nothing(bench):
    b = bench(**CALIBRATED).start()
    publish(b)
    wait_for(lambda: not b.node.registration.current.unknown)
    before = b.node.registration.current
    later = calibration(320, 240)
    later.header.stamp.sec = 77
    b.calibrations["rgb"].publish(later)
    b.steps(3)
    assert b.node.registration.current is before


def test_the_ray_to_the_target_goes_through_the_lens(bench):
    """Where OpenCV says that the camera sees it."""
    b = bench().started()
    markers = b.subscribe(MarkerArray, "markers")
    d = [-0.35, 0.1, 0.0, 0.0, 0.0]
    publish(b, rgb=calibration(320, 240, d=d))
    track = b.follow(3)
    wait_for(lambda: markers and markers[-1].markers[0].header.stamp == track.header.stamp)
    tip = markers[-1].markers[0].points[1]
    pixel = centre(track.box)[None, None] - 0.5
    ray = cv2.undistortPoints(pixel, np.reshape(calibration(320, 240).k, (3, 3)), np.array(d)).ravel()
    assert np.allclose([tip.x / tip.z, tip.y / tip.z], ray, atol=1e-4)


def test_no_ray_is_drawn_where_the_camera_does_not_show_the_target(bench):
    b = bench(**homography(np.linalg.inv(TRUE))).started()
    markers = b.subscribe(MarkerArray, "markers")
    b.calibrations["thermal"].publish(calibration(160, 120))
    wait_for(lambda: b.node.inputs.calibrations)
    track = b.follow(3)
    wait_for(lambda: markers and markers[-1].markers[0].header.stamp == track.header.stamp)
    assert markers[-1].markers[0].action == Marker.DELETEALL


def test_markers_need_a_calibration_of_the_images_aspect(bench):
    b = bench().started()
    markers = b.subscribe(MarkerArray, "markers")
    b.calibrations["rgb"].publish(calibration(1280, 720))
    wait_for(lambda: b.node.inputs.calibrations)
    b.follow(2)
    status = b.status(wanted=lambda v: "fault rgb camera_info" in v)
    assert "1280 x 720, but those that come are 320 x 240, of another aspect" in status["fault rgb camera_info"]
    assert not markers
