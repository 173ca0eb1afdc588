"""A checkpoint tracks without being exported: the same maps and the same track, whatever kind of file was trained."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from small_network import CONFIG
from students import coupled, lively, side_by_side

from ckd_ros.evaluation.one_pass import one_pass
from ckd_ros.evaluation.trackers.spec import parse_tracker
from ckd_ros.geometry import iou
from ckd_ros.network.checkpoint import save_checkpoint
from ckd_ros.network.export import example_inputs, export_onnx, input_names
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.student import SingleModalityTracker
from ckd_ros.tracking import OnnxEngine, Tracker, open_engine


@pytest.fixture(scope="module")
def student():
    return lively(CONFIG)


@pytest.fixture(scope="module")
def inputs():
    return {n: x.numpy() for n, x in zip(input_names(CONFIG), example_inputs(CONFIG), strict=True)}


@pytest.fixture
def checkpoint(student, tmp_path):
    save_checkpoint(tmp_path / "student.safetensors", student.state_dict(), CONFIG, {"steps": 7})
    return tmp_path / "student.safetensors"


def pairs(scene, count=4):
    return [scene((100.0 + 3 * k, 100.0)) for k in range(count)]


def test_a_checkpoint_answers_as_its_exported_file(student, checkpoint, inputs, tmp_path):
    pytest.importorskip("onnx")
    export_onnx(student, tmp_path / "student.onnx")
    ours, exported = open_engine(checkpoint), open_engine(tmp_path / "student.onnx", ["cpu"])
    assert isinstance(exported, OnnxEngine) and not isinstance(ours, OnnxEngine)
    for found, expected in zip(ours.run(inputs)[:3], exported.run(inputs)[:3], strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert ours.grid == exported.grid
    for name in ("template_size", "search_size", "template_factor", "search_factor", "uses_box", "normalisation"):
        assert getattr(ours.spec, name) == getattr(exported.spec, name)


def test_it_says_what_it_is(checkpoint):
    engine = open_engine(checkpoint, ["tensorrt", "cpu"])
    assert (engine.provider, engine.spec.preset, engine.spec.training) == ("PyTorch on cpu", "t", {"steps": 7})
    assert "preset t (template 32 px, search 64 px, fp32) in PyTorch on cpu" in engine.describe()


def test_of_a_checkpoint_with_teachers_the_student_tracks(student, checkpoint, inputs, tmp_path):
    extra = {f"teacher_{m}.norm.weight": torch.zeros(3) for m in ("rgb", "tir")}
    save_checkpoint(tmp_path / "distil.safetensors", student.state_dict() | extra, CONFIG)
    for found, expected in zip(
        open_engine(tmp_path / "distil.safetensors").run(inputs), open_engine(checkpoint).run(inputs), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_tracker_of_one_modality_answers_with_the_mean_of_those_that_are_there(inputs, tmp_path):
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "one.safetensors", SingleModalityTracker(CONFIG).state_dict(), CONFIG)
    engine = open_engine(tmp_path / "one.safetensors")
    alone = [
        engine.run({name: x * (modality in name or name == "template_box") for name, x in inputs.items()})[0]
        for modality in ("rgb", "tir")
    ]
    assert np.abs(alone[0] - alone[1]).max() > 1e-6
    np.testing.assert_allclose(engine.run(inputs)[0], np.mean(alone, axis=0), rtol=1e-5)


def test_the_tracker_runs_on_it_as_on_an_exported_file(student, checkpoint, scene, tmp_path):
    pytest.importorskip("onnx")
    export_onnx(student, tmp_path / "student.onnx")
    box = scene.box((100.0, 100.0))
    tracks = []
    for file in (checkpoint, tmp_path / "student.onnx"):
        tracker = Tracker(open_engine(file, ["cpu"], threads=1))
        tracker.init(pairs(scene)[0], box)
        tracks.append([tracker.update(pair).box for pair in pairs(scene)[1:]])
    np.testing.assert_allclose(tracks[0], tracks[1], atol=0.05)


def test_it_is_a_tracker_to_be_evaluated(checkpoint, scene):
    spec = parse_tracker(f"ckd:model={checkpoint},modality=thermal")
    assert spec.label == "student-thermal"
    done = one_pass(spec.make(), pairs(scene), 4, scene.box((100.0, 100.0)))
    assert not done.faults and np.isfinite(done.boxes).all()
    settings = spec.settings()
    assert (settings["provider"], settings["preset"]) == ("PyTorch on cpu", "t")
    assert settings["versions"]["torch"] and "onnxruntime" not in settings["versions"]


def test_what_cannot_be_opened_is_named(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"student.pth' is not a network: expected a file that ends in .onnx or"):
        open_engine(tmp_path / "student.pth")
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        open_engine(tmp_path / "nowhere.safetensors")
    (tmp_path / "empty.safetensors").touch()
    with pytest.raises(ValueError, match="empty.safetensors is not a safetensors file"):
        open_engine(tmp_path / "empty.safetensors")
    with pytest.raises(ValueError, match="runs on cpu or cuda"):
        parse_tracker(f"ckd:model={checkpoint},provider=tensorrt")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="this PyTorch sees no GPU"):
            open_engine(checkpoint, ["cuda"])


def test_a_siamese_checkpoint_tracks_as_its_exported_file(scene, tmp_path):
    pytest.importorskip("onnx")
    student = coupled(SiameseConfig("s", search_size=160))
    save_checkpoint(tmp_path / "student.safetensors", student.state_dict(), student.config)
    export_onnx(student, tmp_path / "student.onnx")
    engines = [open_engine(tmp_path / f"student.{kind}", ["cpu"], threads=1) for kind in ("safetensors", "onnx")]
    for engine in engines:
        assert engine.spec.stretched and engine.spec.border == pytest.approx(0.449, abs=1e-3)
        assert engine.grid == 10 and not engine.spec.uses_box
    tracks = []
    for engine in engines:
        tracker = Tracker(engine)
        tracker.init(pairs(scene)[0], scene.box((100.0, 100.0)))
        tracks.append([tracker.update(pair).box for pair in pairs(scene)[1:]])
    np.testing.assert_allclose(tracks[0], tracks[1], atol=0.05)


def test_a_fresh_siamese_student_follows_a_target_with_either_camera_alone(scene, tmp_path):
    """Its branches were trained on colour images; the thermal one is shown as grey."""
    student = side_by_side(preset("tiny"))
    save_checkpoint(tmp_path / "student.safetensors", student.state_dict(), student.config)
    engine = open_engine(tmp_path / "student.safetensors")
    places = [(100.0 + 4 * k, 100.0 + 2 * k) for k in range(6)]
    for cameras in ({}, {"thermal": False}, {"rgb": False}):
        tracker = Tracker(engine)
        view = [scene(place, **cameras) for place in places]
        scale = 0.5 if cameras == {"rgb": False} else 1.0  # boxes are in pixels of the thermal image then
        tracker.init(view[0], scene.box(places[0]) * scale)
        result = [tracker.update(pair) for pair in view[1:]][-1]
        assert iou(result.box, scene.box(places[-1]) * scale) > 0.6, cameras
