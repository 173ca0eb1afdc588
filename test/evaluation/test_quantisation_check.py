"""Agreement: a file whose weights are rounded finds the same boxes on realistic crops, a damaged one is refused."""

import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation import quantisation_check
from ckd_ros.evaluation.quantisation_check import box_overlaps, check_quantised
from ckd_ros.tracking import OnnxEngine, default_model

onnx = pytest.importorskip("onnx")


def changed(path, change):
    """The shipped student with its large weights changed, at `path`."""
    model = onnx.load(default_model())
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.size > 1000:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(change(values)), tensor.name))
    onnx.save(model, path)
    return path


def test_a_network_agrees_with_itself_in_every_crop():
    engine = OnnxEngine(default_model(), ["cpu"], threads=1)
    overlap = box_overlaps(engine, engine, SimulatedSequence(SimulatorConfig(frames=6)))
    assert len(overlap) >= 5  # one for every frame that is searched, and what the start looks at
    np.testing.assert_allclose(overlap, np.ones(len(overlap)))


def test_rounded_weights_find_the_same_boxes(tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation_check, "SEEDS", range(2))
    monkeypatch.setattr(quantisation_check, "FRAMES", 10)
    rounded = changed(tmp_path / "rounded.onnx", lambda values: values.astype(np.float16).astype(values.dtype))
    assert check_quantised(default_model(), rounded) > 0.95


def test_a_damaged_network_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation_check, "SEEDS", range(1))
    monkeypatch.setattr(quantisation_check, "FRAMES", 8)
    damaged = changed(tmp_path / "damaged.onnx", lambda values: values[::-1])
    with pytest.raises(ValueError, match=r"damaged.onnx overlap those of .*tiny.onnx by 0\.\d+ only"):
        check_quantised(default_model(), damaged)
