"""Agreement: an int8 file finds the fp32 file's boxes on realistic crops, a damaged one is refused."""

import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation import quantisation_check
from ckd_ros.evaluation.quantisation_check import box_overlaps, check_quantised
from ckd_ros.tracking import OnnxEngine, default_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

from ckd_ros.network.quantise import quantise_onnx


def test_a_network_agrees_with_itself_in_every_crop():
    engine = OnnxEngine(default_model(), ["cpu"], threads=1)
    overlap = box_overlaps(engine, engine, SimulatedSequence(SimulatorConfig(frames=6)))
    assert len(overlap) >= 5  # one for every frame that is searched, and what the start looks at
    np.testing.assert_allclose(overlap, np.ones(len(overlap)))


def test_int8_finds_the_boxes_of_fp32(tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation_check, "SEEDS", range(2))
    monkeypatch.setattr(quantisation_check, "FRAMES", 10)
    quantise_onnx(default_model(), tmp_path / "int8.onnx")
    assert check_quantised(default_model(), tmp_path / "int8.onnx") > 0.95


def test_a_damaged_network_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation_check, "SEEDS", range(1))
    monkeypatch.setattr(quantisation_check, "FRAMES", 8)
    model = onnx.load(default_model())
    for tensor in model.graph.initializer:
        if tensor.dims == [192, 768]:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), tensor.name))
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(ValueError, match=r"damaged.onnx overlap those of .*tiny.onnx by 0\.\d+ only"):
        check_quantised(default_model(), tmp_path / "damaged.onnx")
