"""message_filters for the tests of pairing."""

import importlib.util
import sys

import approximate_synchronizer
import pytest


@pytest.fixture
def message_filters(monkeypatch):
    """ROS's own where it is installed, else what stands for it."""
    if importlib.util.find_spec("message_filters") is None:
        monkeypatch.setitem(sys.modules, "message_filters", approximate_synchronizer)
