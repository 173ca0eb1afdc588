"""A Siamese student's file: templates are encoded once, and frames give what the student gives."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from students import coupled, lively_siamese

from ckd_ros.network.export import check_export, example_inputs, export_onnx, input_names
from ckd_ros.network.quantise import quantise_onnx
from ckd_ros.network.siamese_config import SiameseConfig

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ckd_ros.tracking import OnnxEngine

SMALL = SiameseConfig("small", template_size=64, search_size=96, elimination="multimodal")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    student = lively_siamese(SMALL)
    path = tmp_path_factory.mktemp("export") / "siamese.onnx"
    export_onnx(student, path, {"steps": 7})
    return student, path


def crops(seed):
    return {n: x.numpy() for n, x in zip(input_names(SMALL), example_inputs(SMALL, seed), strict=True)}


def expected(student, inputs):
    with torch.no_grad():
        maps = student(**{name: torch.from_numpy(x) for name, x in inputs.items()}).prediction
    return [x[0].numpy() for x in (maps.score_map[0], maps.size_map, maps.offset_map)]


def test_onnx_runtime_agrees(exported):
    assert check_export(*exported) <= 1e-4


def test_a_model_that_differs_is_refused(tmp_path):
    student = coupled(replace(SMALL, template_size=128))
    export_onnx(student, tmp_path / "student.onnx")
    assert check_export(student, tmp_path / "student.onnx") <= 1e-4
    with pytest.raises(ValueError, match="differs from the network by"):  # elimination is in the file
        check_export(coupled(replace(student.config, elimination=None)), tmp_path / "student.onnx")


def test_the_file_says_how_to_feed_it(exported):
    session = onnxruntime.InferenceSession(exported[1], providers=["CPUExecutionProvider"])
    found = session.get_modelmeta().custom_metadata_map
    shapes = {i.name: i.shape for i in session.get_inputs()}
    assert shapes["search_rgb"] == shapes["search_tir"] == ["targets", 3, "side", "side"]
    assert shapes["template_features_rgb"] == ["targets", 256, 4, 4] and shapes["seen"] == ["targets", 2]
    assert (found["preset"], found["template_factor"], found["search_factor"]) == ("small", "1.4", "4.375")
    assert found["stretched"] == "yes" and float(found["border"]) == pytest.approx(0.4490, abs=1e-4)
    assert json.loads(found["training"]) == {"steps": 7}


def test_kernels_stay_float32_and_the_file_does_not_say_otherwise(exported):
    model = onnx.load(exported[1])
    assert onnx.TensorProto.FLOAT16 not in {tensor.data_type for tensor in model.graph.initializer}
    assert "weights" not in {entry.key for entry in model.metadata_props}


def test_the_engine_gives_the_students_maps_for_every_target_and_camera(exported):
    student, path = exported
    engine, absent = OnnxEngine(path, ["cpu"], threads=1), np.zeros_like
    first, second = crops(1), crops(2)
    without = {n: absent(x) if n.endswith("rgb") else x for n, x in first.items()}
    blind = {**first, "search_tir": absent(first["search_tir"])}
    for inputs in (first, without, first, blind, second):
        for found, truth in zip(engine.run(inputs)[:3], expected(student, inputs), strict=True):
            assert np.allclose(found, truth, atol=1e-4)


@pytest.mark.parametrize("gpu", [False, True])
def test_several_targets_are_answered_as_each_would_be(exported, gpu, monkeypatch):
    if gpu:  # what is done there, done here: a batch of always the same size
        monkeypatch.setattr(OnnxEngine, "provider", "CUDAExecutionProvider")
    engine = OnnxEngine(exported[1], ["cpu"], threads=1, targets=3)
    sizes, real = [], onnxruntime.InferenceSession.run
    monkeypatch.setattr(
        onnxruntime.InferenceSession,
        "run",
        lambda s, names, feed: sizes.append(len(feed["seen"])) or real(s, names, feed),
    )
    inputs = [crops(seed) for seed in range(1, 6)]
    inputs[1]["search_rgb"][:] = 0  # one of them has no colour image
    for _ in range(2):
        for found, one in zip(engine.run_many(inputs), inputs, strict=True):
            for a, b in zip(found[:3], expected(exported[0], one), strict=True):
                assert np.allclose(a, b, atol=1e-4)
    assert (3 in sizes) == gpu


def test_the_templates_of_each_target_are_encoded_once(exported, monkeypatch):
    engine, runs = OnnxEngine(exported[1], ["cpu"], threads=1, targets=2), []
    real = onnxruntime.InferenceSession.run
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "run", lambda s, names, feed: runs.append(names) or real(s, names, feed)
    )
    for _ in range(3):
        engine.run_many([crops(1), crops(2)])
    assert len(runs) == 2 + 6  # the templates of both, and three frames of each


def test_a_template_that_is_overwritten_is_encoded_again(exported):
    student, path = exported
    engine, inputs = OnnxEngine(path, ["cpu"], threads=1), crops(1)
    engine.run(inputs)
    inputs["template_tir"][:] = crops(2)["template_tir"]
    assert np.allclose(engine.run(inputs)[0], expected(student, inputs)[0], atol=1e-4)


def test_templates_are_encoded_once(exported, monkeypatch):
    engine, runs = OnnxEngine(exported[1], ["cpu"], threads=1), []
    real = onnxruntime.InferenceSession.run
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "run", lambda s, names, feed: runs.append(names) or real(s, names, feed)
    )
    inputs = crops(1)
    for _ in range(3):
        engine.run(inputs)
    assert len(runs) == 4  # the templates, and three frames


@pytest.fixture(scope="module")
def int8(exported, tmp_path_factory):
    engine, path = OnnxEngine(exported[1], ["cpu"], threads=1), tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantise_onnx(exported[1], path, (engine.graph_inputs(crops(seed)) for seed in range(3)))
    return path


def test_convolutions_become_int8_except_for_the_maps(exported, int8):
    graph = onnx.load(int8).graph
    kernels = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 4}
    floats = [kernels[node.input[1]] for node in graph.node if node.op_type == "Conv" and node.input[1] in kernels]
    # each branch's last separable convolutions of both towers, and the four layers of the gate
    assert sorted(tensor.dims[0] for tensor in floats) == [1, 1, 4, 4, 7, 64, 64, 64, 256, 256, 256, 256]
    assert sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in kernels.values()) > 100
    assert int8.stat().st_size < 0.35 * exported[1].stat().st_size


def test_the_int8_file_gives_nearly_the_same_maps_from_the_same_inputs(exported, int8):
    fp32, quantised = (OnnxEngine(path, ["cpu"], threads=1) for path in (exported[1], int8))
    assert quantised.spec == replace(fp32.spec, precision="int8")
    for found, truth in zip(quantised.run(crops(5))[:3], fp32.run(crops(5))[:3], strict=True):
        assert 0 < np.abs(found - truth).mean() < 0.1 * np.abs(truth).mean()


def test_a_siamese_file_is_not_quantised_blindly(exported, tmp_path):
    with pytest.raises(ValueError, match="siamese.onnx is a Siamese network: it needs inputs to be calibrated on"):
        quantise_onnx(exported[1], tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
