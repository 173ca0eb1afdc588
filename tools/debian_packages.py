"""Takes from Debian's packages what a bare Debian or Ubuntu lacks, without installing anything on the system.

Debian splits Python: pip for new environments is in `python3-venv`, the C headers are in `python3-dev`. The tests of
the evaluation's page need a browser. To install any of them takes the administrator. Fetching a package and unpacking
it into `.venv` does not.
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
#: Commands of an installed browser, and Debian's packages of one with the program in each.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
BROWSER_PACKAGES = {
    "chromium-headless-shell": "usr/lib/chromium/chromium-headless-shell",
    "chromium": "usr/lib/chromium/chromium",
}
FONTS = "fonts-dejavu-core"


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


def install_browser(venv: Path, progress: Progress) -> None:
    """Unpacks a browser below `venv` where none is installed. Raises SetupError where none can be had."""
    if installed_browser():
        return
    for number, package in enumerate(BROWSER_PACKAGES, start=1):
        try:
            unpack(package, venv, "chromium", progress, beside=(FONTS,))
            return
        except SetupError:
            if number == len(BROWSER_PACKAGES):
                raise


def installed_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def browser(venv: Path) -> tuple[str, dict[str, str]] | None:
    """A Chromium and the environment variables it needs: the installed one, or that below `venv`; None without."""
    if program := installed_browser():
        return program, {}
    for package, path in BROWSER_PACKAGES.items():
        root = venv / "debian" / package
        if (root / path).exists():
            libraries = {str(library.parent) for library in (root / "usr" / "lib").rglob("*.so*")}
            fonts = root / "fonts.conf"
            folders = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
            folders += f"<dir>{root / 'usr' / 'share' / 'fonts'}</dir>"
            fonts.write_text(f"<fontconfig>{folders}<cachedir>{root / 'font_cache'}</cachedir></fontconfig>\n")
            variables = {"LD_LIBRARY_PATH": ":".join(sorted(libraries)), "FONTCONFIG_FILE": str(fonts)}
            return str(root / path), variables
    return None


def unpack(package: str, venv: Path, remedy: str, progress: Progress, beside: tuple[str, ...] = ()) -> Path:
    """Unpacks `package` below `venv` and returns the folder that stands for the root of the file system.

    With `beside` those packages are unpacked there too, and all that any of them needs and the system has not.
    Raises SetupError, naming the package `remedy` that an administrator would install, where that cannot be done.
    """
    target = venv / "debian" / package
    if target.exists():
        return target
    remedy = f"sudo apt install {remedy}"
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise SetupError(f"this machine lacks what the package {package} holds. On Debian and Ubuntu: {remedy}")
    download = target.with_suffix(".download")
    shutil.rmtree(download, ignore_errors=True)
    (download / "lists" / "partial").mkdir(parents=True)
    try:
        _fetch_anyhow(package, beside, remedy, download, progress)
        unpacked = download / "root"
        for archive in download.glob("*.deb"):
            progress.run(["dpkg-deb", "-x", archive, unpacked])
        unpacked.rename(target)
    finally:
        shutil.rmtree(download)
    return target


def _fetch_anyhow(package: str, beside: tuple[str, ...], remedy: str, folder: Path, progress: Progress) -> None:
    """Downloads packages into `folder` with the system's package lists, or with new ones."""
    try:
        _fetch(package, beside, [], folder, progress)
    except SetupError:
        # No package lists, as in a fresh container: fetch them into a folder of our own.
        own_lists = ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}"]
        own_lists += ["-o", "APT::Sandbox::User=root"]
        try:
            progress.run(["apt-get", *own_lists, "update"])
            _fetch(package, beside, own_lists, folder, progress)
        except SetupError as error:
            raise SetupError(f"the package {package} could not be fetched; {remedy}\n\n{error}") from error


def _fetch(package: str, beside: tuple[str, ...], options: list[str], folder: Path, progress: Progress) -> None:
    """Downloads a package into `folder`; with `beside` those and what all of them lack on this system too."""
    wanted = [package]
    if beside:
        command = ["apt-get", *options, "install", "--simulate", "--no-install-recommends", package, *beside]
        plan = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"))
        if plan.returncode:
            raise SetupError(f"this failed: {' '.join(command)}\n\n{plan.stdout}{plan.stderr}")
        wanted = [line.split()[1] for line in plan.stdout.splitlines() if line.startswith("Inst ")]
    progress.run(["apt-get", *options, "download", *wanted], cwd=folder)
