"""The losses of coupled knowledge distillation.

Source: paper sections 3.2 and 3.3; `B` batch, `G` cells a side of the head's maps, `N` tokens, `D` embedding width.
Boxes are fractions of the search crop; ground truth is `(x, y, w, h)`, predictions are `(cx, cy, w, h)`.
Where several processes share a batch, the loss of a process covers its part of the batch, divided by the counts of the
whole batch: the mean over processes of losses and of gradients is then that of the whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ckd_ros.network.head import Prediction
from ckd_ros.training.distributed import all_reduce_mean, world_size

MIN_OVERLAP = 0.7  # IoU with the truth that a box keeps when its corners move by the Gaussian's radius
GAUSSIAN_FLOOR = float(torch.finfo(torch.float32).eps)
DENSE_CELLS = 0.3  # dense regression supervises the cells where its weight is above this
NEITHER = 0.9999  # label of a cell that is neither target nor background: its weight in the focal loss vanishes
GIOU_WEIGHT, L1_WEIGHT = 2.0, 5.0
STYLE_WEIGHT, CONTENT_WEIGHT = 0.01, 0.1  # the paper's


class Labels(NamedTuple):
    """What the cells of the maps are taught.

    score: 'gaussian', one cell with a Gaussian around it (the paper's centre head); 'ellipse', all cells in the middle
    of the box, none outside of the ellipse in it, what is between counts as neither (Siamese trackers).
    regression: 'peak' supervises the box decoded at the score's peak (the paper); 'dense' every cell near the target's
    centre, see `dense_weight`: small students learn faster from it.
    """

    score: str = "gaussian"
    regression: str = "peak"


PAPER_LABELS = Labels()


class TrackingLoss(NamedTuple):
    """`total = focal + 2 * giou + 5 * l1`; `iou` is the mean IoU of the boxes at the peak, for the log."""

    total: Tensor
    focal: Tensor
    giou: Tensor
    l1: Tensor
    iou: Tensor


def tracking_loss(
    prediction: Prediction, boxes: Tensor, valid: Tensor | None = None, labels: Labels = PAPER_LABELS
) -> TrackingLoss:
    """Score, overlap and corner losses of one head.

    boxes: (B, 4) ground truth. valid: (B,) bool, False where the target is not in the search crop: such a sample
    supervises an empty score map and no box.
    """
    valid = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device) if valid is None else valid
    heat = SCORE_LABELS[labels.score](boxes, prediction.score_map.shape[-1]) * valid.reshape(-1, 1, 1, 1)
    truth = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)  # (B, 4) xyxy
    peak = to_xyxy(prediction.boxes())  # (B, 4)
    if labels.regression == "peak":
        predicted, target, weight = peak, truth, valid.float()
    else:
        predicted = to_xyxy(prediction.dense_boxes())  # (B, G, G, 4)
        target = truth[:, None, None].expand_as(predicted)
        weight = dense_weight(boxes, heat.shape[-1]) * valid.reshape(-1, 1, 1)

    focal = focal_loss(prediction.score_map, heat)
    giou = weighted_mean(1 - generalised_iou(predicted, target)[1], weight)
    l1 = weighted_mean((predicted - target).abs().mean(-1), weight)
    overlap = weighted_mean(generalised_iou(peak.detach(), truth)[0], valid.float())
    return TrackingLoss(focal + GIOU_WEIGHT * giou + L1_WEIGHT * l1, focal, giou, l1, overlap)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under weights of the same shape; zero, with zero gradient, where all weights are zero."""
    return (values * weight).sum() / all_reduce_mean(weight.sum()).clamp(min=1e-6)


def to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) boxes from (cx, cy, w, h) to (x1, y1, x2, y2)."""
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], dim=-1)


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of paired xyxy boxes, (..., 4) x (..., 4) -> (...), (...)."""
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union, hull = (area_a + area_b - inner).clamp(min=1e-9), hull.clamp(min=1e-9)
    return inner / union, inner / union - (hull - union) / hull


def heatmap(boxes: Tensor, grid: int) -> Tensor:
    """Target score maps (B, 1, grid, grid) of boxes (B, 4): a Gaussian with peak 1 on the rounded centre cell.

    As in CornerNet: the radius is the whole number of cells that either corner may move while the overlap stays above
    `MIN_OVERLAP`, the Gaussian's standard deviation a sixth of the diameter, and it ends at the radius.
    """
    dx, dy = centre_offsets(boxes, grid)
    radius = gaussian_radius(boxes[:, 2] * grid, boxes[:, 3] * grid).floor().reshape(-1, 1, 1)
    sigma = (2 * radius + 1) / 6
    heat = torch.exp(-(dx**2 + dy**2) / (2 * sigma**2))  # (B, grid, grid)
    inside = (dx.abs() <= radius) & (dy.abs() <= radius) & (heat >= GAUSSIAN_FLOOR)
    return (heat * inside).unsqueeze(1)


