"""The losses: each against its definition, and all of them against the reference training step."""

import math

import pytest
import torch

from ckd_ros.network.head import Prediction
from ckd_ros.training.distillation import CKDDistillation, distillation_loss
from ckd_ros.training.losses import (
    GIOU_WEIGHT,
    L1_WEIGHT,
    NEITHER,
    Labels,
    content_loss,
    dense_weight,
    ellipse_labels,
    focal_loss,
    gaussian_radius,
    generalised_iou,
    heatmap,
    style_loss,
    tracking_loss,
)

G = 16


@pytest.fixture(scope="module")
def reference_step(reference, reference_config):
    """One training step of the reference network: model with gradients, its outputs, its losses."""
    model = CKDDistillation(reference_config).train()
    model.load_state_dict({name: reference[f"w/{name}"] for name in model.state_dict()})
    crops = (reference[name] for name in ("template_rgb", "template_tir", "search_rgb", "search_tir"))
    output = model(*crops, keep_mask=reference["train_noce_keep_mask"])
    loss = distillation_loss(output, reference["gt_xywh"][0])
    loss.total.backward()
    return model, output, loss


def test_maps_of_all_three_heads_match_the_reference_training_step(reference, reference_step):
    _, output, _ = reference_step
    for head, maps in (("student", output.student), ("trgb", output.teacher_rgb), ("ttir", output.teacher_tir)):
        for name, values in maps._asdict().items():
            torch.testing.assert_close(values.detach(), reference[f"train_noce_{head}_{name}"], atol=1e-4, rtol=1e-3)


def test_every_loss_matches_the_reference_training_step(reference, reference_step):
    _, _, loss = reference_step
    figures = {
        "loss": loss.total,
        "Loss_total": loss.student.total,
        "Loss_style": loss.style,
        "Loss_content": loss.content,
        "Loss_giou": loss.student.giou,
        "Loss_l1": loss.student.l1,
        "Loss_location": loss.student.focal,
        "IoU": loss.student.iou,
    }
    for name, value in figures.items():
        torch.testing.assert_close(value.detach(), reference[f"train_noce_{name}"], rtol=1e-3, atol=0, msg=name)


def test_gradients_match_the_reference_training_step(reference, reference_step):
    parameters = dict(reference_step[0].named_parameters())
    prefix = "train_noce_grad/"
    names = [name.removeprefix(prefix) for name in reference if name.startswith(prefix)]
    assert len(names) == 6
    for name in names:
        expected = reference[prefix + name]
        assert (parameters[name].grad - expected).norm() <= 1e-3 * expected.norm(), name


def maps_for(box, grid=G, elsewhere=0.01):
    """A prediction that is right: sharp peak at the box's cell, every cell decoding the box (x, y, w, h)."""
    x, y, w, h = box
    cx, cy = (x + w / 2) * grid, (y + h / 2) * grid
    score = torch.full((1, 1, grid, grid), elsewhere)
    score[0, 0, round(cy), round(cx)] = 0.99
    axis = torch.arange(grid, dtype=torch.float32)
    offset = torch.stack([(cx - axis).expand(grid, grid), (cy - axis).unsqueeze(1).expand(grid, grid)])[None]
    size = torch.tensor([w, h]).reshape(1, 2, 1, 1).expand(1, 2, grid, grid)
    return Prediction(score.requires_grad_(), size.clone().requires_grad_(), offset.clone().requires_grad_())


@pytest.mark.parametrize("regression", ["peak", "dense"])
def test_a_right_prediction_costs_nothing_in_regression(regression):
    box = (0.3, 0.4, 0.2, 0.3)
    loss = tracking_loss(maps_for(box), torch.tensor([box]), labels=Labels(regression=regression))
    assert loss.giou.item() == pytest.approx(0, abs=1e-5)
    assert loss.l1.item() == pytest.approx(0, abs=1e-6)
    assert loss.iou.item() == pytest.approx(1, abs=1e-5)
    assert loss.total.item() == pytest.approx(loss.focal.item(), abs=1e-4)


