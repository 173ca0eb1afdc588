"""`make setup` says what is wrong with a machine, and does again only what has changed."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ON_PYPI = ("jazzy", "kilted")


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("setup_environment")


@pytest.fixture
def checkout(tools, tmp_path, monkeypatch) -> Path:
    """A copy of what the set-up looks at, without anything set up in it."""
    for name in ("requirements", "msg", "srv", *tools.INSTALLED):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.onnx"))
    for name in ("setup.py", "pyproject.toml", "CMakeLists.txt", "package.xml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(tools, "NVIDIA_DRIVER", tmp_path / "no driver")
    return tmp_path


def due(tools, checkout: Path, tests: bool = False, **variables: str) -> list[str]:
    """Names of the steps that would run now."""
    environment = tools.choose(checkout, variables)
    stamps = tools.read_stamps(environment)
    return [step.name for step in tools.steps(environment, tests) if stamps.get(step.name) != step.wanted]


def pretend_done(tools, checkout: Path, tests: bool = False, **variables: str) -> None:
    environment = tools.choose(checkout, variables)
    environment.venv.mkdir(exist_ok=True)
    environment.install.mkdir(exist_ok=True)
    for step in tools.steps(environment, tests):
        tools.write_stamp(environment, step)


def test_a_fresh_checkout_needs_everything(tools, checkout):
    assert due(tools, checkout) == ["python", "packages", "library", "interfaces"]
    assert due(tools, checkout, tests=True) == ["python", "packages", "tests", "browser", "library", "interfaces"]


def test_nothing_is_done_twice(tools, checkout):
    pretend_done(tools, checkout)
    assert due(tools, checkout) == []
    assert due(tools, checkout, tests=True) == ["tests", "browser"]


def test_another_ros_has_folders_of_its_own(tools, checkout):
    pretend_done(tools, checkout)
    assert due(tools, checkout, DISTRO="jazzy") == []
    assert due(tools, checkout, DISTRO="kilted") == ["python", "packages", "library", "interfaces"]
    pretend_done(tools, checkout, DISTRO="kilted")
    assert due(tools, checkout) == due(tools, checkout, DISTRO="kilted") == []
    assert {".venv", ".venv-kilted", "install", "install-kilted"} <= {path.name for path in checkout.iterdir()}


def test_a_sourced_distribution_is_what_the_checkout_is_set_up_for(tools, checkout):
    pretend_done(tools, checkout)
    assert "python" in due(tools, checkout, ROS_DISTRO="humble")
    assert tools.choose(checkout, {"ROS_DISTRO": "humble", "DISTRO": "humble"}).venv == checkout / ".venv"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DISTRO": "humble"}, "DISTRO is humble.*jazzy and kilted only: source"),
        ({"DISTRO": "jazzy", "ROS_DISTRO": "lyrical"}, "DISTRO is jazzy, but ROS 2 lyrical is sourced"),
    ],
)
def test_a_distribution_that_cannot_be_had(tools, tmp_path, variables, said):
    with pytest.raises(tools.SetupError, match=said):
        tools.choose(tmp_path, variables)


@pytest.mark.parametrize(
    ("path", "redone"),
    [
        ("msg/Track.msg", ["interfaces"]),
        ("launch/new.launch.py", ["interfaces"]),
        ("requirements/test.txt", ["tests"]),
        ("requirements/ros-jazzy.txt", ["packages", "tests", "interfaces"]),
        ("requirements/ros-kilted.txt", []),
        ("pyproject.toml", ["library"]),
        ("ckd_ros/geometry.py", []),
    ],
)
def test_what_a_change_makes_due(tools, checkout, path, redone):
    pretend_done(tools, checkout, tests=True)
    with open(checkout / path, "a") as file:
        file.write("# changed\n")
    assert due(tools, checkout, tests=True) == redone


def test_a_removed_build_is_built_again(tools, checkout):
    pretend_done(tools, checkout)
    shutil.rmtree(checkout / "install")
    assert due(tools, checkout) == ["interfaces"]


def test_another_python_makes_everything_anew(tools, checkout, monkeypatch):
    pretend_done(tools, checkout)
    monkeypatch.setattr(tools.sys, "base_prefix", "/another/python")
    assert due(tools, checkout) == ["python", "packages", "library", "interfaces"]


def test_a_new_gpu_brings_another_onnx_runtime(tools, checkout, monkeypatch):
    pretend_done(tools, checkout)
    driver = checkout / "version"
    monkeypatch.setattr(tools, "NVIDIA_DRIVER", driver)
    environment = tools.choose(checkout, {})
    assert tools.onnxruntime(environment) == ["onnxruntime.txt"]
    driver.touch()
    assert tools.onnxruntime(environment) == ["onnxruntime-gpu.txt"]
    assert due(tools, checkout) == ["python", "packages", "library", "interfaces"]


def test_an_environment_made_by_hand_is_not_removed(tools, checkout):
    (checkout / ".venv").mkdir()
    with pytest.raises(tools.SetupError, match="made by hand.*move it away"):
        tools.create_venv(tools.choose(checkout, {}), None)
    assert (checkout / ".venv").is_dir()


def test_what_was_built_with_another_python_goes_with_its_environment(tools, checkout):
    from progress import Progress

    pretend_done(tools, checkout)
    (checkout / "build").mkdir()
    with Progress("a step") as progress:
        tools.create_venv(tools.choose(checkout, {}), progress)
    assert not (checkout / "build").exists() and not (checkout / "install").exists()
    assert (checkout / ".venv" / "bin" / "python").exists() and due(tools, checkout)[0] == "python"


def test_unsupported_python(tools, monkeypatch):
    monkeypatch.setattr(tools, "PYTHONS", ((3, 97), (3, 99)))
    with pytest.raises(tools.SetupError, match=r"not supported.*make PYTHON="):
        tools.check_machine(tools.choose(ROOT, {}))


def test_ros_from_pypi_is_for_one_kind_of_machine(tools, monkeypatch):
    monkeypatch.setattr(tools.platform, "machine", lambda: "aarch64")
    with pytest.raises(tools.SetupError, match="aarch64.*Install a ROS 2 distribution"):
        tools.check_machine(tools.choose(ROOT, {}))


def test_a_distribution_of_another_python(tools, monkeypatch):
    monkeypatch.setattr(tools.sys, "executable", shutil.which("false"))
    with pytest.raises(tools.SetupError, match="ROS_DISTRO is jazzy.*cannot import its rclpy"):
        tools.check_machine(tools.choose(ROOT, {"ROS_DISTRO": "jazzy"}))


def test_a_failing_command_shows_what_it_said(tools, capsys):
    from progress import Progress

    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(tools.SetupError, match="exit status 3(.|\n)*the reason"), Progress("a step") as progress:
        progress.run(command)
    assert "the reason" not in capsys.readouterr().out


def test_without_debians_tools_the_package_to_install_is_named(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tools.SetupError, match="sudo apt install python3-venv"):
        tools.debian_packages.install_pip(tmp_path, None)


@pytest.fixture
def archive(tmp_path, monkeypatch) -> Path:
    """The only folder on PATH: an `apt-get` that knows the packages which lie beside it, without any browser."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: this is about Debian's packages")
    folder = tmp_path / "archive"
    for package, file in {
        "chromium": "usr/lib/chromium/chromium",
        "libogg0": "usr/lib/x86_64-linux-gnu/libogg.so.0",
        "fonts-dejavu-core": "usr/share/fonts/truetype/DejaVuSans.ttf",
    }.items():
        tree = folder / "trees" / package
        (tree / file).parent.mkdir(parents=True)
        (tree / file).write_text(package)
        (tree / "DEBIAN").mkdir()
        control = f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
        (tree / "DEBIAN" / "control").write_text(control)
        subprocess.run(["dpkg-deb", "-b", tree, folder / f"{package}_1_all.deb"], check=True, capture_output=True)
    for tool in ("dpkg-deb", "tar", "sh", "cp", "xz", "rm"):
        (folder / tool).symlink_to(shutil.which(tool))
    (folder / "apt-get").write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *headless-shell*) echo no such package >&2; exit 100 ;;\n"
        '  install*) echo "Inst libogg0 (1 x)"; echo "Inst chromium (1 x)"; echo "Inst fonts-dejavu-core (1 x)" ;;\n'
        f'  download*) shift; for name; do cp "{folder}/$name"_*.deb . || exit 100; done ;;\n'
        "esac\n"
    )
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_browser_is_unpacked_with_its_libraries_and_a_font(tools, archive, tmp_path):
    from progress import Progress

    venv = tmp_path / ".venv"
    assert tools.debian_packages.browser(venv) is None
    with Progress("a step") as progress:
        tools.debian_packages.install_browser(venv, progress)
    program, variables = tools.debian_packages.browser(venv)
    assert Path(program).read_text() == "chromium"
    libraries = [Path(folder) for folder in variables["LD_LIBRARY_PATH"].split(":")]
    assert any((folder / "libogg.so.0").exists() for folder in libraries)
    assert f"{venv}/debian/chromium/usr/share/fonts" in Path(variables["FONTCONFIG_FILE"]).read_text()
    assert not list(venv.rglob("*.download"))


