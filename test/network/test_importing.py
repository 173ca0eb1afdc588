"""Import: the files the paper starts from and leaves behind become weights of this package, or are refused by name."""

import collections
import dataclasses
import sys
import types
from collections import Counter
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_network import CONFIG

from ckd_ros.network import importing
from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, load_weights
from ckd_ros.network.importing import expected_tensors, import_checkpoint, read_foreign, resize_positions
from ckd_ros.network.presets import preset
from ckd_ros.network.student import CKDStudent, SingleModalityTracker


def written(path, content):
    torch.save(content, path)
    return path


def student(seed=0):
    torch.manual_seed(seed)
    return CKDStudent(CONFIG).eval()


def tracker(seed=0):
    torch.manual_seed(seed)
    return SingleModalityTracker(CONFIG).eval()


def training_state():
    """Four branches and three heads by the authors' names."""
    state = dict(student().state_dict())
    for k, modality in enumerate(("rgb", "tir")):
        teacher = tracker(k + 1)
        state |= {f"teacher_{modality}.{name}": value for name, value in teacher.backbone.state_dict().items()}
        state |= {f"box_head_{'vi'[k]}.{name}": value for name, value in teacher.box_head.state_dict().items()}
    return state


def crops(*sizes):
    torch.manual_seed(9)
    return [torch.randn(2, 3, size, size) for size in sizes]


def test_an_imported_student_computes_what_it_computed(tmp_path):
    model = student()
    found = read_foreign(written(tmp_path / "ckd.pth.tar", {"net": model.state_dict(), "epoch": 10}), CONFIG)
    assert (found.kind, found.record) == ("student", {"kind": "student", "source": "ckd.pth.tar"})
    other = CKDStudent(CONFIG).eval()
    load_weights(other, found.state)
    with torch.no_grad():
        for a, b in zip(*(net(*crops(32, 32, 64, 64)).prediction for net in (model, other)), strict=True):
            assert torch.equal(a, b)


def test_import_writes_weights_and_network_with_their_origin(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    source = written(tmp_path / "ckd.pth", {"net": training_state()})
    files = import_checkpoint(source, CONFIG, tmp_path / "out")
    assert files == [tmp_path / "out" / "model.safetensors", tmp_path / "out" / "model.onnx"]
    state, config, record = load_checkpoint(files[0])
    assert (config, record) == (CONFIG, {"kind": "distillation", "source": "ckd.pth"})
    assert state.keys() == training_state().keys()
    assert all(torch.equal(value, state[name]) for name, value in training_state().items())
    session = onnxruntime.InferenceSession(files[1], providers=["CPUExecutionProvider"])
    inputs = crops(32, 32, 64, 64)
    with torch.no_grad():
        expected = student()(*(x[:1] for x in inputs)).prediction.score_map
    named = {i.name: x[:1].numpy() for i, x in zip(session.get_inputs(), inputs, strict=True)}
    torch.testing.assert_close(torch.from_numpy(session.run(["score_map"], named)[0]), expected, atol=1e-5, rtol=0)


def test_a_failed_import_leaves_nothing_and_a_used_folder_is_left_alone(tmp_path, monkeypatch):
    source = written(tmp_path / "ckd.pth", {"net": student().state_dict()})

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "export_onnx", full_disk)
    with pytest.raises(OSError, match="No space"):
        import_checkpoint(source, CONFIG, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["ckd.pth"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ValueError, match="mine' is in use"):
        import_checkpoint(source, CONFIG, tmp_path / "mine")


def test_a_single_modality_tracker_gives_weights_and_no_network_for_two(tmp_path):
    source = written(tmp_path / "ostrack.pth", {"net": tracker().state_dict()})
    assert import_checkpoint(source, CONFIG, tmp_path / "out") == [tmp_path / "out" / "model.safetensors"]
    state, _, record = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert record == {"kind": "single", "source": "ostrack.pth"}
    load_weights(SingleModalityTracker(CONFIG), state)


def test_position_embeddings_of_another_grid_are_resized_and_frames_told_apart(tmp_path):
    """DropTrack at 384 pixels: larger grids, and a learned vector for each of the two crops."""
    state = dict(tracker().state_dict())
    large = {crop: torch.randn(1, side**2, 12) for crop, side in (("z", 3), ("x", 6))}
    frame = {crop: torch.randn(1, 1, 12) for crop in "zx"}
    for crop in "zx":
        state[f"backbone.pos_embed_{crop}"] = large[crop]
        state[f"backbone.temporal_pos_embed_{crop}"] = frame[crop]
    found = read_foreign(written(tmp_path / "droptrack.pth", {"net": state}), CONFIG).state
    for crop, side, grid in (("z", 3, 2), ("x", 6, 4)):
        square = large[crop].reshape(1, side, side, 12).permute(0, 3, 1, 2)
        resized = F.interpolate(square, size=grid, mode="bicubic").permute(0, 2, 3, 1).reshape(1, grid**2, 12)
        torch.testing.assert_close(found[f"backbone.pos_embed_{crop}"], resized + frame[crop])
    assert not any("temporal" in name for name in found)


def test_fitting_position_embeddings_stay_as_they_are(tmp_path):
    found = read_foreign(written(tmp_path / "a.pth", {"net": tracker().state_dict()}), CONFIG).state
    assert torch.equal(found["backbone.pos_embed_x"], tracker().backbone.pos_embed_x)


def test_a_resized_embedding_keeps_its_orientation():
    rows = torch.arange(4.0).repeat_interleave(4).reshape(1, 16, 1)
    resized = resize_positions(rows, 8).reshape(8, 8)
    assert (resized.diff(dim=0) > -1e-6).all() and resized[7, 0] - resized[0, 0] > 2.5
    torch.testing.assert_close(resized[:, :1].expand(8, 8), resized)


def vision_transformer():
    state = {name: v for name, v in tracker().backbone.state_dict().items() if "pos_embed" not in name}
    return state | {"pos_embed": torch.randn(1, 197, 12)}


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"head.weight": torch.zeros(10, 12), "head.bias": torch.zeros(10)},
        {
            "temporal_pos_embed_x": torch.ones(1, 1, 12),
            "temporal_pos_embed_z": torch.ones(1, 1, 12),
            "mask_token": torch.ones(1),
        },
    ],
    ids=["masked autoencoder", "classifier", "DropMAE"],
)
def test_a_plain_vision_transformer_becomes_a_tracker_with_a_new_head(tmp_path, beside):
    state = vision_transformer()
    found = read_foreign(written(tmp_path / "mae.pth", {"model": state | beside}), CONFIG)
    assert found.record == {"kind": "single", "source": "mae.pth", "head": "random"}
    load_weights(SingleModalityTracker(CONFIG), found.state)
    expected = resize_positions(state["pos_embed"][:, 1:], 4) + beside.get("temporal_pos_embed_x", 0)
    torch.testing.assert_close(found.state["backbone.pos_embed_x"], expected)
    again = read_foreign(tmp_path / "mae.pth", CONFIG)
    assert all(torch.equal(value, again.state[name]) for name, value in found.state.items())


