"""Real middleware for the tests of the nodes: a private domain on this machine, with every message field checked."""

import os

import pytest

from ckd_ros.ros.fastdds import use_large_images

os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
use_large_images()


@pytest.fixture(scope="session")
def ros():
    """ROS 2 for the whole run. Skips where it, or the built interfaces, are missing."""
    rclpy = pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def bench(ros, model_path):
    """Makes a tracker node on the hand-made network, with cameras and a client around it: see `bench.Bench`."""
    from bench import Bench

    made = []

    def make(**parameters) -> Bench:
        made.append(Bench(model_path, parameters))
        return made[-1]

    yield make
    for one in made:
        one.close()
