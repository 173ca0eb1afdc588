"""config/tracker.yaml holds every parameter of the node at its default, explained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
from ckd_ros.ros.parameters import PARAMETERS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config" / "tracker.yaml"


@pytest.fixture(scope="module")
def parsed() -> dict[str, object]:
    """Parameter -> value, as ROS 2's own parser hands them to a node."""
    rclpy = pytest.importorskip("rclpy")
    context = rclpy.context.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(CONFIG)], context=context)
    try:
        node = rclpy.create_node("tracker", context=context, automatically_declare_parameters_from_overrides=True)
        names = [name for name in node._parameters if name in PARAMETERS or "." in name]
        values = {name: node.get_parameter(name).value for name in names if not name.startswith("qos_overrides")}
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    return values


def test_it_is_what_the_table_of_parameters_says():
    spec = importlib.util.spec_from_file_location("write_config", ROOT / "tools" / "write_config.py")
    write_config = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(write_config)
    assert CONFIG.read_text() == write_config.config_text(), "run: tools/env.sh python tools/write_config.py"


def test_it_names_every_parameter_and_no_other(parsed):
    assert set(parsed) == set(PARAMETERS)


def test_its_values_are_the_defaults_and_of_their_type(parsed):
    for name, parameter in PARAMETERS.items():
        value = list(parsed[name]) if isinstance(parameter.default, list) else parsed[name]
        assert parameter.fault(value) is None
        assert value == parameter.default, name