def test_a_shared_student_is_taken_once_and_two_students_are_not_taken_for_one(tmp_path):
    state = dict(student().state_dict())
    twins = state | {n.replace("rgb_", "tir_"): v for n, v in state.items() if n.startswith("rgb_branch.")}
    shared = dataclasses.replace(CONFIG, shared=True)
    found = read_foreign(written(tmp_path / "shared.pth", {"net": twins}), shared)
    load_weights(CKDStudent(shared), found.state)
    with pytest.raises(CheckpointError, match="two different students .tir_branch"):
        read_foreign(written(tmp_path / "two.pth", {"net": state}), shared)


def test_what_does_not_fit_is_listed_by_name_and_shape(tmp_path):
    state = training_state()
    del state["teacher_tir.norm.weight"], state["box_head.conv1_ctr.0.bias"]
    state["rgb_branch.extra"] = torch.zeros(1)
    state["box_head_v.conv1_ctr.0.weight"] = torch.zeros(8, 24, 3, 3)
    with pytest.raises(CheckpointError) as refusal:
        read_foreign(written(tmp_path / "ckd.pth", {"net": state}), CONFIG)
    for part in (
        "distillation of preset 't'",
        "2 missing: box_head.conv1_ctr.0.bias, teacher_tir.norm.weight",
        "1 unexpected: rgb_branch.extra",
        "box_head_v.conv1_ctr.0.weight is (8, 24, 3, 3), should be (8, 12, 3, 3)",
    ):
        assert part in str(refusal.value)


