"""An exported Siamese student: ONNX Runtime computes the same, and the file says how to feed it."""

import dataclasses

import pytest
import torch
from students import coupled

from ckd_ros.network.export import check_export, export_onnx
from ckd_ros.network.presets import preset
from ckd_ros.network.quantise import quantise_onnx
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import SiameseStudent

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_onnx_runtime_agrees(siamese):
    assert check_export(*siamese) <= 1e-4


def test_onnx_runtime_agrees_with_elimination(tmp_path):
    student = coupled(SiameseConfig("small", search_size=96, elimination="multimodal"))
    export_onnx(student, tmp_path / "student.onnx")
    assert check_export(student, tmp_path / "student.onnx") <= 1e-4
    whole = coupled(dataclasses.replace(student.config, elimination=None))
    with pytest.raises(ValueError, match="differs from the network by"):  # elimination is in the file
        check_export(whole, tmp_path / "student.onnx")


def test_a_model_that_differs_is_refused(siamese):
    torch.manual_seed(5)
    with pytest.raises(ValueError, match="differs from the network by"):
        check_export(SiameseStudent(preset("tiny")), siamese[1])


def test_inputs_and_outputs_have_fixed_shapes_and_metadata_says_how_to_feed_them(siamese):
    session = onnxruntime.InferenceSession(siamese[1])
    assert {i.name: i.shape for i in session.get_inputs()} == {
        "template_rgb": [1, 3, 128, 128],
        "template_tir": [1, 3, 128, 128],
        "search_rgb": [1, 3, 224, 224],
        "search_tir": [1, 3, 224, 224],
    }
    assert {o.name: o.shape for o in session.get_outputs()} == {
        "score_map": [1, 1, 14, 14],
        "size_map": [1, 2, 14, 14],
        "offset_map": [1, 2, 14, 14],
    }
    found = session.get_modelmeta().custom_metadata_map
    assert (found["preset"], found["template_factor"], found["search_factor"]) == ("tiny", "1.4", "4.375")
    assert found["stretched"] == "yes" and float(found["border"]) == pytest.approx(0.4490, abs=1e-4)


def test_kernels_stay_float32_and_the_file_does_not_say_otherwise(siamese):
    model = onnx.load(siamese[1])
    assert onnx.TensorProto.FLOAT16 not in {tensor.data_type for tensor in model.graph.initializer}
    assert "weights" not in {entry.key for entry in model.metadata_props}


def test_a_network_without_matrices_is_not_quantised(siamese, tmp_path):
    with pytest.raises(ValueError, match="tiny.onnx has no matrix product with constant weights"):
        quantise_onnx(siamese[1], tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
