"""Stage 1's network: two students and their two teachers, coupled by the style and content losses.

Source: paper section 3.2; names as in the authors' training checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd_ros.network.branch import Branch, BranchOutput
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.head import CenterHead, Prediction
from ckd_ros.network.student import CKDStudent
from ckd_ros.training.losses import (
    CONTENT_WEIGHT,
    STYLE_WEIGHT,
    TrackingLoss,
    content_loss,
    style_loss,
    tracking_loss,
)


class DistillationOutput(NamedTuple):
    """Maps and features of all four branches over the same crops."""

    student: Prediction
    teacher_rgb: Prediction
    teacher_tir: Prediction
    student_branches: tuple[BranchOutput, BranchOutput]  # RGB, thermal
    teacher_branches: tuple[BranchOutput, BranchOutput]


class DistillationLoss(NamedTuple):
    """`total` is what is minimised; the parts are before their weights."""

    total: Tensor
    student: TrackingLoss
    teacher_rgb: TrackingLoss
    teacher_tir: TrackingLoss
    style: Tensor
    content: Tensor


class CKDDistillation(CKDStudent):
    """The student with its teachers. Trained without elimination, whatever the configuration says."""

    def __init__(self, config: CKDConfig):
        super().__init__(config.with_elimination(None))
        self.teacher_rgb = Branch(config)
        self.teacher_tir = Branch(config)
        self.box_head_v = CenterHead(config, modalities=1)
        self.box_head_i = CenterHead(config, modalities=1)

    def forward(  # type: ignore[override]  # more than the student's output: the teachers' too
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> DistillationOutput:
        """Teachers and students on the same crops; arguments as `CKDStudent`'s. Only the students are masked."""
        student = super().forward(template_rgb, template_tir, search_rgb, search_tir, template_box, keep_mask)
        rgb = self.teacher_rgb(template_rgb, search_rgb, template_box)
        tir = self.teacher_tir(template_tir, search_tir, template_box)
        return DistillationOutput(
            student=student.prediction,
            teacher_rgb=self.box_head_v(rgb),
            teacher_tir=self.box_head_i(tir),
            student_branches=(student.rgb, student.tir),
            teacher_branches=(rgb, tir),
        )


def distillation_loss(
    output: DistillationOutput,
    boxes: Tensor,
    valid: Tensor | None = None,
    regression: str = "peak",
    style_weight: float = STYLE_WEIGHT,
    content_weight: float = CONTENT_WEIGHT,
    present: Tensor | None = None,
) -> DistillationLoss:
    """The sum of three tracking losses, style and content (method: paper equation 6); arguments as `tracking_loss`.

    present (B, 2) bool: the modalities that each sample has; a teacher learns from the samples that have its own.
    """
    student = tracking_loss(output.student, boxes, valid, regression)
    teachers = []
    for modality, maps in enumerate((output.teacher_rgb, output.teacher_tir)):
        seen = slice(None) if present is None else present[:, modality]
        maps = Prediction(*(m[seen] for m in maps))
        teachers.append(tracking_loss(maps, boxes[seen], None if valid is None else valid[seen], regression))
    rgb, tir = (branch.blocks for branch in output.student_branches)
    rgb_teacher, tir_teacher = (branch.blocks for branch in output.teacher_branches)
    style = style_loss(rgb, tir)
    content = content_loss(rgb, rgb_teacher) + content_loss(tir, tir_teacher)
    tracking = student.total + teachers[0].total + teachers[1].total
    total = tracking + style_weight * style + content_weight * content
    return DistillationLoss(total, student, teachers[0], teachers[1], style, content)


def random_keep_mask(batch: int, tokens: int, mask_ratio: float, generator: torch.Generator | None = None) -> Tensor:
    """A mask (batch, tokens), False for the masked ones: `mask_ratio` of every sample's search tokens, at random."""
    order = torch.rand(batch, tokens, generator=generator).argsort(1).argsort(1)
    return order >= int(mask_ratio * tokens)


def freeze_all_but_head(student: CKDStudent) -> list[nn.Parameter]:
    """Stage 2: freezes the branches and puts them in eval mode; returns the head's parameters, which are trained.

    Call it after every `student.train()`, which puts the branches' drop path and BatchNorm back in training mode.
    """
    for branch in student.branches:
        branch.requires_grad_(False)
        branch.eval()
    return list(student.box_head.parameters())
