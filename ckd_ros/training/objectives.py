"""What each stage minimises: from a collated batch of samples to a loss and the metrics to log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ckd_ros.network.networks import OneCameraTracker, Student
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.training.box_layers import BoxStudent, box_loss
from ckd_ros.training.config import Stage
from ckd_ros.training.distillation import Distillation, distillation_loss
from ckd_ros.training.losses import TrackingLoss, tracking_loss

#: What a batch holds for people, not for the network.
REPORTED = ("replaced", "faults")
LossAndMetrics = tuple[Tensor, dict[str, Tensor]]  # what is minimised, and detached scalars for the log


def prepare_batch(batch: dict[str, Any], network: NetworkConfig, device: torch.device) -> dict[str, Tensor]:
    """A collated batch -> normalised crops (B, 3, S, S); an absent modality is all zero, the mean colour."""
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items() if name not in REPORTED}
    mean = torch.tensor(network.mean, device=device).view(3, 1, 1) * 255
    std = torch.tensor(network.std, device=device).view(3, 1, 1) * 255
    inputs = {name: batch[name] for name in ("template_box", "box", "present", "positive")}
    for name in ("template_rgb", "search_rgb", "template_tir", "search_tir"):
        image = batch[name].permute(0, 3, 1, 2) if name.endswith("rgb") else batch[name][:, None].expand(-1, 3, -1, -1)
        image = image.float().contiguous(memory_format=torch.channels_last)
        present = batch["present"][:, 0 if name.endswith("rgb") else 1]
        inputs[name] = (image - mean) / std * present.view(-1, 1, 1, 1)
    return inputs


def pretrain_loss(
    model: OneCameraTracker, inputs: dict[str, Tensor], stage: Stage, keep_mask: Tensor | None
) -> LossAndMetrics:
    """Every modality that is present is a sample of its own; nothing is masked."""
    rgb, tir = inputs["present"][:, 0], inputs["present"][:, 1]

    def joined(of_rgb: str, of_tir: str) -> Tensor:
        return torch.cat([inputs[of_rgb][rgb], inputs[of_tir][tir]])

    maps = model(
        joined("template_rgb", "template_tir"),
        joined("search_rgb", "search_tir"),
        joined("template_box", "template_box"),
    )
    loss = tracking_loss(maps, joined("box", "box"), joined("positive", "positive"), stage.labels)
    return loss.total, _metrics(loss)


def distil_loss(
    model: Distillation, inputs: dict[str, Tensor], stage: Stage, keep_mask: Tensor | None
) -> LossAndMetrics:
    """Stage 1: teachers and students on the same crops, the students' search tokens masked by keep_mask (B, Nx)."""
    loss = distillation_loss(
        model(*_crops(inputs), keep_mask=keep_mask),
        inputs["box"],
        inputs["positive"],
        stage.labels,
        (stage.style_weight, stage.content_weight),
        inputs["present"],
        stage.teachers == "trained",
    )
    metrics = _metrics(loss.student) | {
        "loss": loss.total.detach(),
        "teacher_iou": (loss.teacher_rgb.iou + loss.teacher_tir.iou) / 2,
        "style": loss.style.detach(),
        "content": loss.content.detach(),
    }
    return loss.total, metrics


def eliminate_loss(model: Student, inputs: dict[str, Tensor], stage: Stage, keep_mask: Tensor | None) -> LossAndMetrics:
    """Stage 2: the tracking loss of the student; nothing is masked."""
    maps = model(*_crops(inputs)).prediction
    loss = tracking_loss(maps, inputs["box"], inputs["positive"], stage.labels)
    return loss.total, _metrics(loss)


def boxes_loss(model: BoxStudent, inputs: dict[str, Tensor], stage: Stage, keep_mask: Tensor | None) -> LossAndMetrics:
    """Box layers alone, against the truth on samples of one camera and their own start on others; nothing is masked."""
    present = inputs["present"]
    maps = model(*_crops(inputs)[:4], present)
    loss = box_loss(maps, inputs["box"], inputs["positive"], present, stage.anchor_weight)
    metrics = {"loss": loss.total, "box": loss.box, "anchor": loss.anchor, "iou": loss.iou}
    return loss.total, {name: value.detach() for name, value in metrics.items()}


STAGE_LOSSES: dict[str, Callable[..., LossAndMetrics]] = {
    "pretrain": pretrain_loss,
    "distil": distil_loss,
    "eliminate": eliminate_loss,
    "boxes": boxes_loss,
}


def _metrics(loss: TrackingLoss) -> dict[str, Tensor]:
    return {"loss": loss.total.detach(), "focal": loss.focal.detach(), "iou": loss.iou.detach()}


def _crops(inputs: dict[str, Tensor]) -> list[Tensor]:
    return [inputs[name] for name in ("template_rgb", "template_tir", "search_rgb", "search_tir", "template_box")]
