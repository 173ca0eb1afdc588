"""How far apart the two students' styles are, block by block: the modality gap that the style loss closes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ckd_ros.training.losses import style_loss


class ModalityGap(NamedTuple):
    """Both (L,), one figure a block."""

    distance: Tensor  # the block's term of the style loss: squared distance of channel means and standard deviations
    relative: Tensor  # the same over the mean square of those statistics: 0 alike, 2 unrelated, whatever the scale


@torch.no_grad()
def modality_gap(rgb_blocks: list[Tensor], tir_blocks: list[Tensor]) -> ModalityGap:
    """The gap of two students' block outputs, L tensors (B, N, D) each, over the same crops.

    The style loss (paper section 3.2) can be made small by shrinking the features; `relative` cannot.
    """
    distance, relative = [], []
    for rgb, tir in zip(rgb_blocks, tir_blocks, strict=True):
        distance.append(style_loss([rgb], [tir]))
        magnitude = sum((x.mean(1) ** 2 + x.std(1) ** 2).mean() for x in (rgb.float(), tir.float())) / 2
        relative.append(distance[-1] / magnitude)
    return ModalityGap(torch.stack(distance), torch.stack(relative))
