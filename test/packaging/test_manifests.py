"""package.xml, CMakeLists.txt, pyproject.toml and the requirement files say the same, and say enough."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
CMAKE = (ROOT / "CMakeLists.txt").read_text()
SUB_PACKAGES = sorted({str(p.parent.relative_to(ROOT / "ckd_ros")) for p in (ROOT / "ckd_ros").rglob("*.py")})
PROMISED = {
    *("rclpy", "sensor_msgs", "std_msgs", "visualization_msgs", "diagnostic_msgs", "vision_msgs"),
    *("message_filters", "launch", "launch_ros", "python3-opencv", "python3-numpy"),
}
#: The rosdep key of each package of Python that the node's code may import.
ROSDEP_KEYS = {"numpy": "python3-numpy", "cv2": "python3-opencv", "tf2_ros": "tf2_ros_py"}
ROSDEP_KEYS |= {"matplotlib": "python3-matplotlib", "yaml": "python3-yaml"}
#: Not packaged for a distribution: `make setup` installs them beside its packages.
ONLY_PIP = {"av", "onnxruntime", "rich", "rosbags", "tyro"}
#: Not needed on a robot: `tracking/engine/torch_engine.py`, imported lazily, opens a checkpoint that was not exported.
NOT_ON_A_ROBOT = {"torch"}


def dependencies() -> set[str]:
    return {element.text for element in MANIFEST.iter() if element.tag.endswith("depend")}


def imports(folder: Path) -> set[str]:
    """Packages that the modules in `folder` import, anywhere in them."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"ckd_ros"}


def requirements(name: str) -> dict[str, str]:
    """Package -> what is asked of its version, from a requirement file."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements" / name).read_text().splitlines()]
    found = [re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?([^;]*)", line) for line in lines if line]
    return {match[1].lower(): match[2].strip() for match in found}


def listed(key: str) -> set[str]:
    """Names of the packages in a list of pyproject.toml, which Python 3.10 has no parser for."""
    block = re.search(rf"^{key} = \[(.*?)\]$", PYPROJECT, re.MULTILINE | re.DOTALL)[1]
    return {name.lower() for name in re.findall(r'"([A-Za-z0-9_.-]+)', block)}


def test_package_xml_is_format_3_and_built_by_ament_cmake():
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("name") == "ckd_ros"
    assert MANIFEST.findtext("export/build_type") == "ament_cmake"
    assert MANIFEST.findtext("license") == "Apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()
    assert MANIFEST.findtext("member_of_group") == "rosidl_interface_packages"


def test_package_xml_is_accepted_by_the_tools_of_ros():
    catkin_pkg = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    assert catkin_pkg.parse_package(str(ROOT / "package.xml"), warnings=warnings).name == "ckd_ros"
    assert not warnings


def test_package_xml_names_what_the_node_was_promised_with():
    assert PROMISED <= dependencies()


@pytest.mark.parametrize("package", ["ros", "tracking"])
def test_whatever_the_node_imports_is_a_dependency(package):
    for name in imports(ROOT / "ckd_ros" / package) - ONLY_PIP - NOT_ON_A_ROBOT - {"rosbags_image"}:
        assert ROSDEP_KEYS.get(name, name) in dependencies(), f"ckd_ros/{package} imports {name}"


def test_versions_agree():
    from ckd_ros import __version__

    assert re.search(r'^version = "(.+)"', PYPROJECT, re.MULTILINE)[1] == MANIFEST.findtext("version") == __version__


def test_cmake_finds_what_package_xml_depends_on_to_build():
    found = set(re.findall(r"find_package\((\w+)", CMAKE))
    assert found <= dependencies()


def test_cmake_generates_every_interface_file():
    for path in [*(ROOT / "msg").iterdir(), *(ROOT / "srv").iterdir()]:
        assert f"  {path.parent.name}/{path.name}\n" in CMAKE


def test_cmake_installs_the_whole_package():
    installed = re.search(r"install\(DIRECTORY ckd_ros/ DESTINATION (.*?)\)", CMAKE, re.DOTALL)[1]
    assert re.findall(r"PATTERN (\S+)", installed) == ['"__pycache__"']


def test_colcon_installed_every_module():
    interfaces = pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: make setup")
    installed = Path(interfaces.__file__).parents[1]
    ours = {path.relative_to(ROOT / "ckd_ros") for path in (ROOT / "ckd_ros").rglob("*.py")}
    here = (installed / "geometry.py").resolve()
    if not (here.is_relative_to(ROOT) or here.is_relative_to(installed)):
        pytest.skip("what was built is another checkout")
    assert {path for path in ours if not (installed / path).exists()} == set(), "added since? make setup"


@pytest.mark.parametrize("package", SUB_PACKAGES)
def test_every_folder_of_modules_is_a_package(package):
    """Without `__init__.py` pip leaves a folder out, and import-linter, mypy and `python -m` pass it over."""
    assert (ROOT / "ckd_ros" / package / "__init__.py").is_file()


def test_git_takes_every_module():
    """An entry of .gitignore that fits a package's folder loses its new files without a word."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a checkout of git")
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "ckd_ros").rglob("*.py")]
    done = subprocess.run(["git", "check-ignore", "--no-index", *files], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_fresh_machine_gets_pinned_versions_of_what_pip_installs():
    assert set(requirements("runtime.txt") | requirements("onnxruntime.txt")) == listed("dependencies")
    assert set(requirements("onnxruntime-gpu.txt")) == listed("gpu")
    assert set(requirements("test.txt")) >= listed("train") | listed("dev") | listed("window") | listed("ray")
    for path in (ROOT / "requirements").glob("*.txt"):
        if path.name != "distribution.txt":
            assert all(version.startswith("==") for version in requirements(path.name).values()), path.name


def test_a_distribution_keeps_its_own_opencv():
    elsewhere = {"opencv-contrib-python-headless", "onnxruntime"}
    beside = requirements("distribution.txt")
    assert set(beside) == listed("dependencies") - elsewhere
    for name, version in beside.items():
        assert f'"{name}{version}"' in PYPROJECT, f"{name}: one version is wanted here, another one there"


def test_extras_of_the_pip_package():
    assert "torch" in listed("train") and "pytest" in listed("dev")
    assert "onnxruntime-gpu" in listed("gpu")