def test_an_installed_browser_is_used_and_nothing_fetched(tools, archive, tmp_path):
    from progress import Progress

    installed = archive / "google-chrome"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    with Progress("a step") as progress:
        tools.debian_packages.install_browser(tmp_path / ".venv", progress)
    assert tools.debian_packages.browser(tmp_path / ".venv") == (str(installed), {})
    assert not (tmp_path / ".venv").exists()


def test_without_a_browser_the_set_up_goes_on_and_says_so(tools, checkout, monkeypatch, capsys):
    from progress import Progress

    monkeypatch.setenv("PATH", str(checkout))
    with Progress("a step") as progress:
        tools.install_browser(tools.choose(checkout, {}), progress)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "skipped" in line and "sudo apt install chromium" in line]) == 1


def test_ci_lints_and_runs_the_tests_on_each_ros_from_pypi():
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    lines = [line for line in ci.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[:2] == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."']
    other = [f'make test DISTRO={name} TESTS="test/ros test/launch test/packaging"' for name in ON_PYPI[1:]]
    assert lines[2:] == ["make lint", "make test", "rm -rf .venv", *other], "one environment at a time"


@pytest.mark.parametrize("target", ["help", "setup", "demo", "test", "lint", "clean"])
def test_targets_of_make(target):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_environment_of_another_ros_is_asked_for_by_name(tools, tmp_path):
    """`tools/env.sh` and the set-up agree on where each lies."""
    (tmp_path / "tools").mkdir()
    script = shutil.copy(ROOT / "tools" / "env.sh", tmp_path / "tools")
    for distribution in ON_PYPI:
        environment = tools.choose(tmp_path, {"DISTRO": distribution})
        (environment.venv / "bin").mkdir(parents=True)
        environment.install.mkdir()
        (environment.venv / "bin" / "activate").write_text(f"VIRTUAL_ENV={environment.venv}\n")
        (environment.install / "local_setup.bash").write_text(f"export BUILT={environment.install}\n")
    hidden = ("ROS_DISTRO", "DISTRO")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    for wished in ("", *ON_PYPI):
        command = ["bash", str(script), "printenv", "BUILT"]
        done = subprocess.run(command, env={**variables, "DISTRO": wished}, capture_output=True, text=True)
        assert done.stdout.strip() == str(tools.choose(tmp_path, {"DISTRO": wished}).install), done.stderr


def test_make_demo_hands_over_source_and_rate():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ["make", "--dry-run", "demo", "SOURCE=a folder,b", "RATE=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert '--source "a folder,b" --rate "12"' in done.stdout


def test_the_environment_says_what_is_missing(tmp_path):
    (tmp_path / "tools").mkdir()
    script = shutil.copy(ROOT / "tools" / "env.sh", tmp_path / "tools")
    done = subprocess.run(["bash", str(script), "true"], capture_output=True, text=True)
    assert done.returncode == 1 and "make setup" in done.stderr
