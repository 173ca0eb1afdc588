"""What `ros2 run` starts ends with the exit status that says how it went."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
pytest.importorskip("onnxruntime", reason="no ONNX Runtime: run `make setup`")

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.mark.parametrize("script, parameter", [("tracker_node", "sync.slop"), ("camera_node", "rate")])
def test_a_bad_parameter_is_an_error_for_whoever_started_the_script(script, parameter):
    command = [sys.executable, SCRIPTS / script, "--ros-args", "-p", f"{parameter}:=often"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"parameter '{parameter}' is 'often'" in done.stderr and "Traceback" not in done.stderr


def test_the_view_takes_ross_own_arguments_and_those_of_the_command():
    pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
    command = [sys.executable, SCRIPTS / "view", "--compressed", "--ros-args", "-r", "__ns:=/robot"]
    nowhere = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    }
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "ckd: error: there is no display for a window" in done.stderr, done.stderr


@pytest.mark.parametrize("script", ["tracker_node", "camera_node"])
def test_what_is_installed_runs_with_the_python_of_the_environment_whichever_is_active(script):
    """As a robot starts it, whose own Python has no ONNX Runtime."""
    packages = pytest.importorskip("ament_index_python.packages")
    program = Path(packages.get_package_prefix("ckd_ros"), "lib", "ckd_ros", script)
    if not program.resolve().is_relative_to(ROOT):
        pytest.skip("what was built is another checkout")
    command = [program, "--ros-args", "-p", "qos.depth:=0" if script == "tracker_node" else "rate:=often"]
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "parameter '" in done.stderr and "Traceback" not in done.stderr, done.stderr
