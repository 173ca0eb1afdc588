"""Parameters are described, checked at start and at run time, and take effect while the node runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import Bench, wait_for  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters, SetParametersAtomically  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from ckd_ros.ros import conversions  # noqa: E402
from ckd_ros.ros.parameter_files import unusable_files  # noqa: E402
from ckd_ros.ros.parameters import CAMERA_PARAMETERS, PARAMETERS, ParameterError  # noqa: E402
from ckd_ros.ros.tracker_node import TrackerNode  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def set_parameters(b: Bench, **changes) -> list:
    """Set parameters (`__` for `.`) one by one through the node's service; the results."""
    client = b.user.create_client(SetParameters, "tracker/set_parameters")
    wait_for(client.service_is_ready)
    messages = [Parameter(name.replace("__", "."), value=value).to_parameter_msg() for name, value in changes.items()]
    return b.call(client, SetParameters.Request(parameters=messages)).results


@pytest.mark.parametrize("table", [PARAMETERS, CAMERA_PARAMETERS])
def test_every_parameter_is_described_and_takes_its_default(table):
    for parameter in table.values():
        assert parameter.fault(parameter.default) is None
        assert len(parameter.description) > 10 and parameter.allowed()
        if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
            assert parameter.low <= parameter.default <= parameter.high


BAD = [
    ("sync.slop", 1, "a number with a decimal point from 0 to 10"),
    ("sync.slop", 11.0, "from 0 to 10"),
    ("sync.slop", -0.1, "from 0 to 10"),
    ("sync.slop", float("nan"), "from 0 to 10"),
    ("sync.slop", "much", "a number"),
    ("qos.depth", 0, "a whole number from 1 to 100"),
    ("qos.depth", 1.0, "a whole number"),
    ("qos.depth", True, "a whole number"),
    ("qos.reliability", "maybe", "best_effort | reliable"),
    ("sync.policy", "exact", "latest | approximate"),
    ("image_transport.thermal", "theora", "raw | compressed"),
    ("model.providers", ["auto", "npu"], "auto | tensorrt | cuda | cpu"),
    ("model.providers", "cpu", "a list of strings"),
    ("autostart", 1, "true or false"),
    ("registration.type", "magic", "none | offset | affine | homography | calibrated"),
    ("registration.offset", [1.0], "a list of 2 numbers"),
    ("registration.offset", [1, 2], "numbers with a decimal point"),
    ("registration.matrix", [1.0] * 7, "6 or 9"),
    ("registration.rotation", [2.0] * 9, "from -1 to 1"),
    ("tracker.lost_after", 0, "from 1 to 1000"),
    ("thermal.low_percentile", 60.0, "from 0 to 49"),
]


@pytest.mark.parametrize("name, value, allowed", BAD)
def test_a_bad_value_at_start_is_refused_with_the_parameter_and_what_it_takes(ros, name, value, allowed):
    with pytest.raises(ParameterError) as caught:
        TrackerNode(parameter_overrides=[Parameter(name, value=value)])
    assert f"parameter '{name}'" in str(caught.value) and allowed in str(caught.value)


def test_all_bad_values_are_named_at_once(ros):
    overrides = [Parameter("sync.slop", value=1), Parameter("qos.depth", value=0)]
    with pytest.raises(ParameterError, match="'qos.depth'.*'sync.slop'"):
        TrackerNode(parameter_overrides=overrides)


@pytest.mark.parametrize(
    "overrides, words",
    [
        ({"tracker.lost_below": 0.9}, "out of order"),
        ({"registration.type": "affine"}, "'registration.*': matrix has 9"),
        ({"registration.type": "homography", "registration.matrix": [0.0] * 9}, "singular"),
    ],
)
def test_values_that_do_not_go_together_are_refused(ros, overrides, words):
    with pytest.raises(ParameterError) as caught:
        TrackerNode(parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()])
    assert words in str(caught.value)


