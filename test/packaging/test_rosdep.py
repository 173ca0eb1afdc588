"""rosdep resolves package.xml on every distribution with the system's package manager alone.

The rules and the distributions are small local ones. What they say of the packages that are named here was held against
the public rosdistro of August 2026.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("rosdep2", reason="rosdep is not installed: run `make test`")

ROOT = Path(__file__).resolve().parents[2]
#: Ubuntu release of each distribution.
UBUNTU = {"humble": "jammy", "jazzy": "noble", "kilted": "noble", "lyrical": "resolute"}
#: ROS packages that each of these distributions released.
RELEASED = [
    *("ament_cmake", "ament_cmake_pytest", "ament_cmake_python", "ament_index_python", "bondpy", "builtin_interfaces"),
    *(
        "diagnostic_msgs",
        "geometry_msgs",
        "launch",
        "launch_ros",
        "lifecycle_msgs",
        "message_filters",
        "rcl_interfaces",
    ),
    *("rclpy", "ros2launch", "rosidl_default_generators", "rosidl_default_runtime", "rviz2", "sensor_msgs", "std_msgs"),
    *("tf2_ros_py", "vision_msgs", "visualization_msgs"),
]
#: Keys of system packages: from Ubuntu's archive, or from pip.
SYSTEM = ("python3-matplotlib", "python3-numpy", "python3-opencv", "python3-pytest", "python3-venv", "python3-yaml")
RULES: dict[str, dict] = {key: {"ubuntu": [key]} for key in SYSTEM}
RULES["python3-onnxruntime-pip"] = {"ubuntu": {"pip": {"packages": ["onnxruntime"]}}}


def released(distribution: str) -> dict:
    release = {"packages": RELEASED, "tags": {"release": "x"}, "url": "https://example.org/x.git", "version": "1.0.0-1"}
    platforms = {"ubuntu": [UBUNTU[distribution]]}
    return {
        "type": "distribution",
        "version": 2,
        "release_platforms": platforms,
        "repositories": {"x": {"release": release}},
    }


@pytest.fixture(scope="module")
def rosdep(tmp_path_factory):
    """Runs rosdep for a distribution over a folder with package.xml."""
    folder = tmp_path_factory.mktemp("rosdep")
    (folder / "sources").mkdir()
    (folder / "rules.yaml").write_text(yaml.safe_dump(RULES))
    (folder / "sources" / "10-local.list").write_text(f"yaml file://{folder / 'rules.yaml'}\n")
    entry = {"distribution_status": "active", "distribution_type": "ros2", "python_version": 3}
    distributions = {name: {**entry, "distribution": [f"{name}.yaml"]} for name in UBUNTU}
    index = {"type": "index", "version": 4, "distributions": distributions}
    (folder / "index-v4.yaml").write_text("%YAML 1.1\n---\n" + yaml.safe_dump(index))
    for name in UBUNTU:
        (folder / f"{name}.yaml").write_text("%YAML 1.1\n---\n" + yaml.safe_dump(released(name)))
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ROS_", "AMENT_"))}
    variables |= {"ROS_HOME": str(folder), "ROSDEP_SOURCE_PATH": str(folder / "sources")}
    variables["ROSDISTRO_INDEX_URL"] = f"file://{folder / 'index-v4.yaml'}"

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", "from rosdep2.main import rosdep_main; rosdep_main()", *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)

    updated = run("update")
    assert updated.returncode == 0, updated.stdout + updated.stderr

    def install(distribution: str, source: Path) -> subprocess.CompletedProcess:
        system = f"--os=ubuntu:{UBUNTU[distribution]}"
        options = ("--rosdistro", distribution, "--ignore-src", "--reinstall", "--simulate", "--default-yes")
        return run("install", "--from-paths", str(source), system, *options)

    return install


@pytest.fixture
def package(tmp_path):
    """A folder with package.xml alone, as rosdep would look into every folder of the checkout."""
    (tmp_path / "package.xml").write_text((ROOT / "package.xml").read_text())
    return tmp_path


@pytest.mark.parametrize("distribution", UBUNTU)
def test_every_key_is_a_package_of_the_system(rosdep, package, distribution):
    done = rosdep(distribution, package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[pip]" not in done.stdout
    elements = ElementTree.parse(ROOT / "package.xml").iter()
    for key in {element.text for element in elements if element.tag.endswith("depend")}:
        name = f"ros-{distribution}-{key.replace('_', '-')}" if key in RELEASED else key
        assert f"apt-get install -y {name}\n" in done.stdout + "\n", key


def test_a_key_that_rosdep_gives_to_pip_is_seen(rosdep, package):
    manifest = package / "package.xml"
    line = "<exec_depend>python3-onnxruntime-pip</exec_depend>"
    manifest.write_text(manifest.read_text().replace("</package>", f"  {line}\n</package>"))
    assert "[pip]" in rosdep("jazzy", package).stdout