def ellipse_labels(boxes: Tensor, grid: int) -> Tensor:
    """Target score maps (B, 1, grid, grid) of boxes (B, 4): 1 in the ellipse of half the box's sides and on the nearest
    cell, 0 outside of the ellipse of its sides, and in between almost 1, which the focal loss leaves alone."""
    centre = (boxes[:, :2] + boxes[:, 2:] / 2) * grid  # (B, 2) in cells
    axis = torch.arange(grid, dtype=boxes.dtype, device=boxes.device)
    x, y = ((axis - centre[:, i, None]) / (boxes[:, 2 + i, None] * grid / 2).clamp(min=1e-3) for i in (0, 1))
    distance = (x**2).unsqueeze(1) + (y**2).unsqueeze(2)  # (B, grid, grid): 1 on the ellipse in the box
    dx, dy = centre_offsets(boxes, grid)
    inside = (distance <= 0.25) | ((dx == 0) & (dy == 0))
    return torch.where(inside, 1.0, (distance <= 1) * NEITHER).unsqueeze(1)


def dense_weight(boxes: Tensor, grid: int) -> Tensor:
    """Weight of each cell in dense regression, (B, grid, grid): 1 at the rounded centre cell, 0 far away.

    A Gaussian whose standard deviations are a quarter of the box's sides, cut at `DENSE_CELLS`: 3x3 cells for a target
    of 4x4 cells, which is what the search factor makes of it. The score's own Gaussian is too narrow for this: at
    that size it falls to 0.14 one cell from the centre.
    """
    dx, dy = centre_offsets(boxes, grid)
    sigma = (boxes[:, 2:] * grid / 4).clamp(min=1e-3).reshape(-1, 2, 1, 1)
    weight = torch.exp(-((dx / sigma[:, 0]) ** 2 + (dy / sigma[:, 1]) ** 2) / 2)
    return weight * (weight > DENSE_CELLS)


def centre_offsets(boxes: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """Cells' distances from the box's rounded centre cell: dx (B, 1, grid), dy (B, grid, 1), in cells."""
    centre = ((boxes[:, :2] + boxes[:, 2:] / 2) * grid).round().clamp(0, grid - 1)  # (B, 2)
    axis = torch.arange(grid, dtype=boxes.dtype, device=boxes.device)
    dx = axis.reshape(1, 1, -1) - centre[:, 0].reshape(-1, 1, 1)
    dy = axis.reshape(1, -1, 1) - centre[:, 1].reshape(-1, 1, 1)
    return dx, dy


def gaussian_radius(width: Tensor, height: Tensor) -> Tensor:
    """CornerNet's radius (B,) in cells for boxes of that many cells, its published formula (roots over 2, not 2a)."""
    total, area = width + height, width * height
    b2, b3 = 2 * total, -2 * MIN_OVERLAP * total
    c1 = area * (1 - MIN_OVERLAP) / (1 + MIN_OVERLAP)
    c2, c3 = (1 - MIN_OVERLAP) * area, (MIN_OVERLAP - 1) * area
    r1 = (total + (total**2 - 4 * c1).sqrt()) / 2
    r2 = (b2 + (b2**2 - 16 * c2).sqrt()) / 2
    r3 = (b3 + (b3**2 - 16 * MIN_OVERLAP * c3).sqrt()) / 2
    return torch.minimum(r1, torch.minimum(r2, r3)).clamp(min=0)


def focal_loss(score: Tensor, heat: Tensor) -> Tensor:
    """CornerNet's penalty-reduced focal loss (alpha 2, beta 4), summed, over the number of positive cells.

    score (B, 1, G, G) in (0, 1); heat of the same shape, 1 exactly at positive cells. Without any positive cell
    (only negative samples) the sum is left undivided.
    """
    positive = heat.eq(1)
    on_target = score.log() * (1 - score) ** 2
    elsewhere = (1 - score).log() * score**2 * (1 - heat) ** 4
    count = all_reduce_mean(positive.sum()).clamp(min=1 / world_size())
    return -torch.where(positive, on_target, elsewhere).sum() / count


SCORE_LABELS = {"gaussian": heatmap, "ellipse": ellipse_labels}


def style_loss(rgb_blocks: list[Tensor], tir_blocks: list[Tensor]) -> Tensor:
    """Distance of the two students' channel statistics over tokens, summed over blocks of (B, N, D) features.

    Gradients flow into both students: neither is the reference.
    """
    loss = rgb_blocks[0].new_zeros((), dtype=torch.float32)
    for rgb, tir in zip(rgb_blocks, tir_blocks, strict=True):
        rgb, tir = rgb.float(), tir.float()
        loss = loss + F.mse_loss(rgb.mean(1), tir.mean(1)) + F.mse_loss(rgb.std(1), tir.std(1))
    return loss


def content_loss(student_blocks: list[Tensor], teacher_blocks: list[Tensor]) -> Tensor:
    """Distance of a student's instance-normalised features to its detached teacher's, summed over blocks."""
    loss = student_blocks[0].new_zeros((), dtype=torch.float32)
    for student, teacher in zip(student_blocks, teacher_blocks, strict=True):
        loss = loss + F.mse_loss(normalise_channels(student), normalise_channels(teacher.detach()))
    return loss


def normalise_channels(tokens: Tensor) -> Tensor:
    """Instance normalisation: every channel of (B, N, D) to zero mean and unit variance over its tokens."""
    return F.instance_norm(tokens.float().transpose(1, 2), eps=1e-5)  # (B, D, N)
