"""int8: the same interface in a fraction of the size, made from a transformer."""

from pathlib import Path

import numpy as np
import pytest

import ckd_ros

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from ckd_ros.network.export import INPUTS, TEMPLATE_BOX, example_inputs
from ckd_ros.network.half_weights import expand_half
from ckd_ros.network.presets import preset
from ckd_ros.network.quantise import quantise_onnx
from ckd_ros.tracking import OnnxEngine


@pytest.fixture(scope="module")
def fp32(transformer, tmp_path_factory):
    """The transformer with its weights stored as float32."""
    model, path = onnx.load(transformer), tmp_path_factory.mktemp("expanded") / "tinyvit.onnx"
    expand_half(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def int8(transformer, tmp_path_factory):
    path = tmp_path_factory.mktemp("quantised") / "tinyvit-int8.onnx"
    quantise_onnx(transformer, path)
    return path


def test_it_does_not_matter_how_the_weights_were_stored(int8, fp32, tmp_path):
    quantise_onnx(fp32, tmp_path / "int8.onnx")
    found, expected = onnx.load(tmp_path / "int8.onnx"), onnx.load(int8)
    assert found.graph.initializer == expected.graph.initializer
    assert found.metadata_props == expected.metadata_props
    assert [node.op_type for node in found.graph.node] == [node.op_type for node in expected.graph.node]


def test_inputs_outputs_and_metadata_are_those_of_the_fp32_file(int8, transformer):
    sessions = [onnxruntime.InferenceSession(path) for path in (transformer, int8)]
    inputs, outputs = ([[(i.name, i.shape, i.type) for i in getattr(s, get)()] for s in sessions]
                       for get in ("get_inputs", "get_outputs"))  # fmt: skip
    assert inputs[0] == inputs[1]
    assert outputs[0] == outputs[1]
    before, after = (session.get_modelmeta().custom_metadata_map for session in sessions)
    assert before.pop("weights") == "fp16"  # the int8 file holds what it computes with
    assert after == {**before, "precision": "int8"}


def test_the_engine_says_that_it_is_int8(int8, transformer):
    engine = OnnxEngine(int8, ["cpu"], threads=1)
    assert engine.spec.precision == "int8" and "int8" in engine.describe()
    assert OnnxEngine(transformer, ["cpu"], threads=1).spec.precision == "fp32"


def test_int8_computes_nearly_what_fp32_does(int8, transformer):
    inputs = dict(zip((*INPUTS, TEMPLATE_BOX), (x.numpy() for x in example_inputs(preset("tinyvit"))), strict=True))
    found, expected = (OnnxEngine(path, ["cpu"], threads=1).run(inputs) for path in (int8, transformer))
    for a, b in zip(found[:3], expected[:3], strict=True):
        assert not np.array_equal(a, b)
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99


def test_all_matrices_of_the_transformer_are_int8_and_nothing_else_is(int8, fp32):
    graph = onnx.load(int8).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    matrices = [weights[n.input[1]] for n in graph.node if n.op_type == "MatMulInteger"]
    depth = preset("tinyvit").depth
    assert len(matrices) == 2 * depth * 4  # two branches: queries/keys/values, projection, both layers of the MLP
    assert {m.data_type for m in matrices} == {onnx.TensorProto.INT8}
    assert sum(n.op_type == "Conv" for n in graph.node) > 10
    assert int8.stat().st_size < 0.45 * fp32.stat().st_size


def test_the_file_names_no_path_of_the_machine_that_wrote_it(int8, transformer):
    content = int8.read_bytes()
    for path in (Path(ckd_ros.__file__).parents[1], int8.parent, transformer.parent):
        assert str(path).encode() not in content
    assert b".py" not in content


def test_an_int8_file_is_not_quantised_again_and_stays_as_it_is(int8):
    before = int8.read_bytes()
    with pytest.raises(ValueError, match="is int8 already: quantise the fp32 file"):
        quantise_onnx(int8, int8)
    assert int8.read_bytes() == before


def test_what_is_no_exported_network_is_refused(tmp_path, model_path):
    with pytest.raises(FileNotFoundError, match="ckd export"):
        quantise_onnx(tmp_path / "absent.onnx", tmp_path / "out.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match="text.onnx is not an ONNX file"):
        quantise_onnx(tmp_path / "text.onnx", tmp_path / "out.onnx")
    with pytest.raises(ValueError, match="no matrix product with constant weights"):
        quantise_onnx(model_path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
