"""The tracker is tested through real ONNX Runtime on the network of `correlation.py` and the scenes of `scene.py`."""

from __future__ import annotations

import pytest


@pytest.fixture
def save_model(tmp_path):
    """Saves the network after `change(model)`, or with other metadata, and returns its path."""
    import onnx
    from correlation import METADATA, correlation_model

    def save(change=lambda model: None, metadata: dict[str, str] = METADATA):
        model = correlation_model(metadata)
        change(model)
        onnx.save(model, tmp_path / "changed.onnx")
        return tmp_path / "changed.onnx"

    return save


@pytest.fixture
def metadata():
    from correlation import METADATA

    return dict(METADATA)


@pytest.fixture(scope="session")
def engine(model_path):
    from ckd_ros.tracking import OnnxEngine

    return OnnxEngine(model_path, threads=1)


@pytest.fixture(scope="session")
def scene():
    from scene import Scene

    return Scene()


@pytest.fixture
def tracker(engine):
    from moving_target import CONFIDENCE

    from ckd_ros.tracking import Tracker, TrackerConfig

    # Its error is its grid's, another one in every frame: nothing that could be corrected. The thermal box is where the
    # registration says; what is measured beside it has tests of its own.
    return Tracker(engine, config=TrackerConfig(box_correction=0.0, refine_bound=0.0, confidence=CONFIDENCE))
