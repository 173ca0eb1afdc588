"""A test that needs what rosdep cannot install is skipped with the reason; any other failure stays one."""

from types import SimpleNamespace

import pytest
from absent import skip_without


def report(text: str) -> SimpleNamespace:
    """What pytest hands over for a test that failed with this text."""
    nodeid = "test/test_x.py::test_y"
    return SimpleNamespace(failed=True, outcome="failed", longreprtext=text, nodeid=nodeid, longrepr="")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("E   ModuleNotFoundError: No module named 'torch'", "torch is not installed: `make test`"),
        ("E   ModuleNotFoundError: No module named 'rosbags.highlevel'", "rosbags is not installed"),
        ("E   ModuleNotFoundError: /usr/bin/python3 has no onnxruntime, which runs", "onnxruntime is not installed"),
        ("E   ValueError: this OpenCV 4.5.4 has no TrackerNano: install", "this OpenCV 4.5.4 has no TrackerNano"),
    ],
)
def test_what_is_not_there_is_the_reason(text, reason):
    made = report(text)
    skip_without(made)
    assert made.outcome == "skipped" and reason in made.longrepr[2]


@pytest.mark.parametrize(
    "text",
    [
        "E   ModuleNotFoundError: No module named 'ckd_ros.gone'",
        "E   ModuleNotFoundError: No module named 'numpy'",
        "E   AssertionError: torch is wrong",
        "E   AttributeError: module 'cv2' has no attribute 'TrackerNano'",
    ],
)
def test_other_failures_stay(text):
    made = report(text)
    skip_without(made)
    assert made.outcome == "failed"
