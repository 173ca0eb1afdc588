"""Matrices stored as float16: the same network in little more than half the size, computed in float32 as before."""

import copy
from pathlib import Path

import numpy as np
import pytest

from ckd_ros.datasets.composed import composed_sequence
from ckd_ros.tracking import OnnxEngine, Tracker
from ckd_ros.tracking.track_sequence import track_sequence

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ckd_ros.network.half_weights import MIN_VALUES, expand_half, read_metadata, store_half

HALF, SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def stored(transformer):
    return onnx.load(transformer)


@pytest.fixture(scope="module")
def single(stored):
    """A float32 graph that the stored one may have come from: its weights lie anywhere between two float16 values."""
    model = copy.deepcopy(stored)
    halves = {tensor.name.removesuffix(".fp16") for tensor in model.graph.initializer if tensor.data_type == HALF}
    expand_half(model)
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.name in halves:
            values = onnx.numpy_helper.to_array(tensor)
            gap = np.spacing(np.nextafter(np.abs(values).astype(np.float16), np.float16(0)))
            values = values + rng.uniform(-0.49, 0.49, values.shape) * gap  # they round back to what they were
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))
    return model


class Comparing(OnnxEngine):
    """An engine that notes how far another one's maps are from its own, on every input."""

    def __init__(self, path: Path, other: Path):
        self.other, self.differences = OnnxEngine(other, ["cpu"], threads=1), []
        super().__init__(path, ["cpu"], threads=1)

    def run(self, inputs):
        maps = super().run(inputs)
        others = self.other.run(inputs)
        self.differences.append([np.abs(a - b).max() for a, b in zip(maps[:3], others[:3], strict=True)])
        return maps


@pytest.mark.parametrize("pairs", [None, "roadscene"], ids=["procedural", "real pairs"])
def test_the_maps_are_those_of_the_float32_graph_on_crops_of_a_tracker(single, pairs, tmp_path, request):
    folder = pairs and request.getfixturevalue("shared") / "data" / pairs
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    onnx.save(single, before)
    half = copy.deepcopy(single)
    store_half(half)
    onnx.save(half, after)
    engine = Comparing(before, after)
    for seed, degradation in enumerate(("clean", "night", "crossover")):
        sequence = composed_sequence(folder, degradation, 8, 1000 + seed)
        assert len(list(track_sequence(Tracker(engine), sequence.frames(), sequence.boxes[0]))) == 8
    assert 0 < np.max(engine.differences) < 1e-3


def test_what_runs_is_the_float32_graph(single, stored, tmp_path):
    """ONNX Runtime folds the casts as it loads the file: the nodes and the types of the weights are the same."""
    optimised = []
    for model in (single, stored):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath).graph
        optimised.append(([node.op_type for node in graph.node], sorted(t.data_type for t in graph.initializer)))
    assert optimised[0] == optimised[1]
    assert "Cast" not in optimised[1][0] and HALF not in optimised[1][1]


def test_matrices_alone_are_halved_and_the_file_says_so(single, stored):
    half = copy.deepcopy(single)
    store_half(half)
    for found, expected in zip(half.graph.initializer, stored.graph.initializer, strict=True):
        assert (found.name, found.data_type) == (expected.name, expected.data_type)
        assert np.array_equal(*(onnx.numpy_helper.to_array(tensor) for tensor in (found, expected))), found.name
    assert half.ByteSize() < 0.6 * single.ByteSize()
    kernels = {node.input[1] for node in half.graph.node if node.op_type == "Conv"}
    for tensor in half.graph.initializer:
        large = len(tensor.dims) > 1 and np.prod(tensor.dims) >= MIN_VALUES and tensor.name not in kernels
        assert tensor.data_type != (SINGLE if large else HALF), tensor.name
    assert read_metadata(half) == {**read_metadata(single), "weights": "fp16"}
    assert read_metadata(half)["precision"] == "fp32" and "weights" not in read_metadata(single)
    onnx.checker.check_model(half, full_check=True)


def test_expanding_gives_back_the_float32_graph(single):
    again = copy.deepcopy(single)
    store_half(again)
    expand_half(again)
    assert again.graph.node == single.graph.node
    assert read_metadata(again) == read_metadata(single)
    for found, expected in zip(again.graph.initializer, single.graph.initializer, strict=True):
        assert (found.name, found.data_type, found.dims) == (expected.name, expected.data_type, expected.dims)
        values, before = (onnx.numpy_helper.to_array(tensor) for tensor in (found, expected))
        np.testing.assert_allclose(values, before, rtol=2**-11, atol=2**-25)
    expanded = again.SerializeToString()
    expand_half(again)
    assert again.SerializeToString() == expanded


def test_weights_beyond_the_range_of_float16_stay_as_they_are(single):
    model = copy.deepcopy(single)
    name = next(node.input[1] for node in model.graph.node if node.op_type == "Gemm")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(1e6 * onnx.numpy_helper.to_array(tensor), name))
    store_half(model)
    assert tensor.data_type == SINGLE and tensor.name == name
