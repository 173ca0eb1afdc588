"""What the launch files start, looked at with stand-ins for ROS 2's `launch`; `test_real_launch.py` starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import stand_ins
from stand_ins import launched

ROOT = Path(__file__).resolve().parents[2]
TRACKER, DEMO = ROOT / "launch" / "tracker.launch.py", ROOT / "launch" / "demo.launch.py"
CMAKE = (ROOT / "CMakeLists.txt").read_text()
PROFILE = str(ROOT / "config" / "fastdds.xml")
OURS = {"FASTDDS_DEFAULT_PROFILES_FILE": PROFILE}
each_file = pytest.mark.parametrize("path", sorted((ROOT / "launch").iterdir()), ids=lambda path: path.name)


@pytest.fixture(autouse=True)
def launch(monkeypatch):
    stand_ins.install(monkeypatch)
    return monkeypatch


@pytest.fixture
def rviz2(launch):
    launch.setattr(sys.modules["ament_index_python.packages"], "get_package_prefix", lambda name: f"/opt/{name}")


def tracker(environment: dict[str, str] | None = None, **arguments: str):
    return launched(TRACKER, arguments, environment or {}).nodes["tracker_node"]


@each_file
def test_its_executables_are_installed(path):
    for node in launched(path, {}, {}).nodes.values():
        script = ROOT / "scripts" / node.executable
        assert node.package == "ckd_ros" and os.access(script, os.X_OK)
        assert f"scripts/{node.executable}" in CMAKE


@each_file
def test_its_packages_are_dependencies(path, rviz2):
    manifest = ElementTree.parse(ROOT / "package.xml")
    dependencies = {element.text for element in manifest.iter() if element.tag.endswith("depend")} | {"ckd_ros"}
    nodes = launched(path, {"rviz": "true"}, {}).nodes
    assert "rviz2" in nodes and {node.package for node in nodes.values()} <= dependencies


@each_file
def test_its_arguments_say_what_they_are(path):
    assert all(argument.description for argument in launched(path, {}, {}).declared.values())


def test_the_tracker_takes_the_arguments_that_nav2_has():
    promised = {"namespace", "params_file", "use_sim_time", "autostart", "use_respawn", "log_level"}
    assert promised | {"config", "model", "rviz", "transports", "respawn_delay"} <= set(
        launched(TRACKER, {}, {}).declared
    )


def test_as_it_is_the_tracker_is_what_its_parameter_file_says():
    node = tracker()
    assert (node.namespace, node.name, node.respawn) == ("ckd", "tracker", False)
    assert node.params_file == str(ROOT / "config" / "tracker.yaml") and not node.set_parameters
    assert node.ros_arguments == ["--log-level", "info"]


def test_arguments_become_parameters_of_the_node():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import PARAMETERS

    given = {"model": "/m.onnx", "autostart": "False", "use_sim_time": "yes", "thermal_transport": "compressed"}
    given["modality"] = "thermal"
    parameters = tracker(**given, log_level="debug", use_respawn="1", respawn_delay="2").set_parameters
    assert parameters == {
        "model.path": "/m.onnx",
        "modality": "thermal",
        "autostart": False,
        "use_sim_time": True,
        "image_transport.thermal": "compressed",
    }
    assert parameters.keys() <= PARAMETERS.keys() | {"use_sim_time"}
    node = tracker(log_level="debug", use_respawn="on", respawn_delay="2")
    assert node.ros_arguments == ["--log-level", "debug"] and node.respawn and node.respawn_delay == 2.0


def test_the_launch_ends_with_a_tracker_that_fails_and_is_not_started_again():
    context = stand_ins.Context({}, {})
    with pytest.raises(RuntimeError, match="the tracker ended with status 1"):
        tracker().on_exit(SimpleNamespace(returncode=1), context)
    tracker().on_exit(SimpleNamespace(returncode=0), context)
    context.is_shutdown = True
    tracker().on_exit(SimpleNamespace(returncode=130), context)
    assert tracker(use_respawn="true").on_exit is None


@pytest.mark.parametrize("name", ["params_file", "config"])
def test_a_parameter_file_goes_by_both_names(tmp_path, name):
    file = tmp_path / "my.yaml"
    file.write_text("")
    assert tracker(**{name: str(file)}).params_file == str(file)


@pytest.mark.parametrize(
    "image, info, expected",
    [
        ("/color/image_raw", "", ("/color/image_raw", "/color/camera_info", None)),
        ("/color/image_raw/compressed", "", ("/color/image_raw", "/color/camera_info", "compressed")),
        ("/x/compressed", "/y", ("/x", "/y", "compressed")),
        ("front/rgb", "", ("front/rgb", "front/camera_info", None)),
        ("image", "", ("image", "camera_info", None)),
    ],
)
def test_an_image_topic_brings_its_transport_and_camera_info(image, info, expected):
    node = tracker(rgb_image=image, rgb_camera_info=info)
    topic, camera_info, transport = expected
    assert node.remappings["rgb/image"] == topic and node.remappings["rgb/camera_info"] == camera_info
    assert node.remappings["rgb/image/compressed"] == f"{topic}/compressed"
    assert node.set_parameters.get("image_transport.rgb") == transport
    assert node.remappings["thermal/camera_info"] == "thermal/camera_info"


def test_a_topic_that_only_looks_compressed_can_be_raw():
    node = tracker(rgb_image="/x/compressed", rgb_transport="raw")
    assert node.remappings["rgb/image"] == "/x/compressed" and node.set_parameters["image_transport.rgb"] == "raw"


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"params_file": "/nowhere.yaml"}, "parameter file /nowhere.yaml does not exist"),
        ({"config": "/nowhere.yaml"}, "parameter file /nowhere.yaml does not exist"),
        ({"transports": "/nowhere.xml"}, "transports:=/nowhere.xml: there is no such file"),
        ({"rviz": "true"}, "rviz:=true needs the package rviz2"),
        ({"rviz": "yes"}, "needs the package rviz2"),
        ({"rviz": "perhaps"}, "rviz:=perhaps: expected true or false"),
        ({"use_respawn": "2"}, "use_respawn:=2: expected true or false"),
        ({"respawn_delay": "-1"}, "respawn_delay:=-1: expected a number of seconds"),
        ({"respawn_delay": "nan"}, "respawn_delay:=nan: expected a number of seconds"),
    ],
)
@each_file
def test_what_cannot_be_used_ends_the_launch_before_a_process_is_started(path, arguments, words, launch):
    started = []
    launch.setattr(stand_ins.Node, "execute", lambda node, context: started.append(node) or [])
    with pytest.raises(RuntimeError, match=words):
        launched(path, arguments, {})
    assert not started


@pytest.mark.parametrize(
    "chosen, environment, expected",
    [
        ("auto", {}, OURS),
        ("auto", {"FASTDDS_DEFAULT_PROFILES_FILE": "/robot.xml"}, {}),
        ("auto", {"FASTRTPS_DEFAULT_PROFILES_FILE": "/robot.xml"}, {}),
        ("auto", {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, {}),
        (PROFILE, {"FASTDDS_DEFAULT_PROFILES_FILE": "/robot.xml"}, OURS),
        ("none", {}, {}),
        ("", {}, {}),
    ],
)
def test_the_transports_of_the_robot_stay_unless_others_are_asked_for(chosen, environment, expected):
    done = launched(TRACKER, {"transports": chosen}, environment)
    assert done.environment == {**environment, **expected}
    kept = chosen == "auto" and bool(environment)
    assert [next(iter(environment)) in words for words in done.said] == [True] * kept


def test_fast_dds_2_has_its_own_variable_and_only_one_is_set(tmp_path):
    """Fast DDS 3 complains of a profile that both name."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libfastrtps.so").touch()
    for environment in ({"ROS_DISTRO": "jazzy"}, {"AMENT_PREFIX_PATH": f"/nowhere:{tmp_path}"}):
        assert launched(TRACKER, {}, environment).environment == {
            **environment,
            "FASTRTPS_DEFAULT_PROFILES_FILE": PROFILE,
        }


