"""What each stage minimises: a collated batch of samples to a loss and the figures to log."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_ros.network.config import CKDConfig
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.training.config import Stage
from ckd_ros.training.distillation import CKDDistillation, distillation_loss
from ckd_ros.training.losses import TrackingLoss, tracking_loss


def prepare(batch: dict[str, Tensor], network: CKDConfig, device: torch.device) -> dict[str, Tensor]:
    """A collated batch -> normalised crops (B, 3, S, S); an absent modality is all zero, the mean colour."""
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    mean = torch.tensor(network.mean, device=device).view(3, 1, 1) * 255
    std = torch.tensor(network.std, device=device).view(3, 1, 1) * 255
    inputs = {name: batch[name] for name in ("template_box", "box", "present", "positive")}
    for name in ("template_rgb", "search_rgb", "template_tir", "search_tir"):
        image = batch[name].permute(0, 3, 1, 2) if name.endswith("rgb") else batch[name][:, None].expand(-1, 3, -1, -1)
        image = image.float().contiguous(memory_format=torch.channels_last)
        there = batch["present"][:, 0 if name.endswith("rgb") else 1]
        inputs[name] = (image - mean) / std * there.view(-1, 1, 1, 1)
    return inputs


def pretrain_loss(model: SingleModalityTracker, inputs: dict[str, Tensor], stage: Stage, keep_mask: None):
    """Every modality that is there is a sample of its own."""
    rgb, tir = inputs["present"][:, 0], inputs["present"][:, 1]

    def both(a: str, b: str) -> Tensor:
        return torch.cat([inputs[a][rgb], inputs[b][tir]])

    maps = model(
        both("template_rgb", "template_tir"), both("search_rgb", "search_tir"), both("template_box", "template_box")
    )
    loss = tracking_loss(maps, both("box", "box"), both("positive", "positive"), stage.regression)
    return loss.total, _figures(loss)


def distil_loss(model: CKDDistillation, inputs: dict[str, Tensor], stage: Stage, keep_mask: Tensor | None):
    """Stage 1: teachers and students on the same crops, the students' search tokens masked by keep_mask (B, Nx)."""
    loss = distillation_loss(
        model(*_crops(inputs), keep_mask=keep_mask),
        inputs["box"],
        inputs["positive"],
        stage.regression,
        stage.style_weight,
        stage.content_weight,
        inputs["present"],
    )
    figures = _figures(loss.student) | {
        "loss": loss.total.detach(),
        "teacher_iou": (loss.teacher_rgb.iou + loss.teacher_tir.iou) / 2,
        "style": loss.style.detach(),
        "content": loss.content.detach(),
    }
    return loss.total, figures


def eliminate_loss(model: CKDStudent, inputs: dict[str, Tensor], stage: Stage, keep_mask: None):
    """Stage 2: the tracking loss of the student."""
    maps = model(*_crops(inputs)).prediction
    loss = tracking_loss(maps, inputs["box"], inputs["positive"], stage.regression)
    return loss.total, _figures(loss)


LOSSES = {"pretrain": pretrain_loss, "distil": distil_loss, "eliminate": eliminate_loss}


def _figures(loss: TrackingLoss) -> dict[str, Tensor]:
    return {"loss": loss.total.detach(), "focal": loss.focal.detach(), "iou": loss.iou.detach()}


def _crops(inputs: dict[str, Tensor]) -> list[Tensor]:
    return [inputs[n] for n in ("template_rgb", "template_tir", "search_rgb", "search_tir", "template_box")]
