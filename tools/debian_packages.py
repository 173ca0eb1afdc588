"""Takes from Debian's packages what a bare Debian or Ubuntu Python lacks, without installing anything on the system.

Debian splits Python: pip for new environments is in `python3-venv`, the C headers are in `python3-dev`. Both need the
administrator. Fetching a package and unpacking it into `.venv` does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from progress import Progress, SetupError

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def install_pip(venv: Path, progress: Progress) -> None:
    """Puts pip into an environment made without it."""
    wheels = unpack("python3-pip-whl", venv, "python3-venv", progress) / "usr" / "share" / "python-wheels"
    wheel = next(wheels.glob("pip-*.whl"))
    environment = dict(os.environ, PYTHONPATH=str(wheel))
    install = [venv / "bin" / "python", "-m", "pip", "install", "--no-index", "--find-links", wheels, "pip"]
    progress.run(install, env=environment)


def python_headers(venv: Path, progress: Progress) -> list[str]:
    """Arguments that let CMake find the C headers of Python; none where they are installed."""
    if Path(sysconfig.get_path("include"), "Python.h").exists():
        return []
    include = unpack(f"lib{PYTHON}-dev", venv, "python3-dev", progress) / "usr" / "include"
    # Debian's pyconfig.h includes the one of the architecture by a path below this folder.
    flags = f"-isystem {include}"
    return [f"-DPython3_INCLUDE_DIR={include / PYTHON}", f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}"]


def unpack(package: str, venv: Path, remedy: str, progress: Progress) -> Path:
    """Unpacks `package` below `venv` and returns the folder that stands for the root of the file system.

    Raises SetupError, naming the package `remedy` that an administrator would install, where that cannot be done.
    """
    target = venv / "debian" / package
    if target.exists():
        return target
    remedy = f"sudo apt install {remedy}"
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise SetupError(f"{sys.executable} lacks what the package {package} holds. On Debian and Ubuntu: {remedy}")
    download = target.with_suffix(".download")
    shutil.rmtree(download, ignore_errors=True)
    (download / "lists" / "partial").mkdir(parents=True)
    try:
        progress.run(["apt-get", "download", package], cwd=download)
    except SetupError:
        # No package lists, as in a fresh container: fetch them into a folder of our own.
        own_lists = ["-o", f"Dir::State::lists={download / 'lists'}", "-o", f"Dir::Cache={download}"]
        own_lists += ["-o", "APT::Sandbox::User=root"]
        try:
            progress.run(["apt-get", *own_lists, "update"])
            progress.run(["apt-get", *own_lists, "download", package], cwd=download)
        except SetupError as error:
            raise SetupError(f"the package {package} could not be fetched; {remedy}\n\n{error}") from error
    subprocess.run(["dpkg-deb", "-x", next(download.glob("*.deb")), target], check=True)
    shutil.rmtree(download)
    return target
