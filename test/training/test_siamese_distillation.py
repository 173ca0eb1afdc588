"""Teachers and students of the Siamese family: common start, branches that learn, branches that are frozen."""

import pytest
import torch
from students import FEAR_XS

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import SiameseStudent, SiameseTracker
from ckd_ros.training.distillation import (
    CKDDistillation,
    SiameseDistillation,
    distillation_loss,
    freeze_all_but_head,
    freeze_teachers,
    make_distillation,
    random_keep_mask,
)
from ckd_ros.training.losses import Labels
from ckd_ros.training.validation import student_or_tracker

CONFIG = SiameseConfig("s", search_size=64, elimination="multimodal")  # 4 x 4 cells
BOXES = torch.tensor([[0.3, 0.3, 0.3, 0.3]] * 2)
LABELS = Labels("ellipse", "dense")


def crops(batch=2):
    torch.manual_seed(0)
    return [torch.randn(batch, 3, size, size) for size in (128, 128, 64, 64)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = SiameseDistillation(CONFIG)
    model.init_from_tracker(load_checkpoint(FEAR_XS)[0])
    return model.train()


def gradients(model):
    """Names of the parameters that have a gradient which is not zero, and whether all gradients are finite."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name for name, grad in found.items() if grad.any()}, all(torch.isfinite(g).all() for g in found.values())


def test_each_family_has_its_own():
    with torch.device("meta"):
        assert type(make_distillation(preset("tiny"))) is SiameseDistillation
        assert type(make_distillation(preset("tinyvit"))) is CKDDistillation


def test_all_four_branches_start_from_one_tracker(model):
    state = load_checkpoint(FEAR_XS)[0]
    for branch in (model.rgb_branch, model.tir_branch, model.teacher_rgb, model.teacher_tir):
        for name, value in branch.state_dict().items():
            assert torch.equal(value, state[f"backbone.{name}"]), name


def test_teachers_are_trackers_of_one_camera_and_neither_masked_nor_thinned_out(model):
    inputs = crops()
    tracker = SiameseTracker(CONFIG)
    tracker.load_state_dict(load_checkpoint(FEAR_XS)[0])
    with torch.no_grad():
        out = model(*inputs, keep_mask=random_keep_mask(2, 16, 0.25))
        for maps, template, search in (
            (out.teacher_rgb, inputs[0], inputs[2]),
            (out.teacher_tir, inputs[1], inputs[3]),
        ):
            for found, expected in zip(maps, tracker(template, search), strict=True):
                torch.testing.assert_close(found, expected)
    for student, teacher in zip(out.student_branches, out.teacher_branches, strict=True):
        assert (student.blocks[0].any(-1).sum(1) == 12).all()  # nothing is eliminated in this stage
        assert teacher.blocks[0].any(-1).all()


def test_students_from_one_start_on_the_same_images_have_one_style_and_the_teachers_content(model):
    template, _, search, _ = crops()
    with torch.no_grad():
        loss = distillation_loss(model(template, template, search, search), BOXES)
    assert loss.style.item() == 0 and loss.content.item() == pytest.approx(0, abs=1e-9)
    assert loss.student.iou.item() == pytest.approx(loss.teacher_rgb.iou.item(), abs=1e-6)


def test_where_branches_learn_every_part_does():
    torch.manual_seed(0)
    model = SiameseDistillation(CONFIG)  # not sure of anything yet: no score is where it is cut off
    output = model(*crops(), keep_mask=random_keep_mask(2, 16, 0.25))
    distillation_loss(output, BOXES, labels=LABELS).total.backward()
    moved, finite = gradients(model)
    assert finite and [name for name, p in model.named_parameters() if p.grad is None] == []
    branches = [f"{branch}.{part}" for branch in ("rgb_branch", "tir_branch", "teacher_rgb", "teacher_tir")
                for part in ("backbone.stem", "score_tower.last", "box_tower.last")]  # fmt: skip
    for part in (*branches, "coupling.to_rgb", "coupling.to_tir", "coupling.gate.6"):
        assert any(name.startswith(part) for name in moved), part


def test_frozen_teachers_are_what_the_students_started_from_and_learn_nothing(model):
    freeze_teachers(model)
    out = model(*crops())
    distillation_loss(out, BOXES, labels=LABELS, teachers_learn=False).total.backward()
    moved, finite = gradients(model)
    assert finite and any(name.startswith("rgb_branch.") for name in moved)
    assert not any(name.startswith("teacher_") for name in moved)


def test_frozen_branches_are_their_own_teachers(model):
    freeze_all_but_head(model)
    with torch.no_grad():
        for parameter in (*model.teacher_rgb.parameters(), *model.teacher_tir.parameters()):
            parameter.fill_(float("nan"))  # they are not asked
        for parameter in model.coupling.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.03)
    inputs = crops()
    out = model(*inputs)
    for branch, teacher, template, search in zip(
        model.branches, out.teacher_branches, inputs[:2], inputs[2:], strict=True
    ):
        alone = branch.match(branch.features(template), branch.features(search))
        for found, expected in zip(teacher.blocks, alone.blocks, strict=True):
            torch.testing.assert_close(found, expected)
    loss = distillation_loss(out, BOXES, labels=LABELS, teachers_learn=False)
    assert loss.content.item() > 0 and torch.isfinite(loss.total)
    loss.total.backward()
    moved, finite = gradients(model)
    assert finite and moved == {name for name, _ in model.named_parameters() if name.startswith("coupling.")}


@pytest.mark.parametrize("part", ["style", "content"])
def test_style_and_content_of_frozen_branches_move_what_they_exchange_and_not_whom_to_believe(model, part):
    freeze_all_but_head(model)
    loss = distillation_loss(model(*crops(), keep_mask=random_keep_mask(2, 16, 0.25)), BOXES)
    getattr(loss, part).backward()
    moved, finite = gradients(model)
    exchange = {f"coupling.to_{m}.{name}" for m in ("rgb", "tir") for name in ("weight", "bias")}
    assert finite and moved == exchange


def test_a_missing_camera_gives_finite_losses_and_gradients_in_mixed_precision(model):
    inputs = crops()
    inputs[1].zero_(), inputs[3].zero_()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(*inputs)
    loss = distillation_loss(output, BOXES, labels=LABELS, present=torch.tensor([[True, False]] * 2))
    loss.total.backward()
    assert torch.isfinite(loss.total) and gradients(model)[1]
    assert loss.teacher_tir.total.item() == 0  # it has nothing to learn from


def test_the_student_is_extracted_without_its_teachers(model):
    student = student_or_tracker(model)
    assert type(student) is SiameseStudent
    assert student.state_dict().keys() == SiameseStudent(CONFIG).state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in student.state_dict().items())
