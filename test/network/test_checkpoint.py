"""Checkpoints: what goes out comes back; what does not fit is refused with names."""

import dataclasses
import json

import pytest
import torch

from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, load_weights, save_checkpoint
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import SiameseStudent
from ckd_ros.network.student import CKDStudent

CONFIG = CKDConfig("t", template_size=32, search_size=64, embed_dim=12, depth=1, num_heads=3, head_channels=(8, 4))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CKDStudent(CONFIG)


def test_weights_configuration_and_record_survive_the_round_trip(model, tmp_path):
    path = tmp_path / "new folder" / "student.safetensors"
    save_checkpoint(path, model.state_dict(), CONFIG, {"steps": 3})
    state, config, record = load_checkpoint(path)
    assert config == CONFIG
    assert record == {"steps": 3}
    assert state.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(state[name], value) and state[name].dtype == value.dtype


@pytest.mark.parametrize("name", ["tiny-ce", "tinyvit-ce", "vitb256"])
def test_a_file_says_of_which_family_its_network_is(name, tmp_path):
    save_checkpoint(tmp_path / "student.safetensors", {"a": torch.ones(1)}, preset(name))
    _, config, _ = load_checkpoint(tmp_path / "student.safetensors")
    assert config == preset(name) and type(config) is type(preset(name))


def test_weights_of_a_siamese_student_survive_the_round_trip(tmp_path):
    torch.manual_seed(0)
    config = SiameseConfig("s", template_size=32, search_size=64)
    student, path = SiameseStudent(config), tmp_path / "student.safetensors"
    save_checkpoint(path, student.state_dict(), config)
    state, read, _ = load_checkpoint(path)
    other = SiameseStudent(read)
    load_weights(other, state)
    assert all(torch.equal(value, student.state_dict()[name]) for name, value in other.state_dict().items())
    with pytest.raises(CheckpointError, match="the weights do not fit CKDStudent.*missing: .*unexpected: "):
        load_weights(CKDStudent(CONFIG), state)


def test_a_file_of_another_version_is_refused_with_the_unknown_setting(tmp_path):
    from safetensors.torch import save_file

    newer = {**dataclasses.asdict(SiameseConfig("s")), "context": 3}
    save_file({"a": torch.zeros(1)}, tmp_path / "newer.safetensors", {"config": json.dumps(newer)})
    with pytest.raises(CheckpointError, match="written by another version: unknown settings context"):
        load_checkpoint(tmp_path / "newer.safetensors")


def test_files_from_before_a_setting_existed_still_load(model, tmp_path):
    from safetensors.torch import save_file

    old = {name: value for name, value in dataclasses.asdict(CONFIG).items() if name != "shared"}
    save_file(model.state_dict(), tmp_path / "old.safetensors", {"config": json.dumps(old)})
    assert load_checkpoint(tmp_path / "old.safetensors")[1] == CONFIG


def test_a_shared_branch_is_in_the_file_once(tmp_path):
    config = dataclasses.replace(CONFIG, shared=True)
    model = CKDStudent(config)
    save_checkpoint(tmp_path / "shared.safetensors", model.state_dict(), config)
    state, read, _ = load_checkpoint(tmp_path / "shared.safetensors")
    assert read == config
    assert not any(name.startswith("tir_branch.") for name in state)
    load_weights(CKDStudent(read), state)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(CheckpointError, match="empty is not a safetensors file"):
        load_checkpoint(tmp_path / "empty")


def test_foreign_safetensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="no network configuration"):
        load_checkpoint(tmp_path / "foreign")


def test_weights_that_do_not_fit_are_refused_by_name_and_nothing_is_loaded(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = {name: torch.zeros_like(value) for name, value in before.items()}
    del state["rgb_branch.norm.weight"]
    state["rgb_branch.extra"] = torch.zeros(1)
    state["rgb_branch.norm.bias"] = torch.zeros(13)
    with pytest.raises(CheckpointError) as refusal:
        load_weights(model, state)
    for part in (
        "1 missing: rgb_branch.norm.weight",
        "1 unexpected: rgb_branch.extra",
        "rgb_branch.norm.bias is (13,), should be (12,)",
    ):
        assert part in str(refusal.value)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
