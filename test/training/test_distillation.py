"""Teachers and students: common start, masking, what stage 2 may still change."""

import dataclasses

import pytest
import small_network
import torch

from ckd_ros.network.presets import preset
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.training.distillation import CKDDistillation, distillation_loss, freeze_all_but_head, random_keep_mask
from ckd_ros.training.losses import Labels
from ckd_ros.training.validation import student_or_tracker

CONFIG = dataclasses.replace(small_network.CONFIG, embed_dim=24)


def crops(config, batch=2):
    torch.manual_seed(0)
    sizes = (config.template_size, config.template_size, config.search_size, config.search_size)
    return [torch.randn(batch, 3, size, size) for size in sizes]


@pytest.mark.parametrize("config", [CONFIG, preset("tinyvit")], ids=["paper layout", "tinyvit"])
def test_all_branches_and_heads_start_from_one_tracker(config):
    tracker = SingleModalityTracker(config)
    model = CKDDistillation(config)
    model.init_from_tracker(tracker.state_dict())
    for branch in (model.rgb_branch, model.tir_branch, model.teacher_rgb, model.teacher_tir):
        assert all(torch.equal(a, b) for a, b in zip(branch.parameters(), tracker.backbone.parameters(), strict=True))
    fused, single = model.box_head.state_dict(), tracker.box_head.state_dict()
    stacked = [name for name in single if fused[name].shape != single[name].shape]
    first = ["conv1_ctr.0.weight", "conv1_offset.0.weight", "conv1_size.0.weight"]
    assert sorted(stacked) == (first if config.neck_dim is None else ["neck.skip.weight", "neck.tokens.weight"])
    for name, value in single.items():
        assert torch.equal(model.box_head_v.state_dict()[name], value)
        expected = torch.cat([value, value], dim=1) if name in stacked else value
        assert torch.equal(fused[name], expected)


def test_students_from_one_start_on_the_same_images_have_one_style():
    model = CKDDistillation(CONFIG).eval()
    model.init_from_tracker(SingleModalityTracker(CONFIG).state_dict())
    template, _, search, _ = crops(CONFIG)
    loss = distillation_loss(model(template, template, search, search), torch.full((2, 4), 0.3))
    assert loss.style.item() == loss.content.item() == 0


def test_only_the_students_are_masked_and_nothing_is_eliminated():
    model = CKDDistillation(CONFIG).eval()
    inputs = crops(CONFIG)
    with torch.no_grad():
        seen, masked = model(*inputs), model(*inputs, keep_mask=random_keep_mask(2, 16, 0.25))
    assert torch.equal(seen.teacher_rgb.score_map, masked.teacher_rgb.score_map)
    assert torch.equal(seen.teacher_tir.score_map, masked.teacher_tir.score_map)
    assert not torch.equal(seen.student.score_map, masked.student.score_map)
    assert all(block.shape[1] == 4 + 16 for branch in seen.student_branches for block in branch.blocks)


def test_every_trained_parameter_receives_a_gradient():
    model = CKDDistillation(preset("tinyvit")).train()
    inputs = (*crops(model.config), torch.tensor([[0.25, 0.25, 0.5, 0.5]] * 2))
    output = model(*inputs, keep_mask=random_keep_mask(2, 64, 0.25))
    distillation_loss(
        output, torch.tensor([[0.3, 0.3, 0.3, 0.3]] * 2), labels=Labels(regression="dense")
    ).total.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_mixed_precision_gives_finite_losses_and_gradients():
    model = CKDDistillation(preset("tinyvit")).train()
    inputs = (*crops(model.config), torch.tensor([[0.25, 0.25, 0.5, 0.5]] * 2))
    inputs[1].zero_(), inputs[3].zero_()  # a missing modality is a mean-coloured crop
    with torch.autocast("cpu", torch.bfloat16):
        output = model(*inputs)
    loss = distillation_loss(output, torch.tensor([[0.3, 0.3, 0.3, 0.3]] * 2))
    loss.total.backward()
    assert torch.isfinite(loss.total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_quarter_of_the_search_tokens_is_masked_freshly_per_sample():
    torch.manual_seed(0)
    keep = random_keep_mask(50, 256, 0.25)
    assert keep.shape == (50, 256) and keep.dtype == torch.bool
    assert (keep.sum(1) == 192).all()
    assert len({tuple(row.tolist()) for row in keep}) == 50
    assert keep.float().mean(0).min() > 0.4  # no place is always masked


def test_the_student_is_extracted_without_its_teachers():
    model = CKDDistillation(CONFIG)
    student = student_or_tracker(model)
    assert type(student) is CKDStudent
    assert student.state_dict().keys() == CKDStudent(CONFIG).state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in student.state_dict().items())


def test_stage_two_trains_the_head_only():
    student = CKDStudent(preset("tinyvit")).train()
    head = freeze_all_but_head(student)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    optimizer = torch.optim.SGD(head, lr=0.1)
    inputs = (*crops(student.config), torch.tensor([[0.25, 0.25, 0.5, 0.5]] * 2))
    maps = student(*inputs).prediction
    (maps.score_map.mean() + maps.size_map.mean() + maps.offset_map.mean()).backward()
    optimizer.step()
    changed = {
        name.split(".")[0] for name, value in student.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"box_head"}