def test_peak_regression_teaches_one_cell_and_dense_regression_the_cells_around_it():
    truth, wrong = torch.tensor([[0.3, 0.3, 0.35, 0.35]]), maps_for((0.3, 0.3, 0.3, 0.4))
    tracking_loss(wrong, truth, labels=Labels(regression="peak")).total.backward()
    assert wrong.size_map.grad.abs().sum(1).count_nonzero() == 1
    wrong.size_map.grad = None
    tracking_loss(wrong, truth, labels=Labels(regression="dense")).total.backward()
    taught = wrong.size_map.grad.abs().sum(1) > 0
    assert torch.equal(taught, dense_weight(truth, G) > 0)
    assert taught.sum() > 9


def test_dense_regression_teaches_3x3_cells_of_a_nominal_target_and_one_of_a_speck():
    weight = dense_weight(torch.tensor([[0.375, 0.375, 0.25, 0.25], [0.5, 0.5, 0.02, 0.02]]), G)
    assert weight[0, 8, 8] == 1
    assert (weight[0, 7:10, 7:10] > 0.3).all() and weight[0].count_nonzero() == 9
    assert weight[1, 8, 8] == 1 and weight[1].count_nonzero() == 1


@pytest.mark.parametrize("regression", ["peak", "dense"])
def test_a_sample_without_target_teaches_an_empty_score_map_and_no_box(regression):
    maps = maps_for((0.3, 0.4, 0.2, 0.3))
    loss = tracking_loss(maps, torch.full((1, 4), 0.5), torch.tensor([False]), Labels(regression=regression))
    loss.total.backward()
    assert loss.giou.item() == loss.l1.item() == loss.iou.item() == 0
    assert loss.focal.item() > 0
    assert (maps.score_map.grad > 0).all()  # every score is pushed down
    assert maps.size_map.grad.abs().max() == maps.offset_map.grad.abs().max() == 0


def test_samples_without_target_do_not_dilute_the_box_loss_of_the_others():
    one, box = maps_for((0.3, 0.3, 0.3, 0.4)), torch.tensor([[0.3, 0.3, 0.35, 0.35]])
    two = Prediction(*(torch.cat([m, m]) for m in one))
    alone = tracking_loss(one, box)
    mixed = tracking_loss(two, box.repeat(2, 1), torch.tensor([True, False]))
    torch.testing.assert_close((mixed.giou, mixed.l1, mixed.iou), (alone.giou, alone.l1, alone.iou))


def test_generalised_iou_of_known_boxes():
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 3)
    b = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [4.0, 0.0, 6.0, 2.0]])
    iou, giou = generalised_iou(a, b)
    torch.testing.assert_close(iou, torch.tensor([1.0, 1 / 3, 0.0]))
    torch.testing.assert_close(giou, torch.tensor([1.0, 1 / 3, -1 / 3]))


def test_generalised_iou_of_boxes_without_area_is_finite():
    point = torch.zeros(1, 4, requires_grad=True)
    generalised_iou(point, torch.zeros(1, 4))[1].sum().backward()
    assert torch.isfinite(point.grad).all()


def test_heat_peaks_at_the_rounded_centre_and_ends_at_the_radius():
    boxes = torch.tensor([[0.25, 0.35, 0.3, 0.35], [0.55, 0.2, 0.1, 0.3]])
    heat = heatmap(boxes, G)
    assert heat.shape == (2, 1, G, G)
    assert heat[0, 0, 8, 6] == 1 and heat[1, 0, 6, 10] == 1  # centres (6.4, 8.4) and (9.6, 5.6)
    assert (heat == 1).sum() == 2
    radius = int(gaussian_radius(torch.tensor(0.3 * G), torch.tensor(0.35 * G)))
    assert radius == 1
    sigma = (2 * radius + 1) / 6
    assert heat[0, 0, 8, 6 + radius].item() == pytest.approx(math.exp(-(radius**2) / (2 * sigma**2)))
    assert heat[0, 0, 8, 6 + radius + 1] == 0


