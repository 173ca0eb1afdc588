"""The engine reads what a model says about itself, refuses other networks, and reports what it runs on."""

import logging
import threading

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from ckd_ros import files
from ckd_ros.tracking import OnnxEngine, default_model, suited_model
from ckd_ros.tracking.engine import factory
from ckd_ros.tracking.engine import onnx_engine as engine_module
from ckd_ros.tracking.engine.shipped import model_file


def inputs_of(spec, seed=0):
    rng = np.random.default_rng(seed)
    names = ["template_rgb", "template_tir", "search_rgb", "search_tir", *["template_box"] * spec.uses_box]
    return {name: rng.random(spec.shape(name), np.float32) for name in names}


def test_the_model_says_how_to_feed_it(engine):
    spec = engine.spec
    assert (spec.preset, spec.opset, spec.template_size, spec.search_size) == ("correlation", "17", 64, 128)
    assert (spec.template_factor, spec.search_factor, spec.uses_box) == (2.0, 4.0, True)
    assert spec.normalisation.mean == (0.485, 0.456, 0.406) and spec.normalisation.std == (0.229, 0.224, 0.225)
    assert spec.training == {"samples": 0}
    assert engine.grid == 16


def test_a_run_gives_the_three_maps(engine):
    score, size, offset, _ = engine.run(inputs_of(engine.spec))
    assert score.shape == (16, 16) and size.shape == (2, 16, 16) and offset.shape == (2, 16, 16)
    assert np.all((score > 0) & (score < 1))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shipped", [True, False])
def test_several_passes_give_what_each_gives_alone(model_path, threads, shipped):
    engine = OnnxEngine(model_file("tiny") if shipped else model_path, ["cpu"], threads=threads, targets=3)
    asked = [inputs_of(engine.spec, seed) for seed in range(5)]
    for one, maps in zip(asked, engine.run_many(asked), strict=True):
        for found, alone in zip(maps[:3], engine.run(one)[:3], strict=True):
            np.testing.assert_allclose(found, alone, rtol=1e-3, atol=1e-4)


def test_threads_end_with_the_engine(model_path):
    before = set(threading.enumerate())
    engine = OnnxEngine(model_path, ["cpu"], threads=2, targets=2)
    engine.run_many([inputs_of(engine.spec)] * 2)
    threads = set(threading.enumerate()) - before
    assert threads
    del engine
    for one in threads:
        one.join(5)
        assert not one.is_alive()


def test_the_report_names_provider_model_and_threads(model_path):
    engine = OnnxEngine(model_path, threads=1)
    assert engine.provider == "CPUExecutionProvider" or engine.provider in ort.get_available_providers()
    assert engine.provider in engine.describe() and "correlation" in engine.describe()
    cpu = OnnxEngine(model_path, providers=["cpu"], threads=2)
    assert cpu.provider == "CPUExecutionProvider" and "2 threads" in cpu.describe()


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_a_provider_that_is_not_installed_is_left_out_with_a_warning(model_path, caplog):
    with caplog.at_level(logging.WARNING):
        engine = OnnxEngine(model_path, providers=["cuda"], threads=1)
    assert engine.provider == "CPUExecutionProvider"
    assert "CUDAExecutionProvider" in caplog.text and "onnxruntime-gpu" in caplog.text
    assert "CUDAExecutionProvider" in engine.describe()


def test_a_gpu_build_hidden_by_the_other_is_reported_with_the_remedy(model_path, monkeypatch):
    monkeypatch.setattr(engine_module, "_has_gpu_build", lambda: True)
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "pip uninstall -y onnxruntime" in OnnxEngine(model_path).describe()


