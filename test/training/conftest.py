"""Every test of the training may name the micro presets."""

from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    if find_spec("torch") is None:  # the tests that need it are skipped
        return
    import micro

    from ckd_ros.network.presets import PRESETS

    for name, config in micro.MICRO.items():
        monkeypatch.setitem(PRESETS, name, config)
