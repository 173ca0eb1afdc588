"""Export: ONNX Runtime computes what PyTorch computes, and the file says how to feed it."""

import json

import pytest
import torch
from students import lively

from ckd_ros.network.config import CKDConfig
from ckd_ros.network.export import check_export, example_inputs, export_onnx, input_names
from ckd_ros.network.presets import preset
from ckd_ros.network.quantise import quantise_onnx
from ckd_ros.network.student import CKDStudent

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

PAPERLIKE = CKDConfig("paperlike", template_size=32, search_size=64, embed_dim=24, depth=2, num_heads=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    model, path = lively(preset("tinyvit-mce")), tmp_path_factory.mktemp("export") / "tinyvit.onnx"
    export_onnx(model, path, {"steps": 7})
    return model, path


def test_onnx_runtime_agrees_on_the_shipped_preset_with_elimination(tiny):
    assert check_export(*tiny) <= 1e-4


def test_onnx_runtime_agrees_on_the_papers_layout(tmp_path):
    model = lively(PAPERLIKE)
    export_onnx(model, tmp_path / "model.onnx")
    assert check_export(model, tmp_path / "model.onnx") <= 1e-4
    names = [i.name for i in onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()]
    assert names == ["template_rgb", "template_tir", "search_rgb", "search_tir"]


def test_the_preset_for_gpus_is_exported_quantised_and_run(tmp_path):
    model, path = lively(preset("small")), tmp_path / "small.onnx"
    export_onnx(model, path)
    assert check_export(model, path) <= 1e-4
    quantise_onnx(path, tmp_path / "int8.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx", providers=["CPUExecutionProvider"])
    inputs = dict(zip(input_names(model.config), example_inputs(model.config), strict=True))
    score, size, offset = session.run(None, {name: x.numpy() for name, x in inputs.items()})
    assert (score.shape, size.shape, offset.shape) == ((1, 1, 16, 16), (1, 2, 16, 16), (1, 2, 16, 16))


def test_rounded_weights_are_no_difference(tiny):
    """PyTorch computes with the file's weights; with the student's own, other candidates might be eliminated."""
    student, path = tiny
    inputs = dict(zip(input_names(student.config), example_inputs(student.config, seed=1), strict=True))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: x.numpy() for name, x in inputs.items()})
    with torch.no_grad():
        maps = student(**inputs).prediction
    rounding = max((torch.from_numpy(a) - b).abs().max().item() for a, b in zip(found, maps, strict=True))
    assert 0 < 10 * check_export(student, path) < rounding < 1e-4


def test_the_file_names_no_path_of_the_machine_that_wrote_it(tiny):
    assert b"export.py" not in tiny[1].read_bytes()


def test_inputs_and_outputs_have_fixed_shapes(tiny):
    session = onnxruntime.InferenceSession(tiny[1])
    assert {i.name: i.shape for i in session.get_inputs()} == {
        "template_rgb": [1, 3, 64, 64],
        "template_tir": [1, 3, 64, 64],
        "search_rgb": [1, 3, 128, 128],
        "search_tir": [1, 3, 128, 128],
        "template_box": [1, 4],
    }
    assert {o.name: o.shape for o in session.get_outputs()} == {
        "score_map": [1, 1, 16, 16],
        "size_map": [1, 2, 16, 16],
        "offset_map": [1, 2, 16, 16],
    }


def test_metadata_says_how_to_feed_the_model(tiny):
    found = onnxruntime.InferenceSession(tiny[1]).get_modelmeta().custom_metadata_map
    assert json.loads(found.pop("training")) == {"steps": 7}
    assert found == {
        "preset": "tinyvit-mce",
        "opset": "18",
        "precision": "fp32",
        "weights": "fp16",
        "template_size": "64",
        "search_size": "128",
        "template_factor": "2.0",
        "search_factor": "4.0",
        "stretched": "no",
        "border": "0.0",
        "mean": "0.485,0.456,0.406",
        "std": "0.229,0.224,0.225",
    }
    assert onnx.load(tiny[1]).opset_import[0].version == 18


def test_every_matrix_of_an_exported_transformer_becomes_int8(tiny, tmp_path):
    quantise_onnx(tiny[1], tmp_path / "int8.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert kinds.count("MatMulInteger") == 2 * preset("tinyvit-mce").depth * 4 and "Gemm" not in kinds


def test_a_model_that_differs_is_refused(tiny):
    torch.manual_seed(5)
    with pytest.raises(ValueError, match="differs from the network by"):
        check_export(CKDStudent(preset("tinyvit-mce")), tiny[1])
