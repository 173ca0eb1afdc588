"""Launch files are Python, and name only files, executables, parameters and packages that exist."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKER, DEMO = ROOT / "launch" / "tracker.launch.py", ROOT / "launch" / "demo.launch.py"
CMAKE = (ROOT / "CMakeLists.txt").read_text()
each_file = pytest.mark.parametrize("path", sorted((ROOT / "launch").iterdir()), ids=lambda path: path.name)


def calls(path: Path, function: str) -> list[ast.Call]:
    """Every call of `function` in a launch file."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(), str(path))) if isinstance(node, ast.Call)]
    return [node for node in nodes if getattr(node.func, "id", None) == function]


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in call.keywords}


def argument_defaults(path: Path) -> dict[str, str]:
    """Launch argument -> source of its default; those named in a loop are found only by running the file."""
    declared = [call for call in calls(path, "DeclareLaunchArgument") if isinstance(call.args[0], ast.Constant)]
    return {call.args[0].value: ast.unparse(keywords(call)["default_value"]) for call in declared}


@each_file
def test_it_is_valid_python_with_the_function_that_launch_calls(path):
    tree = ast.parse(path.read_text(), str(path))
    assert "generate_launch_description" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@each_file
def test_its_executables_are_installed(path):
    nodes = [{name: ast.unparse(value) for name, value in keywords(call).items()} for call in calls(path, "Node")]
    executables = [ast.literal_eval(node["executable"]) for node in nodes if node["package"] == "'ckd_ros'"]
    assert executables
    for executable in executables:
        script = ROOT / "scripts" / executable
        assert os.access(script, os.X_OK), f"{path.name} starts {executable}, which is no executable file in scripts/"
        assert f"scripts/{executable}" in CMAKE


@each_file
def test_its_files_exist_and_are_installed(path):
    installed = CMAKE.partition("install(DIRECTORY config")[2].partition("DESTINATION")[0].split() + ["config"]
    joined = [call.args[0].elts for call in calls(path, "PathJoinSubstitution")]
    assert joined
    for package, *parts in joined:
        assert ast.unparse(package) == "FindPackageShare('ckd_ros')"
        parts = [part.value for part in parts]
        assert ROOT.joinpath(*parts).is_file(), f"{path.name} names {'/'.join(parts)}"
        assert parts[0] in installed


@each_file
def test_its_packages_are_dependencies(path):
    manifest = ElementTree.parse(ROOT / "package.xml")
    dependencies = {element.text for element in manifest.iter() if element.tag.endswith("depend")} | {"ckd_ros"}
    assert {keywords(call)["package"].value for call in calls(path, "Node")} <= dependencies


@each_file
def test_its_arguments_say_what_they_are(path):
    for call in calls(path, "DeclareLaunchArgument"):
        assert "description" in keywords(call), ast.unparse(call)


@each_file
def test_arguments_it_uses_are_declared(path):
    used = [call.args[0] for call in calls(path, "LaunchConfiguration")]
    assert {name.value for name in used if isinstance(name, ast.Constant)} <= set(argument_defaults(path))


def test_the_tracker_takes_the_promised_arguments():
    promised = {"namespace", "config", "model", "use_sim_time", "rviz", "transports"}
    assert promised <= set(argument_defaults(TRACKER))


def test_the_demo_has_the_defaults_of_the_tracker():
    demo, tracker = argument_defaults(DEMO), argument_defaults(TRACKER)
    both = demo.keys() & tracker.keys()
    assert {name: demo[name] for name in both} == {name: tracker[name] for name in both}


def test_the_tracker_overrides_parameters_of_the_node():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import PARAMETERS

    assignments = [node.targets[0] for node in ast.walk(ast.parse(TRACKER.read_text())) if isinstance(node, ast.Assign)]
    overridden = {target.slice.value for target in assignments if ast.unparse(target).startswith("overrides[")}
    assert overridden and overridden <= set(PARAMETERS)


def test_the_tracker_sets_the_transport_of_each_stream():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import PARAMETERS

    text = TRACKER.read_text()
    (prefix,) = re.findall(r'overrides\.update\(\{f"([a-z_.]+)\{stream\}"', text)
    (streams,) = (ast.literal_eval(found) for found in re.findall(r"STREAMS = (.+)", text))
    assert {prefix + stream for stream in streams} == {name for name in PARAMETERS if name.startswith(prefix)}


def test_the_demo_sets_parameters_of_the_camera():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import CAMERA_PARAMETERS

    (node,) = calls(DEMO, "Node")
    assert {key.value for key in keywords(node)["parameters"].elts[0].keys} <= set(CAMERA_PARAMETERS)


def test_rviz_looks_from_the_frame_of_the_camera_of_the_demo():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import CAMERA_PARAMETERS

    frame = CAMERA_PARAMETERS["frames.rgb"].default
    assert ast.literal_eval(argument_defaults(TRACKER)["rviz_frame"]) == frame
    assert f"Fixed Frame: {frame}" in (ROOT / "rviz" / "tracker.rviz").read_text()


@each_file
def test_it_runs(path):
    """Starts everything for real: the tracker's service appears, and an interrupt ends it all."""
    pytest.importorskip("launch_ros", reason="ROS 2's launch comes with a distribution only")
    rclpy = pytest.importorskip("rclpy")
    pytest.importorskip("ckd_ros.srv", reason="the interfaces are not built")
    from ckd_ros.srv import InitTarget

    ros2 = "from ros2cli.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", ros2, "launch", str(path), "namespace:=launch_test"])
    context = rclpy.context.Context()
    rclpy.init(context=context)
    try:
        client = rclpy.create_node("launch_test", context=context).create_client(InitTarget, "/launch_test/init_target")
        deadline = time.monotonic() + 60
        while not client.service_is_ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert client.service_is_ready(), f"{path.name} did not bring up /launch_test/init_target"
    finally:
        rclpy.shutdown(context=context)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