def test_on_a_machine_without_gpu_the_default_is_the_cpu_without_complaint(model_path, caplog, monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with caplog.at_level(logging.WARNING):
        assert OnnxEngine(model_path, threads=1).provider == "CPUExecutionProvider"
    assert not caplog.text


class FakeHardware:
    """ONNX Runtime as on a machine with GPU providers, of which some raise and some are dropped in silence."""

    def __init__(self, monkeypatch, raises=(), silent=()):
        self.opened = []
        real = ort.InferenceSession

        def session(path, options, providers):
            names = [name for name, _ in providers]
            self.opened.append(providers)
            for name in raises:
                if name in names:
                    raise RuntimeError(f"{name}: libcudnn.so.9 not found")
            made = real(path, options, providers=["CPUExecutionProvider"])
            active = [name for name in names if name not in silent]
            made.get_providers = lambda: active
            return made

        monkeypatch.setattr(ort, "get_available_providers", lambda: list(engine_module.PROVIDERS.values()))
        monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)
        monkeypatch.setattr(ort, "InferenceSession", session)


def test_tensorrt_comes_first_with_fp16_and_an_engine_cache(model_path, tmp_path, monkeypatch):
    hardware = FakeHardware(monkeypatch)
    engine = OnnxEngine(model_path, cache_dir=tmp_path / "cache", threads=1)
    assert engine.provider == "TensorrtExecutionProvider"
    assert [name for name, _ in hardware.opened[0]] == list(engine_module.PROVIDERS.values())
    options = hardware.opened[0][0][1]
    assert options["trt_fp16_enable"] == "1" and options["trt_engine_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == str(tmp_path / "cache") and (tmp_path / "cache").is_dir()


def test_providers_keep_the_order_asked_for_and_the_cpu_remains(model_path, monkeypatch):
    hardware = FakeHardware(monkeypatch)
    OnnxEngine(model_path, providers=["CUDAExecutionProvider", "cpu"], threads=1)
    assert [name for name, _ in hardware.opened[0]] == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_a_provider_that_fails_to_load_falls_to_the_next(model_path, tmp_path, monkeypatch, caplog):
    FakeHardware(monkeypatch, raises=["TensorrtExecutionProvider"])
    engine = OnnxEngine(model_path, cache_dir=tmp_path, threads=1)
    assert engine.provider == "CUDAExecutionProvider"
    assert "TensorrtExecutionProvider failed to load" in caplog.text and "libcudnn" in engine.describe()


def test_a_provider_that_onnx_runtime_drops_in_silence_is_reported(model_path, tmp_path, monkeypatch, caplog):
    FakeHardware(monkeypatch, silent=["TensorrtExecutionProvider", "CUDAExecutionProvider"])
    engine = OnnxEngine(model_path, cache_dir=tmp_path, threads=1)
    assert engine.provider == "CPUExecutionProvider"
    assert caplog.text.count("failed to load") == 2


def test_an_unknown_provider_is_refused(model_path):
    with pytest.raises(ValueError, match="unknown provider 'openvino'.*tensorrt, cuda, cpu"):
        OnnxEngine(model_path, providers=["openvino"])


def test_no_threads_are_refused(model_path):
    with pytest.raises(ValueError, match="threads is 0"):
        OnnxEngine(model_path, threads=0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.onnx"):
        OnnxEngine(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("content", [b"", b"this is no model", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="broken.onnx .*(empty|ONNX)"):
        OnnxEngine(path)


def test_a_truncated_model_is_refused(model_path, tmp_path):
    path = tmp_path / "half.onnx"
    data = model_path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="half.onnx cannot be loaded"):
        OnnxEngine(path)


def test_missing_metadata_is_named(save_model, metadata):
    del metadata["search_factor"], metadata["std"]
    with pytest.raises(ValueError, match="lacks the metadata search_factor, std.*ckd export"):
        OnnxEngine(save_model(metadata=metadata))


@pytest.mark.parametrize(("key", "value"), [("mean", "0.4,0.5"), ("template_size", "big"), ("training", "{broken")])
def test_unreadable_metadata_is_refused(save_model, metadata, key, value):
    with pytest.raises(ValueError, match="unreadable metadata"):
        OnnxEngine(save_model(metadata={**metadata, key: value}))


def test_metadata_that_contradicts_the_inputs_is_refused(save_model, metadata):
    with pytest.raises(ValueError, match=r"search_rgb as .*128.*asks for .*256"):
        OnnxEngine(save_model(metadata={**metadata, "search_size": "256"}))


def test_another_network_is_refused(tmp_path, metadata):
    value = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    result = onnx.helper.make_tensor_value_info("class", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    node = onnx.helper.make_node("Identity", ["image"], ["class"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [value], [result]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, tmp_path / "classifier.onnx")
    with pytest.raises(ValueError, match="not a tracking network.*image.*template_rgb"):
        OnnxEngine(tmp_path / "classifier.onnx")


def test_maps_of_the_wrong_shape_are_refused(save_model):
    def drop_a_channel(model):
        node = next(n for n in model.graph.node if n.output[0] == "offset_map")
        node.input[0] = "score_map"
        next(o for o in model.graph.output if o.name == "offset_map").type.tensor_type.shape.dim[1].dim_value = 1

    with pytest.raises(ValueError, match=r"gives maps of .*\(1, 16, 16\).*expected"):
        OnnxEngine(save_model(drop_a_channel))


def installed_at(root, monkeypatch):
    """Pretend that the package lies in `root`."""
    package = root / "ckd_ros"
    package.mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(package / "files.py"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


@pytest.mark.parametrize(
    ("package", "model"),
    [
        ("src", "src/models"),  # source tree
        ("site-packages", "site-packages/ckd_ros/models"),  # pip
        ("install/lib/python3.11/site-packages", "install/share/ckd_ros/models"),  # colcon
        ("install/local/lib/python3.10/dist-packages", "install/share/ckd_ros/models"),  # colcon on Ubuntu
    ],
)
def test_the_shipped_model_is_found_however_the_package_is_installed(tmp_path, monkeypatch, package, model):
    installed_at(tmp_path / package, monkeypatch)
    (tmp_path / model).mkdir(parents=True, exist_ok=True)
    (tmp_path / model / "tiny.onnx").write_bytes(b"model")
    assert default_model() == tmp_path / model / "tiny.onnx"


def test_the_shipped_model_is_found_through_the_sourced_workspace(tmp_path, monkeypatch):
    installed_at(tmp_path / "elsewhere", monkeypatch)
    folder = tmp_path / "workspace" / "share" / "ckd_ros" / "models"
    folder.mkdir(parents=True)
    (folder / "tiny.onnx").write_bytes(b"model")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'workspace'}")
    assert default_model() == folder / "tiny.onnx"


def test_without_a_shipped_model_the_places_are_listed(tmp_path, monkeypatch):
    installed_at(tmp_path / "empty", monkeypatch)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    with pytest.raises(FileNotFoundError, match="empty/models.*name a model file"):
        default_model()


@pytest.mark.parametrize(
    "multiplies, present, providers, chosen",
    [
        (True, ["CPUExecutionProvider"], None, "tiny-int8.onnx"),
        (True, ["CUDAExecutionProvider", "CPUExecutionProvider"], ["cpu"], "tiny-int8.onnx"),
        (True, ["CUDAExecutionProvider", "CPUExecutionProvider"], None, "tiny.onnx"),
        (False, ["CPUExecutionProvider"], None, "tiny.onnx"),
    ],
)
def test_the_shipped_model_suits_the_machine(monkeypatch, multiplies, present, providers, chosen):
    monkeypatch.setattr(factory, "multiplies_bytes", lambda: multiplies)
    monkeypatch.setattr(ort, "get_available_providers", lambda: present)
    assert suited_model(providers) == default_model().with_name(chosen)


def test_without_the_int8_file_the_other_is_taken(tmp_path, monkeypatch):
    installed_at(tmp_path / "package", monkeypatch)
    (tmp_path / "package" / "models").mkdir()
    (tmp_path / "package" / "models" / "tiny.onnx").write_bytes(b"model")
    monkeypatch.setattr(factory, "multiplies_bytes", lambda: True)
    assert suited_model(["cpu"]).name == "tiny.onnx"
