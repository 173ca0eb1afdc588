"""The stage `boxes`: the box layers of Siamese branches learn from real videos of one camera, and nothing else changes.

Those are each branch's `box_correlation` and `box_tower`; where the branches see the target stays as it is. Samples of
one camera say what the sides are. Samples with both hold them to what they were: composed scenes are there for what the
videos do not show, but their boxes are not worth learning. Shapes as in `network.siamese`.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd_ros.network.head import PROBABILITY_FLOOR
from ckd_ros.network.siamese import SiameseBranch
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import Pair, SiameseStudent, to_prediction
from ckd_ros.training.losses import dense_weight, generalised_iou, to_xyxy, weighted_mean

_LEAST_OVERLAP = 1e-3  # the IoU below which a box gets no worse
_SIZE_WEIGHT = 0.5  # of the log errors of width and height, beside the overlap


class BoxMaps(NamedTuple):
    """What the box layers of one branch say: log distances (B, 4, g, g) as `SiameseOutput`'s."""

    log_sides: Tensor
    start: Tensor  # the same as the layers at the start say it


class BoxLoss(NamedTuple):
    """`total = box + anchor_weight * anchor`; `iou` is the mean IoU of the boxes that are learned from, for the log."""

    total: Tensor
    box: Tensor
    anchor: Tensor
    iou: Tensor


class StartLayers(nn.Module):
    """A branch's box layers as they are now. They are held as buffers outside of the state dict: no weights to keep."""

    def __init__(self, branch: SiameseBranch):
        super().__init__()
        self.box_correlation, self.box_tower = copy.deepcopy((branch.box_correlation, branch.box_tower))
        for module in self.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)


class BoxStudent(SiameseStudent):
    """A student whose box layers learn. Its weights are a student's."""

    def __init__(self, config: SiameseConfig):
        super().__init__(config)
        self.hold_start()

    def hold_start(self) -> None:
        """Take the box layers as they are now for those of the start."""
        self.start_rgb, self.start_tir = map(StartLayers, self.branches)

    def forward(  # type: ignore[override]  # box layers alone
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        present: Tensor,
    ) -> tuple[BoxMaps, BoxMaps]:
        """Normalised crops (B, 3, S, S) to both branches' maps, colour first; present (B, 2) bool: the modalities that
        each sample has."""
        with torch.no_grad():  # what the box layers read stays as it is
            seen = present[:, :, None, None].to(template_rgb.dtype)
            templates = self.coupling.exchange(*self._features((template_rgb, template_tir), present), seen)
            searches = self.coupling.exchange(*self._features((search_rgb, search_tir), present), seen)
            searches = self._eliminate(templates, searches)
            held = [
                _log_sides(*every) for every in zip((self.start_rgb, self.start_tir), templates, searches, strict=True)
            ]
        found = [_log_sides(*every) for every in zip(self.branches, templates, searches, strict=True)]
        return BoxMaps(found[0], held[0]), BoxMaps(found[1], held[1])

    def _features(self, crops: Pair, present: Tensor) -> Pair:
        """Features of crops as `encode` has them; those of absent modalities, all zero, are computed once."""
        found = []
        for branch, crop, has in zip(self.branches, crops, present.T, strict=True):
            features = branch.features(torch.cat([crop[has], torch.zeros_like(crop[:1])]))
            found.append(features[torch.where(has, has.cumsum(0) - 1, len(features) - 1)])
        return found[0], found[1]


def freeze_all_but_boxes(student: SiameseStudent) -> list[nn.Parameter]:
    """Freezes a student except its branches' box layers, whose parameters are returned."""
    student.requires_grad_(False)
    layers = [layer for branch in student.branches for layer in (branch.box_correlation, branch.box_tower)]
    return [parameter for layer in layers for parameter in layer.requires_grad_(True).parameters()]


def box_loss(
    output: tuple[BoxMaps, BoxMaps], boxes: Tensor, valid: Tensor, present: Tensor, anchor_weight: float
) -> BoxLoss:
    """How far boxes are off where one camera sees the target, and how far they went from the start where both do.

    boxes (B, 4), valid (B,) and the cells that count: as in dense regression (`tracking_loss`). present (B, 2) bool.
    box: -log IoU and half of the absolute log errors of width and height, so that a size counts by its ratio to the
    true one (0.1 is about 10 %), whatever its pixels. anchor: mean absolute difference of the log sides (the same
    unit) to those of the start. Each is a weighted mean over cells, summed over the two branches.
    """
    both = present.all(1)
    cells = dense_weight(boxes, output[0].start.shape[-1]) * valid.reshape(-1, 1, 1)  # (B, g, g)
    held = cells * both.reshape(-1, 1, 1)
    parts = []
    for modality, (log_sides, start) in enumerate(output):
        learned = cells * (present[:, modality] & ~both).reshape(-1, 1, 1)
        predicted = to_prediction(log_sides[:, :1], log_sides).dense_boxes()  # their score is not asked
        box, iou = _box_errors(predicted, boxes[:, None, None])
        moved = (log_sides.float() - start.float()).abs().mean(1)
        means = ((box, learned), (moved, held), (iou.detach(), learned))
        parts.append(torch.stack([weighted_mean(*mean) for mean in means]))
    box, anchor, iou = torch.stack(parts).sum(0)
    return BoxLoss(box + anchor_weight * anchor, box, anchor, iou / len(output))


def _box_errors(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and IoU (B, g, g) of boxes (cx, cy, w, h) (B, g, g, 4) against the truth (x, y, w, h) (B, 1, 1, 4)."""
    corners = torch.cat([truth[..., :2], truth[..., :2] + truth[..., 2:]], dim=-1)
    iou = generalised_iou(to_xyxy(predicted), corners)[0]
    sizes = (predicted[..., 2:] / truth[..., 2:].clamp(min=PROBABILITY_FLOOR)).log().abs().sum(-1)
    return _SIZE_WEIGHT * sizes - iou.clamp(min=_LEAST_OVERLAP).log(), iou


def _log_sides(layers: SiameseBranch | StartLayers, template: Tensor, search: Tensor) -> Tensor:
    """Template features (B, C, t, t) and search features (B, C, g, g) to log sides (B, 4, g, g)."""
    log_sides: Tensor = layers.box_tower(layers.box_correlation(template, search))[1]
    return log_sides
