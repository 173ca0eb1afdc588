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
from ckd_ros.network.networks import Student
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.network.siamese import SiameseBranch, SiameseOutput
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import SiameseStudent, branch_prediction
from ckd_ros.network.student import CKDStudent
from ckd_ros.training.losses import (
    CONTENT_WEIGHT,
    PAPER_LABELS,
    STYLE_WEIGHT,
    Labels,
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
    student_branches: tuple[BranchOutput | SiameseOutput, BranchOutput | SiameseOutput]  # RGB, thermal
    teacher_branches: tuple[BranchOutput | SiameseOutput, BranchOutput | SiameseOutput]


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


class SiameseDistillation(SiameseStudent):
    """A Siamese student with its teachers, each a branch of its own. Trained without elimination."""

    def __init__(self, config: SiameseConfig):
        super().__init__(config.with_elimination(None))
        self.teacher_rgb = SiameseBranch(config)
        self.teacher_tir = SiameseBranch(config)

    def forward(  # type: ignore[override]  # more than the student's output: the teachers' too
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> DistillationOutput:
        """As `CKDDistillation.forward`."""
        features = self.encode((template_rgb, template_tir), (search_rgb, search_tir))
        student = self.couple(features, keep_mask)
        learning = any(parameter.requires_grad for parameter in self.rgb_branch.parameters())
        if learning:
            teachers = self.teacher_rgb, self.teacher_tir
            rgb, tir = (
                teacher.match(teacher.features(template), teacher.features(search))
                for teacher, template, search in zip(
                    teachers, (template_rgb, template_tir), (search_rgb, search_tir), strict=True
                )
            )
        else:  # branches that stay as they are have nothing else to learn from than themselves without the other
            rgb, tir = (
                branch.match(template, search)
                for branch, template, search in zip(self.branches, features.templates, features.searches, strict=True)
            )
        return DistillationOutput(
            student=student.prediction,
            teacher_rgb=branch_prediction(rgb),
            teacher_tir=branch_prediction(tir),
            student_branches=(student.rgb, student.tir),
            teacher_branches=(rgb, tir),
        )


Distillation = CKDDistillation | SiameseDistillation


def make_distillation(config: NetworkConfig) -> Distillation:
    """Students and teachers of a configuration, with random weights."""
    return CKDDistillation(config) if isinstance(config, CKDConfig) else SiameseDistillation(config)


def distillation_loss(
    output: DistillationOutput,
    boxes: Tensor,
    valid: Tensor | None = None,
    labels: Labels = PAPER_LABELS,
    weights: tuple[float, float] = (STYLE_WEIGHT, CONTENT_WEIGHT),
    present: Tensor | None = None,
    teachers_learn: bool = True,
) -> DistillationLoss:
    """The sum of three tracking losses, style and content (method: paper equation 6); arguments as `tracking_loss`.

    weights: of style and content. present (B, 2) bool: the modalities that each sample has; a teacher learns from the
    samples that have its own. teachers_learn: without, their tracking losses are not part of the total.
    """
    student = tracking_loss(output.student, boxes, valid, labels)
    teachers = []
    for modality, maps in enumerate((output.teacher_rgb, output.teacher_tir)):
        seen = slice(None) if present is None else present[:, modality]
        maps = Prediction(*(m[seen] for m in maps))
        teachers.append(tracking_loss(maps, boxes[seen], None if valid is None else valid[seen], labels))
    rgb, tir = (branch.blocks for branch in output.student_branches)
    rgb_teacher, tir_teacher = (branch.blocks for branch in output.teacher_branches)
    style = style_loss(rgb, tir)
    content = content_loss(rgb, rgb_teacher) + content_loss(tir, tir_teacher)
    tracking = student.total + teachers[0].total + teachers[1].total if teachers_learn else student.total
    total = tracking + weights[0] * style + weights[1] * content
    return DistillationLoss(total, student, teachers[0], teachers[1], style, content)


def random_keep_mask(batch: int, tokens: int, mask_ratio: float, generator: torch.Generator | None = None) -> Tensor:
    """A mask (batch, tokens), False for the masked ones: `mask_ratio` of every sample's search tokens, at random."""
    order = torch.rand(batch, tokens, generator=generator).argsort(1).argsort(1)
    return order >= int(mask_ratio * tokens)


def freeze_teachers(model: Distillation) -> None:
    """They stay as they are and only say what a student's content should be."""
    for name, module in model.named_children():
        if name.startswith(("teacher_", "box_head_")):
            module.requires_grad_(False)


def freeze_all_but_head(student: Student) -> list[nn.Parameter]:
    """Stage 2: freezes the branches and puts them in eval mode; returns the parameters that are trained, the head's.

    Call it after every `student.train()`, which puts the branches' drop path and BatchNorm back in training mode.
    """
    for branch in student.branches:
        branch.requires_grad_(False)
        branch.eval()
    return [parameter for parameter in student.parameters() if parameter.requires_grad]