def test_a_centre_outside_the_crop_is_taught_at_the_border():
    heat = heatmap(torch.tensor([[0.9, -0.3, 0.4, 0.4]]), G)
    assert heat[0, 0, 0, 15] == 1


def test_the_ellipse_labels_the_middle_of_the_box_and_leaves_out_what_is_between():
    """A box of 8 x 4 cells about cell (8, 6): half-axes 4 and 2 cells, of the labelled middle 2 and 1."""
    labels = ellipse_labels(torch.tensor([[4 / G, 4 / G, 8 / G, 4 / G]]), G)
    assert labels.shape == (1, 1, G, G)
    rows, columns = torch.meshgrid(torch.arange(G), torch.arange(G), indexing="ij")
    distance = ((columns - 8) / 4) ** 2 + ((rows - 6) / 2) ** 2
    assert torch.equal(labels[0, 0] == 1, distance <= 0.25) and labels[0, 0, 6, 6:11].eq(1).all()
    assert torch.equal(labels[0, 0] == 0, distance > 1)
    assert (labels[0, 0][(distance > 0.25) & (distance <= 1)] == torch.tensor(NEITHER)).all()


def test_a_target_between_four_cells_and_one_beyond_the_border_have_a_positive_cell():
    speck, outside = ellipse_labels(torch.tensor([[0.52, 0.52, 0.01, 0.01], [0.9, -0.3, 0.4, 0.4]]), G)[:, 0]
    assert speck[8, 8] == 1 and speck.count_nonzero() == 1
    assert outside[0, 15] == 1 and (outside == 1).sum() == 1


def test_what_is_neither_target_nor_background_teaches_the_score_nothing():
    box = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    maps = maps_for(box[0].tolist(), elsewhere=0.5)
    loss = tracking_loss(maps, box, labels=Labels(score="ellipse", regression="dense"))
    loss.total.backward()
    labels, gradient = ellipse_labels(box, G), maps.score_map.grad
    assert (gradient[labels == 1] < 0).all() and (gradient[labels == 0] > 0).all()
    assert gradient[(labels != 0) & (labels != 1)].abs().max() < 1e-9
    assert loss.total.item() == pytest.approx((loss.focal + GIOU_WEIGHT * loss.giou + L1_WEIGHT * loss.l1).item())


def test_focal_loss_is_the_cornernet_sum_over_positives():
    heat = torch.tensor([1.0, 1.0, 0.5, 0.0]).reshape(1, 1, 2, 2)
    score = torch.tensor([0.8, 0.3, 0.4, 0.2]).reshape(1, 1, 2, 2)
    positive = -(0.2**2 * math.log(0.8) + 0.7**2 * math.log(0.3))
    negative = -(0.5**4 * 0.4**2 * math.log(0.6) + 0.2**2 * math.log(0.8))
    assert focal_loss(score, heat).item() == pytest.approx((positive + negative) / 2)


def test_style_is_the_distance_of_means_and_unbiased_deviations_with_gradients_into_both():
    rgb = torch.tensor([[[0.0], [2.0]]], requires_grad=True)  # mean 1, std sqrt(2)
    tir = torch.tensor([[[3.0], [3.0]]], requires_grad=True)  # mean 3, std 0
    loss = style_loss([rgb, rgb], [tir, tir])
    assert loss.item() == pytest.approx(2 * (4 + 2))
    loss.backward()
    assert rgb.grad.abs().sum() > 0 and tir.grad.abs().sum() > 0
    assert torch.isfinite(tir.grad).all()


def test_content_ignores_style_and_leaves_the_teacher_alone():
    torch.manual_seed(0)
    teacher = torch.randn(2, 30, 4, requires_grad=True)
    restyled = (teacher.detach() * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 5).requires_grad_()
    assert content_loss([restyled], [teacher]).item() == pytest.approx(0, abs=1e-6)
    student = torch.randn(2, 30, 4, requires_grad=True)
    content_loss([student], [teacher]).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
