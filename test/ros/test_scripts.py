"""What `ros2 run` starts ends with the exit status that says how it went."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
pytest.importorskip("onnxruntime", reason="no ONNX Runtime: run `make setup`")

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("script, parameter", [("tracker_node", "sync.slop"), ("camera_node", "rate")])
def test_a_bad_parameter_is_an_error_for_whoever_started_the_script(script, parameter):
    command = [sys.executable, SCRIPTS / script, "--ros-args", "-p", f"{parameter}:=often"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"parameter '{parameter}' is 'often'" in done.stderr and "Traceback" not in done.stderr