def run(module: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", module, "--ros-args", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_bad_parameter_file_ends_the_process_with_one_line(ros, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("/**:\n  ros__parameters:\n    sync: {slop: 1}\n")
    done = run("ckd_ros.ros.tracker_node", "--params-file", str(file))
    assert done.returncode == 1
    assert "parameter 'sync.slop' is 1: it must be a number with a decimal point" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\x00", "is not a text file"),
        (b"a: [1, 2\n b: x", "is not YAML: expected ',' or ']', but got ':' in line 2, column 3"),
        (b"a: \0", "is not YAML: unacceptable character #x0000: special characters are not allowed in"),
        (b"a: 2026-99-99", "is not YAML: month must be in 1..12"),
        (b"a: b: c", "is not YAML: mapping values are not allowed here in line 1, column 5"),
        (b"[1, 2]", "has something outside of 'ros__parameters': as in config/tracker.yaml, parameters are under a"),
        (b"tracker:\n  sync.slop: 3.0\n", "has 'sync.slop' outside of 'ros__parameters'"),
        (b"", None),
        (b"/**:\n  ros__parameters: {sync: {slop: 0.1}}\n", None),
    ],
)
def test_a_parameter_file_that_ros_cannot_use_is_named_with_what_is_wrong(tmp_path, text, words):
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_bytes(text)
    said = unusable_files(["node", "--ros-args", "--params-file", str(file)])
    assert said == [] if words is None else len(said) == 1 and said[0].startswith(f"the parameter file {file} {words}")


@pytest.mark.parametrize("node", ["tracker_node", "camera_node"])
def test_a_parameter_file_that_is_missing_ends_a_node_with_one_line(ros, node):
    done = run(f"ckd_ros.ros.{node}", "--params-file", "/nowhere/mine.yaml")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "the parameter file /nowhere/mine.yaml cannot be read: No such file or directory" in done.stderr


def test_arguments_that_ros_does_not_take_end_a_node_without_a_traceback(ros):
    done = run("ckd_ros.ros.tracker_node", "-r", "nonsense")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Couldn't parse remap rule: '-r nonsense'" in done.stderr


def test_a_bad_model_ends_a_node_that_starts_by_itself(ros):
    done = run("ckd_ros.ros.tracker_node", "-p", "model.path:=/nowhere/model.onnx")
    assert done.returncode == 1
    assert "/nowhere/model.onnx" in done.stderr and "Traceback" not in done.stderr


def test_a_misspelt_parameter_is_pointed_out(bench, capfd):
    b = bench(**{"sync.slopp": 0.1, "colour.depth": 3})
    said = capfd.readouterr().err
    assert "'sync.slopp' is not known and has no effect: did you mean 'sync.slop'" in said
    assert "'colour.depth' is not known and has no effect: is it misspelt?" in said
    assert not b.node.has_parameter("sync.slopp") and not b.node.has_parameter("colour.depth")


def test_a_former_name_is_refused_with_the_present_one(ros, tmp_path):
    with pytest.raises(ParameterError, match="'sync.slop' is 1.*; parameter 'tracker.calibration': it is now called"):
        TrackerNode(parameter_overrides=[Parameter("tracker.calibration", value=0.5), Parameter("sync.slop", value=1)])
    file = tmp_path / "former.yaml"
    file.write_text("/**:\n  ros__parameters:\n    tracker: {calibration: 0.5}\n")
    done = run("ckd_ros.ros.tracker_node", "--params-file", str(file))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "parameter 'tracker.calibration': it is now called 'tracker.box_correction'" in done.stderr


IGNORED = "has no effect: its parameters are under"


@pytest.mark.parametrize(
    "text, keys",
    [
        ("tracker:\n  ros__parameters:\n    sync: {slop: 0.1}\n", "'tracker'"),
        ("/tracker:\n  ros__parameters:\n    sync.slop: 0.1\n", "'/tracker'"),
        ("/robot/ckd:\n  tracker:\n    ros__parameters:\n      sync: {slop: 0.1}\n", "'/robot/ckd/tracker'"),
    ],
)
def test_a_parameter_file_for_another_node_is_named(ros, tmp_path, text, keys):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    # with a parameter of its own, so that not all are at their defaults, and that ends it
    done = run("ckd_ros.ros.tracker_node", "--params-file", str(file), "-p", "model.path:=/nowhere/model.onnx")
    assert f"the parameter file {file} {IGNORED} {keys}, but this node is '/ckd/tracker'" in done.stderr
    assert "Put them under '/ckd/tracker:' or '/**:'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "/**:\n  ros__parameters:\n    sync: {slop: 0.05}\n",  # its default
        "/ckd/tracker:\n  ros__parameters: {sync.slop: 0.1}\ntracker:\n  ros__parameters: {sync.slop: 0.2}\n",
        "/ckd:\n  tracker:\n    ros__parameters:\n      sync: {slop: 0.1}\n",
        "camera:\n  ros__parameters:\n    exposure: 3\n",  # nothing of this node
    ],
)
def test_a_parameter_file_that_is_in_order_is_not(ros, tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    done = run("ckd_ros.ros.tracker_node", "--params-file", str(file), "-p", "model.path:=/nowhere/model.onnx")
    assert "/nowhere/model.onnx" in done.stderr and IGNORED not in done.stderr


def test_a_group_is_no_parameter(ros):
    with pytest.raises(
        ParameterError, match="'image_transport' is a group: set 'image_transport.rgb', 'image_transport.t"
    ):
        TrackerNode(parameter_overrides=[Parameter("image_transport", value="compressed")])


def test_descriptions_and_ranges_can_be_asked_for(bench):
    b = bench()
    client = b.user.create_client(DescribeParameters, "tracker/describe_parameters")
    wait_for(client.service_is_ready)
    descriptors = b.call(client, DescribeParameters.Request(names=list(PARAMETERS))).descriptors
    for descriptor, parameter in zip(descriptors, PARAMETERS.values(), strict=True):
        assert descriptor.description == parameter.description
        assert descriptor.read_only == parameter.read_only
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        if parameter.low is not None and not isinstance(parameter.default, list):
            assert [(r.from_value, r.to_value) for r in ranges] == [(parameter.low, parameter.high)]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sync__slop": 1}, "parameter 'sync.slop' is 1"),
        ({"sync__slop": 99.0}, "sync.slop out of range"),
        ({"tracker__lost_below": 0.99}, "out of order"),
        ({"registration__type": "affine"}, "matrix has 9"),
        ({"qos__depth": 5}, "read-only parameter: qos.depth"),
    ],
)
def test_a_bad_change_is_refused_with_the_reason_and_changes_nothing(bench, change, words):
    b = bench().started()
    before = dict(b.node.values)
    (result,) = set_parameters(b, **change)
    assert not result.successful and words in result.reason
    assert b.node.values == before
    b.follow(2)


def test_thresholds_change_while_following(bench):
    b = bench().started()
    results = set_parameters(b, tracker__tracking_above=1.0, tracker__uncertain_below=1.0, tracker__uncertain_after=1)
    assert all(result.successful for result in results)
    assert b.step().state == b.step().UNCERTAIN


def test_registration_changes_while_following(bench):
    b = bench().started()
    client = b.user.create_client(SetParametersAtomically, "tracker/set_parameters_atomically")
    wait_for(client.service_is_ready)
    changes = [Parameter("registration.type", value="offset"), Parameter("registration.offset", value=[3.0, -2.0])]
    request = SetParametersAtomically.Request(parameters=[change.to_parameter_msg() for change in changes])
    assert b.call(client, request).result.successful
    track = b.steps(2)
    assert abs(track.thermal_box.x - (track.box.x / 2 + 3.0)) < 1e-6
    assert abs(track.thermal_box.y - (track.box.y / 2 - 2.0)) < 1e-6


def test_an_offset_between_the_clocks_of_the_cameras_can_be_set_while_running(bench):
    b = bench().start()

    def ahead():
        rgb, thermal = b.messages()
        thermal.header.stamp.sec += 3
        return rgb, thermal

    b.play(0.3, make=ahead)
    assert not b.tracks
    assert set_parameters(b, sync__thermal_offset=3.0)[0].successful
    b.step(make=ahead)
    assert b.init().success
    track = b.step(make=ahead)
    assert track.rgb_used and track.thermal_used
    assert conversions.to_nanoseconds(track.thermal_stamp) == b.stamp() + 3_000_000_000, "as the camera stamped it"


def test_an_estimated_offset_is_taken_off_where_that_is_asked_for(bench):
    b = bench().start()

    def ahead():
        rgb, thermal = b.messages()
        thermal.header.stamp.sec += 3
        return rgb, thermal

    b.node.inputs.correct(3.0)
    b.play(0.3, make=ahead)
    assert not b.tracks, "it was not asked for"
    assert set_parameters(b, sync__estimate_offset=True)[0].successful
    b.node.inputs.correct(3.0)
    b.step(make=ahead)
    assert set_parameters(b, sync__slop=0.04)[0].successful
    b.step(make=ahead)  # another parameter leaves it as it is
    assert set_parameters(b, sync__estimate_offset=False)[0].successful
    count = len(b.tracks)
    b.play(0.3, make=ahead)
    assert len(b.tracks) <= count + 1


def test_pairing_changes_while_running(bench):
    b = bench(**{"sync.slop": 0.0, "sync.timeout": 60.0}).start()

    def apart():
        rgb, thermal = b.messages()
        thermal.header.stamp.nanosec += 1000 if thermal.header.stamp.nanosec < 999_999_000 else -1000
        return rgb, thermal

    b.play(0.2, make=apart)
    assert not b.tracks
    assert set_parameters(b, sync__slop=0.001)[0].successful
    b.steps(3, make=apart)