def test_other_networks_and_presets_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no known network.*resnet"):
        read_foreign(written(tmp_path / "other.pth", {"model": {"resnet.conv.weight": torch.zeros(1)}}), CONFIG)
    with pytest.raises(CheckpointError, match="'net'.*epoch"):
        read_foreign(written(tmp_path / "empty.pth", {"epoch": 3}), CONFIG)
    with pytest.raises(CheckpointError, match="'tinyvit' is not a network of the paper.*vitb256-ce"):
        read_foreign(tmp_path / "empty.pth", preset("tinyvit"))
    with pytest.raises(CheckpointError, match="pos_embed_x is .1, 15, 12.*square"):
        state = tracker().state_dict() | {"backbone.pos_embed_x": torch.zeros(1, 15, 12)}
        read_foreign(written(tmp_path / "odd.pth", {"net": state}), CONFIG)
    with pytest.raises(CheckpointError, match="not finite, in backbone.norm.bias"):
        state = tracker().state_dict() | {"backbone.norm.bias": torch.full((12,), float("nan"))}
        read_foreign(written(tmp_path / "nan.pth", {"net": state}), CONFIG)
    with pytest.raises(CheckpointError, match="'.*a.safetensors' is not a PyTorch file.*taken as it is, by `start:`"):
        read_foreign(written(tmp_path / "a.safetensors", {}), CONFIG)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_foreign(tmp_path / "nowhere.pth", CONFIG)


class Payload:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the checkpoint ran')",))


@pytest.mark.parametrize("beside", [{}, {"net": {"blocks.0.weight": torch.zeros(1)}}], ids=["instead", "beside"])
def test_code_inside_a_checkpoint_never_runs(tmp_path, beside):
    with pytest.raises(CheckpointError, match="evil.pth' cannot be read.*exec"):
        read_foreign(written(tmp_path / "evil.pth", {"settings": Payload(), **beside}), CONFIG)


def test_what_the_authors_training_leaves_beside_the_weights_is_passed_over(tmp_path, monkeypatch):
    """Their checkpoints carry settings and meters, objects of modules that nobody has here."""
    module = types.ModuleType("lib.train.admin.settings")

    class Settings:
        def __setstate__(self, state):
            raise SystemExit("code of the checkpoint ran")

    Settings.__module__, Settings.__qualname__, module.Settings = module.__name__, "Settings", Settings
    settings = Settings()
    settings.save_dir = "out"
    with monkeypatch.context() as patch:
        for name in ("lib", "lib.train", "lib.train.admin"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        patch.setitem(sys.modules, module.__name__, module)
        torch.save({"net": tracker().state_dict(), "settings": settings}, tmp_path / "trained.pth.tar")
    assert read_foreign(tmp_path / "trained.pth.tar", CONFIG).kind == "single"


BESIDE = {
    "figure": np.float64(0.5), "single": np.float32(0.5), "whole": np.int64(3), "truth": np.bool_(True),
    "name": np.str_("best"), "figures": np.arange(3.0), "mixed": np.array([1, "a"], object), "type": np.dtype("f4"),
    "by name": collections.defaultdict(list, {"auc": [0.5]}), "sums": collections.defaultdict(float, {"auc": 0.5}),
    "last": collections.deque([1, 2], maxlen=3), "frozen": frozenset([1]), "set": {1, 2}, "counter": Counter("aa"),
    "options": types.SimpleNamespace(a=1), "path": Path("a/b"), "when": datetime(2025, 1, 2), "long": timedelta(1),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("zipped", [True, False])
def test_figures_and_plain_containers_beside_the_weights_are_passed_over(tmp_path, name, zipped):
    content = {"net": tracker().state_dict(), "best": BESIDE[name]}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = read_foreign(tmp_path / "a.pth", CONFIG).state
    assert all(torch.equal(value, found[name]) for name, value in tracker().state_dict().items())


def test_what_is_not_passed_over_is_named_with_a_remedy(tmp_path):
    source = written(tmp_path / "a.pth", {"net": tracker().state_dict(), "part": Fraction(1, 2)})
    with pytest.raises(CheckpointError, match=r"it holds 'fractions.Fraction'.*torch.save\({'net': torch.load"):
        read_foreign(source, CONFIG)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04 truncated"], ids=["empty", "zeros", "truncated"])
def test_broken_files_are_refused(tmp_path, content):
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="broken.pth' cannot be read"):
        read_foreign(tmp_path / "broken.pth", CONFIG)


def test_the_papers_preset_asks_for_exactly_the_authors_tensors(shared):
    listed = {}
    for line in (shared / "reference" / "state_keys.txt").read_text().splitlines():
        name, shape, dtype = line.split("\t")
        listed[name] = (tuple(int(n) for n in shape.strip("()").split(",") if n.strip()), dtype)
    asked = {kind: expected_tensors(kind, preset("vitb256")) for kind in ("student", "distillation", "single")}
    assert {name: (tuple(v.shape), str(v.dtype)) for name, v in asked["student"].items()} == listed
    assert len(asked["distillation"]) == 394 + 2 * 152 + 2 * 90
    assert asked["distillation"]["box_head_v.conv1_ctr.0.weight"].shape == (256, 768, 3, 3)
    assert len(asked["single"]) == 152 + 90
