"""`pip install .` gives a library and a command that need neither ROS nor the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Where the package was installed, from a copy of the sources that is gone by then."""
    if int(version("setuptools").partition(".")[0]) < 77:
        pytest.skip(f"setuptools {version('setuptools')} cannot build it here: 77 is needed")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("ckd_ros", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        target,
        source,
    ]
    subprocess.run(command, check=True)
    shutil.rmtree(source)
    return target


def run(installed: Path, *command: str) -> subprocess.CompletedProcess:
    """Runs `command` with the installed package and without what ROS adds to the environment."""
    hidden = ("PYTHONPATH", "AMENT_PREFIX_PATH", "ROS_DISTRO")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = str(installed)
    return subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True)


def test_the_command_is_there(installed):
    done = run(installed, sys.executable, str(installed / "bin" / "ckd"), "--help")
    assert done.returncode == 0, done.stderr
    assert "track" in done.stdout


@pytest.mark.parametrize(
    "package",
    ["app", "evaluation/report", "evaluation/trackers", "ros/demo", "ros/sync", "tracking/engine", "training/samples"],
)
def test_every_sub_package_is_there(installed, package):
    ours = {path.name for path in (ROOT / "ckd_ros" / package).glob("*.py")}
    assert "__init__.py" in ours
    assert {path.name for path in (installed / "ckd_ros" / package).glob("*.py")} == ours


def test_every_module_is_there(installed):
    ours = {path.relative_to(ROOT) for path in (ROOT / "ckd_ros").rglob("*.py")}
    assert {path.relative_to(installed) for path in (installed / "ckd_ros").rglob("*.py")} == ours


def test_the_shipped_model_is_found_and_loads(installed):
    code = "from ckd_ros.tracking.engine import OnnxEngine, model_file; print(OnnxEngine(model_file('tiny')).path)"
    done = run(installed, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == installed / "ckd_ros" / "models" / "tiny.onnx"


def test_the_template_of_the_evaluations_page_is_there(installed):
    code = (
        "from pathlib import Path; from ckd_ros.evaluation.evaluation_set import EvaluationSet;"
        "from ckd_ros.evaluation.protocols import protocol_for; from ckd_ros.evaluation.report import write_report;"
        "from ckd_ros.evaluation.scoring import evaluate_results;"
        "absent = EvaluationSet(protocol_for('folder'), {}, faults={'lost': 'not there'});"
        "write_report(evaluate_results(absent, []), Path('report'), {})"
    )
    done = run(installed, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "not there" in (installed / "report" / "report.html").read_text()


def test_it_imports_nothing_of_ros(installed):
    code = "import sys, ckd_ros.tracking, ckd_ros.datasets.simulator; print([m for m in sys.modules if 'rclpy' in m])"
    done = run(installed, sys.executable, "-c", code)
    assert done.stdout.strip() == "[]", done.stderr