def test_rviz_shows_the_topics_of_the_tracker(rviz2):
    arguments = {"rviz": "Yes", "namespace": "/robot/", "rgb_image": "/color/image_raw/compressed", "rviz_frame": "cam"}
    node = launched(TRACKER, arguments, {}).nodes["rviz2"]
    assert node.remappings == {
        "/ckd/overlay": "/robot/overlay",
        "/ckd/markers": "/robot/markers",
        "/ckd/rgb/image": "/color/image_raw",
        "/ckd/rgb/camera_info": "/color/camera_info",
    }
    assert node.arguments == ["-d", str(ROOT / "rviz" / "tracker.rviz"), "-f", "cam"]
    assert all(f"Value: {topic}\n" in Path(node.arguments[1]).read_text() for topic in ("/ckd/overlay", "/ckd/markers"))


def test_the_demo_plays_a_source_for_the_tracker():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import CAMERA_PARAMETERS

    nodes = launched(DEMO, {"source": "a.mp4,b.mp4", "namespace": "x", "use_respawn": "true"}, {}).nodes
    camera = nodes["camera_node"]
    assert camera.set_parameters == {
        "source": "a.mp4,b.mp4",
        "rate": 20.0,
        "loop": True,
        "init": "auto",
        "wait_for_subscribers": True,
    }
    assert camera.set_parameters.keys() <= CAMERA_PARAMETERS.keys()
    assert camera.namespace == nodes["tracker_node"].namespace == "x" and nodes["tracker_node"].respawn


def test_the_demo_has_the_defaults_of_the_tracker():
    demo, alone = (launched(path, {}, {}).declared for path in (DEMO, TRACKER))
    assert demo["namespace"].default_value == alone["namespace"].default_value and alone.keys() < demo.keys()


def test_rviz_looks_from_the_frame_of_the_camera_of_the_demo():
    pytest.importorskip("onnxruntime")
    from ckd_ros.ros.parameters import CAMERA_PARAMETERS

    frame = CAMERA_PARAMETERS["frames.rgb"].default
    assert launched(TRACKER, {}, {}).declared["rviz_frame"].default_value == frame
    assert f"Fixed Frame: {frame}" in (ROOT / "rviz" / "tracker.rviz").read_text()
