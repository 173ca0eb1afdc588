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
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
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

    @classmethod
    def from_pretrained(cls, tracker: SingleModalityTracker) -> CKDDistillation:
        """All four branches and all heads start from one single-modality tracker (see `start_from_tracker`)."""
        model = cls(tracker.config)
        model.start_from_tracker(tracker.state_dict())
        return model

    def forward(
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> DistillationOutput:
        """Teachers and students on the same crops; arguments as `CKDStudent`'s. Only the students are masked."""
        student, *students = super().forward(
            template_rgb, template_tir, search_rgb, search_tir, template_box, keep_mask
        )
        rgb = self.teacher_rgb(template_rgb, search_rgb, template_box)
        tir = self.teacher_tir(template_tir, search_tir, template_box)
        return DistillationOutput(student, self.box_head_v(rgb), self.box_head_i(tir), tuple(students), (rgb, tir))

    def student_state(self) -> dict[str, Tensor]:
        """The state dict of the student alone, for a `CKDStudent` of the same preset."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if name.startswith(("rgb_branch.", "tir_branch.", "box_head."))
        }


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

    present (B, 2) says which modalities each sample has: a teacher learns from the samples that show it something.
    """
    heads = [tracking_loss(output.student, boxes, valid, regression)]
    for modality, maps in enumerate((output.teacher_rgb, output.teacher_tir)):
        seen = slice(None) if present is None else present[:, modality]
        maps = Prediction(*(m[seen] for m in maps))
        heads.append(tracking_loss(maps, boxes[seen], None if valid is None else valid[seen], regression))
    rgb, tir = output.student_branches
    style = style_loss(rgb.blocks, tir.blocks)
    content = sum(
        content_loss(student.blocks, teacher.blocks)
        for student, teacher in zip(output.student_branches, output.teacher_branches, strict=True)
    )
    total = sum(head.total for head in heads) + style_weight * style + content_weight * content
    return DistillationLoss(total, *heads, style, content)


def random_keep_mask(batch: int, tokens: int, hidden: float = 0.25, generator: torch.Generator | None = None) -> Tensor:
    """A mask (batch, tokens) that hides the same number of search tokens, at fresh places, in every sample."""
    order = torch.rand(batch, tokens, generator=generator).argsort(1).argsort(1)
    return order >= int(hidden * tokens)


def freeze_all_but_head(student: CKDStudent) -> list[nn.Parameter]:
    """Stage 2: freezes the branches and puts them in eval mode; returns the head's parameters to train.

    To be called after every `student.train()`, which would wake the branches' drop path and BatchNorm.
    """
    for branch in student.branches:
        branch.requires_grad_(False)
        branch.eval()
    return list(student.box_head.parameters())
