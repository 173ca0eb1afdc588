"""What a result was made with: versions, files, machine. All that somebody needs to make it again."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ckd_ros.files import sha256_of
from ckd_ros.system import usable_cores


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, this package, NumPy, OpenCV, and of the distributions named; those not installed are left
    out."""
    import cv2
    import numpy as np

    found = {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__}
    for package in ("ckd_ros", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, operating system."""
    return {"cpu": _cpu_name(), "cores": usable_cores(), "system": platform.platform()}


def fingerprint(path: Path) -> dict[str, str | int]:
    """A file's path, size in bytes and SHA-256. Raises OSError for what cannot be read."""
    return {"file": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
