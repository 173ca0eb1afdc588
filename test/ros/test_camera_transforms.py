"""`registration.extrinsics: tf`, with the real tf2 where it is installed, else with a stand-in for it."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for
from geometry_msgs.msg import TransformStamped

from ckd_ros.ros import configuration
from ckd_ros.ros.camera_node import camera_info
from ckd_ros.ros.camera_transforms import CameraTransforms, Pose
from ckd_ros.ros.parameters import PARAMETERS, ParameterError
from ckd_ros.ros.sync.streams import RGB, THERMAL

OF_TF = {"registration.type": "calibrated", "registration.extrinsics": "tf", "registration.distance": 10.0}
FRAMES = {RGB: "rgb_optical", THERMAL: "thermal_optical"}
THERMAL_INFO = camera_info(160, 120, field_of_view=60.0)


def transform(translation, rotation=(0.0, 0.0, 0.0)) -> TransformStamped:
    """The colour camera in the frame of the thermal one; `rotation` is an axis times an angle."""
    made = TransformStamped(child_frame_id=FRAMES[RGB])
    made.header.frame_id = FRAMES[THERMAL]
    angle = np.linalg.norm(rotation)
    axis = np.sin(angle / 2) * np.array(rotation) / (angle or 1.0)
    for name, value in zip("xyzw", (*axis, np.cos(angle / 2)), strict=True):
        setattr(made.transform.rotation, name, float(value))
    for name, value in zip("xyz", translation, strict=True):
        setattr(made.transform.translation, name, float(value))
    return made


def stand_in(known: dict) -> ModuleType:
    """As much of tf2_ros as the node uses; `known` are the transforms by (target, source)."""
    module = ModuleType("tf2_ros")
    module.TransformException = type("TransformException", (Exception,), {})

    class Buffer:
        def lookup_transform(self, target, source, time):
            if (target, source) not in known:
                raise module.TransformException(f'"{source}" does not exist')
            return known[target, source]

    module.Buffer = Buffer
    module.TransformListener = lambda buffer, node: SimpleNamespace(unregister=lambda: None)
    return module


@pytest.fixture
def broadcast(ros, monkeypatch):
    """Publishes a transform on /tf_static."""
    try:
        from tf2_ros import StaticTransformBroadcaster
    except ImportError:
        known = {}
        monkeypatch.setitem(sys.modules, "tf2_ros", stand_in(known))
        monkeypatch.setattr(configuration, "can_be_heard", lambda: True)
        yield lambda made: known.update({(made.header.frame_id, made.child_frame_id): made})
        return
    node = ros.create_node("rig")
    # A broadcaster each: one of Python goes on to send the first transform of a frame when it is given another.
    yield lambda made: StaticTransformBroadcaster(node).sendTransform(made)
    node.destroy_node()


def publish_calibrations(b, frames: dict[str, str]) -> None:
    for stream, size in ((RGB, (320, 240)), (THERMAL, (160, 120))):
        info = camera_info(*size, field_of_view=60.0)
        info.header.frame_id = frames[stream]
        b.calibrations[stream].publish(info)
    wait_for(lambda: len(b.node.inputs.calibrations) == 2)


def mapped(b) -> np.ndarray:
    """Where the middle of the colour image lies in the thermal image."""
    return b.node.registration.current.map_points(np.array([[160.0, 120.0]]), (320, 240), (160, 120))[0]


def test_the_pose_between_the_cameras_is_that_of_tf(bench, broadcast):
    b = bench(**OF_TF).start()
    broadcast(transform((0.5, -0.2, 0.0)))
    publish_calibrations(b, FRAMES)
    expected = np.array([80.0, 60.0]) + THERMAL_INFO.k[0] * np.array([0.05, -0.02])
    wait_for(lambda: not b.node.registration.current.unknown)
    assert np.allclose(mapped(b), expected, atol=0.01)
    b.steps(2)
    assert b.init().success and b.follow(2).thermal_used


def test_until_it_is_known_thermal_is_left_out_and_a_new_one_is_taken(bench, broadcast):
    b = bench(**OF_TF).start()
    publish_calibrations(b, FRAMES)
    b.steps(2)
    fault = b.wait_for_fault("registration")
    assert "/tf does not lead from 'rgb_optical' to 'thermal_optical'" in fault and "not used" in fault
    broadcast(transform((0.0, 0.0, 0.0)))
    wait_for(lambda: not b.node.registration.current.unknown)
    assert np.allclose(mapped(b), [80, 60], atol=0.01)
    broadcast(transform((0.3, 0.0, 0.0)))
    wait_for(lambda: abs(mapped(b)[0] - 80 - THERMAL_INFO.k[0] * 0.03) < 0.01)


def test_a_camera_that_names_no_frame_is_named_by_a_parameter(bench, broadcast):
    broadcast(transform((0.0, 0.0, 0.0)))
    b = bench(**OF_TF, **{"frames.rgb": FRAMES[RGB]}).start()
    publish_calibrations(b, {RGB: "", THERMAL: ""})
    b.steps(1)
    assert "name the camera's optical frame in frames.thermal" in b.wait_for_fault("registration")


def test_a_rotation_is_that_of_the_quaternion(ros, broadcast):
    turned = (0.3, -0.2, 0.9)
    node = ros.create_node("listener")
    transforms = CameraTransforms(node)
    broadcast(transform((1.0, 2.0, 3.0), turned))
    executor = ros.executors.SingleThreadedExecutor()
    executor.add_node(node)

    def known() -> bool:
        executor.spin_once(timeout_sec=0.05)
        try:
            transforms.pose(FRAMES)
        except ValueError:
            return False
        return True

    wait_for(known)
    pose = transforms.pose(FRAMES)
    assert np.allclose(pose.rotation, cv2.Rodrigues(np.array(turned))[0]) and np.allclose(pose.translation, [1, 2, 3])
    assert pose.near(Pose(pose.rotation, pose.translation + 1e-6)) and not pose.near(None)
    transforms.end()
    node.destroy_node()


def test_without_tf2_ros_the_parameter_is_refused(monkeypatch):
    monkeypatch.setattr(configuration, "can_be_heard", lambda: False)
    values = {name: stated.default for name, stated in PARAMETERS.items()}
    configuration.check_registration(values)
    with pytest.raises(ParameterError, match="needs the package tf2_ros: install"):
        configuration.check_registration({**values, **OF_TF})
