"""A camera_info says which lens made the images, and how they were cut, binned and rectified."""

import math

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="no ROS: run `make setup`, or source a ROS 2 distribution")

from sensor_msgs.msg import CameraInfo, RegionOfInterest  # noqa: E402

from ckd_ros.ros.calibration import CalibrationError, read_calibration, same_camera  # noqa: E402
from ckd_ros.ros.configuration import registration  # noqa: E402
from ckd_ros.ros.parameters import PARAMETERS  # noqa: E402


def info(**fields) -> CameraInfo:
    """Of a camera whose rectified images have another focal length and centre than the raw ones."""
    made = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[-0.3, 0.1, 0.0, 0.0, 0.0])
    made.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    made.p = [450.0, 0.0, 310.0, -30.0, 0.0, 450.0, 235.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    made.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_raw_images_have_k_and_d_and_rectified_ones_p():
    raw, rectified = (read_calibration(info(), images, "rgb") for images in ("raw", "rectified"))
    assert np.allclose(raw.lens.intrinsics, [500, 0, 320, 0, 510, 240, 0, 0, 1])
    assert list(raw.lens.distortion) == [-0.3, 0.1, 0.0, 0.0, 0.0] and not raw.lens.is_ideal
    assert np.allclose(rectified.lens.intrinsics, [450, 0, 310, 0, 450, 235, 0, 0, 1]) and rectified.lens.is_ideal
    assert raw.size == rectified.size == (640, 480)
    assert math.isclose(rectified.field_of_view, math.degrees(2 * math.atan(320 / 450)))


def test_rectification_turns_the_camera():
    turn = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert np.allclose(read_calibration(info(r=turn), "rectified", "rgb").rotation.ravel(), turn)
    assert np.allclose(read_calibration(info(r=turn), "raw", "rgb").rotation, np.eye(3))
    assert np.allclose(read_calibration(info(r=[0.0] * 9), "rectified", "rgb").rotation, np.eye(3)), "not filled in"


@pytest.mark.parametrize("stream", ["rgb", "thermal"])
def test_rectified_pairs_are_registered_in_the_frames_they_were_rectified_in(stream):
    """A point that both cameras see, with one of them turned by its rectification."""
    turn = cv2.Rodrigues(np.array([0.02, -0.06, 0.01]))[0]
    turns = {"rgb": np.eye(3), "thermal": np.eye(3), stream: turn}
    pose = cv2.Rodrigues(np.array([-0.01, 0.03, 0.02]))[0], np.array([0.1, -0.05, 0.02])
    # Turned, the colour image has its plane of the target tilted too: so far away it makes no difference.
    distance = 5.0 if stream == "thermal" else 1e4
    values = {name: stated.default for name, stated in PARAMETERS.items()}
    values |= {"registration.type": "calibrated", "registration.distance": distance}
    values |= {"registration.rgb_images": "rectified", "registration.thermal_images": "rectified"}
    values |= {"registration.rotation": pose[0].ravel().tolist(), "registration.translation": pose[1].tolist()}
    infos = {name: info(r=turns[name].ravel()) for name in turns}
    point = np.array([0.1, -0.2, 1.0]) * distance
    seen = {"rgb": turns["rgb"] @ point, "thermal": turns["thermal"] @ (pose[0] @ point + pose[1])}
    k = np.reshape(info().p, (3, 4))[:, :3]
    rgb, thermal = ((k @ seen[name])[:2] / seen[name][2] + 0.5 for name in ("rgb", "thermal"))
    mapped = registration(values, infos).map_points(rgb[None], (640, 480), (640, 480))
    assert np.allclose(mapped, [thermal], atol=0.02)


@pytest.mark.parametrize("binning", [(0, 0), (1, 1), (2, 2), (4, 2)])
def test_the_images_are_cut_and_then_binned(binning):
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=240)
    found = read_calibration(info(roi=roi, binning_x=binning[0], binning_y=binning[1]), "raw", "rgb")
    across, down = (max(1, n) for n in binning)
    assert found.size == (320 // across, 240 // down)
    # The optical axis, at (320.5, 240.5) of the whole image in continuous pixels.
    assert np.allclose(found.lens.pixels(np.zeros((1, 2))), [[220.5 / across, 200.5 / down]])
    # A ray that the whole image shows at some pixel is shown at that pixel less the offset, binned.
    ray = np.array([[0.1, -0.15]])
    whole = read_calibration(info(), "raw", "rgb").lens.pixels(ray)
    assert np.allclose(found.lens.pixels(ray), (whole - [100, 40]) / [across, down])


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_the_models_that_ros_names(model):
    count = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    found = read_calibration(info(distortion_model=model, d=[0.01] * count), "raw", "thermal")
    assert found.lens.model == model and not found.lens.is_ideal


@pytest.mark.parametrize(
    ("fields", "images", "words"),
    [
        ({"width": 0}, "raw", "rgb/camera_info is of images of 0 x 480"),
        ({"k": [0.0] * 9}, "raw", "no focal lengths in K"),
        ({"p": [0.0] * 12}, "rectified", "no focal lengths in P.*registration.rgb_intrinsics"),
        ({"d": [0.1, 0.2]}, "raw", r"rgb_distortion has 2 number\(s\)"),
        ({"d": [math.nan] * 5}, "raw", "finite"),
        ({"binning_x": 641}, "raw", "binning 641 x 0 .*leaves 0 x 480 pixels"),
        ({"roi": RegionOfInterest(width=1, height=1), "binning_y": 2}, "raw", "leaves 1 x 0 pixels"),
        ({"distortion_model": "omni"}, "raw", "model 'omni'.*plumb_bob.*registration.rgb_images to rectified"),
    ],
)
def test_what_cannot_be_used_is_named(fields, images, words):
    with pytest.raises(CalibrationError, match=words):
        read_calibration(info(**fields), images, "rgb")


def test_rectified_images_have_no_distortion_that_could_be_wrong():
    assert read_calibration(info(distortion_model="omni", d=[1.0] * 7), "rectified", "rgb").lens.is_ideal


@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_calibration_of_another_resolution_is_doubted(scale):
    """K of images of another size than the driver says."""
    k = [500.0 * scale, 0.0, 320.0 * scale, 0.0, 500.0 * scale, 240.0 * scale, 0.0, 0.0, 1.0]
    doubt = read_calibration(info(k=k), "raw", "rgb").doubt
    assert f"K has its centre at ({320 * scale:g}, {240 * scale:g})" in doubt and "640 x 480" in doubt
    assert not read_calibration(info(), "raw", "rgb").doubt


def test_a_rectified_region_of_unknown_place_is_doubted():
    roi = RegionOfInterest(width=320, height=240, do_rectify=True)
    assert "roi.do_rectify" in read_calibration(info(roi=roi), "rectified", "rgb").doubt
    assert not read_calibration(info(roi=roi), "raw", "rgb").doubt


@pytest.mark.parametrize(
    "change",
    [
        {"width": 320},
        {"d": [0.0] * 5},
        {"distortion_model": "equidistant"},
        {"p": [1.0] * 12},
        {"binning_x": 2},
        {"roi": RegionOfInterest(width=10, height=10)},
    ],
)
def test_any_change_makes_it_another_camera(change):
    assert same_camera(info(), info()) and not same_camera(info(), info(**change))
