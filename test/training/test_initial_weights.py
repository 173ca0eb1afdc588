"""Where a stage starts: what may follow what, and clear words where it may not."""

import dataclasses

import pytest
import torch
from small_network import CONFIG

from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.training.config import Stage
from ckd_ros.training.distillation import CKDDistillation
from ckd_ros.training.initial_weights import build_model
from ckd_ros.training.validation import student_or_tracker

SHARED = dataclasses.replace(CONFIG, preset="t-shared", shared=True)
PRETRAIN, DISTIL, ELIMINATE = (Stage(name, steps=1) for name in ("pretrain", "distil", "eliminate"))


def saved(model, path, config=CONFIG):
    save_checkpoint(path, model.state_dict(), config)
    return path


@pytest.fixture
def single(tmp_path):
    torch.manual_seed(0)
    return saved(SingleModalityTracker(CONFIG), tmp_path / "single.safetensors")


@pytest.fixture
def distillation(tmp_path):
    torch.manual_seed(1)
    return saved(CKDDistillation(CONFIG), tmp_path / "distillation.safetensors")


@pytest.fixture
def student(tmp_path):
    torch.manual_seed(2)
    return saved(CKDStudent(CONFIG), tmp_path / "student.safetensors")


def test_without_a_file_a_stage_builds_its_own_network():
    assert type(build_model(PRETRAIN, CONFIG, None)) is SingleModalityTracker
    assert type(build_model(DISTIL, CONFIG, None)) is CKDDistillation
    assert type(build_model(ELIMINATE, CONFIG, None)) is CKDStudent


@pytest.mark.parametrize(
    ("stage", "file"),
    [(PRETRAIN, "single"), (DISTIL, "distillation"), (ELIMINATE, "student"), (ELIMINATE, "distillation")],
)
def test_a_network_takes_up_its_own_weights(stage, file, request):
    path = request.getfixturevalue(file)
    state, _, _ = load_checkpoint(path)
    for name, value in build_model(stage, CONFIG, path).state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize(("stage", "config"), [(DISTIL, CONFIG), (ELIMINATE, CONFIG), (DISTIL, SHARED)])
def test_all_branches_and_heads_start_from_a_single_modality_tracker(single, stage, config):
    torch.manual_seed(0)
    tracker, model = SingleModalityTracker(CONFIG), build_model(stage, config, single)
    branches = [*model.branches, *((model.teacher_rgb, model.teacher_tir) if stage is DISTIL else ())]
    for branch in branches:
        assert all(torch.equal(a, b) for a, b in zip(branch.parameters(), tracker.backbone.parameters(), strict=True))
    kernel = tracker.box_head.conv1_ctr[0].weight
    assert torch.equal(model.box_head.conv1_ctr[0].weight, torch.cat([kernel, kernel], dim=1))


def test_presets_that_differ_in_elimination_share_their_weights(distillation):
    for mode in (None, "unimodal"):
        build_model(ELIMINATE, dataclasses.replace(CONFIG, preset="other", elimination=mode), distillation)


@pytest.mark.parametrize(
    ("stage", "file", "message"),
    [
        (PRETRAIN, "distillation", "holds a distillation checkpoint.*give a single checkpoint"),
        (PRETRAIN, "student", "holds a student checkpoint.*give a single checkpoint"),
        (DISTIL, "student", "from which a distillation network cannot start: give a distillation or single checkpoint"),
    ],
)
def test_files_that_lack_what_the_stage_needs_are_refused(stage, file, message, request):
    with pytest.raises(CheckpointError, match=message):
        build_model(stage, CONFIG, request.getfixturevalue(file))


@pytest.mark.parametrize(
    ("config", "setting"), [(dataclasses.replace(CONFIG, preset="wide", embed_dim=24), "embed_dim"), (SHARED, "shared")]
)
def test_a_file_of_another_preset_is_refused_with_both_names(distillation, config, setting):
    named = f"of preset 't', the network to train of '{config.preset}', which differs in {setting}: train with"
    with pytest.raises(CheckpointError, match=named):
        build_model(ELIMINATE, config, distillation)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        build_model(DISTIL, CONFIG, tmp_path / "nowhere.safetensors")


def test_one_shared_student_learns_and_leaves_its_teachers():
    """Every weight has one name and one gradient; what is left is a student of the same preset."""
    model = CKDDistillation(SHARED)
    parameters = list(model.named_parameters())
    assert len({id(p) for _, p in parameters}) == len(parameters)
    crops = [torch.randn(2, 3, size, size) for size in (32, 32, 64, 64)]
    out = model(*crops)
    (out.student.score_map.sum() + out.teacher_rgb.size_map.sum()).backward()
    assert model.rgb_branch.pos_embed_x.grad is not None
    student = student_or_tracker(model)
    assert type(student) is CKDStudent
    assert student.state_dict().keys() == CKDStudent(SHARED).state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in student.state_dict().items())
