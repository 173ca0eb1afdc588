"""Networks by name, wherever one is named."""

import pytest

pytest.importorskip("onnxruntime")
from ckd_ros.tracking import default_model
from ckd_ros.tracking.engine import chosen_model, model_file, open_engine_on, suited_model


def test_a_name_is_a_shipped_network_and_a_path_a_file(tmp_path, monkeypatch, model_path):
    assert model_file("tiny-int8") == default_model().with_name("tiny-int8.onnx")
    assert model_file(model_path) == chosen_model(str(model_path)) == model_path
    assert chosen_model("") == chosen_model(None) == suited_model()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert model_file("tiny") == default_model(), "a folder that happens to have this name is no network"


def test_what_is_no_network_is_answered_with_those_there_are(tmp_path):
    (tmp_path / "notes.txt").write_text("no network")
    for name, reason in (
        ("tiny-in8", "no model 'tiny-in8': did you mean 'tiny-int8'"),
        ("nowhere.onnx", "no model 'nowhere.onnx': expected one of the shipped networks .*tiny-open"),
        (tmp_path / "notes.txt", "notes.txt' is not a model: .*an .onnx file or a .safetensors checkpoint"),
        (tmp_path, "is not a model"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=reason):
            model_file(name)


def test_another_provider_than_the_one_asked_for_is_an_error(model_path):
    import onnxruntime

    assert open_engine_on(model_path, "cpu").provider == "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(ValueError, match="no provider 'cuda': install the extra `gpu`, or use cpu"):
            open_engine_on(model_path, "cuda")
