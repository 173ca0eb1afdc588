"""A Siamese student as it is exported: templates are encoded once for a target, not in every frame.

One graph does both. It takes crops of any size and the templates' features; it gives maps, and the crops' features.
Run on the templates it gives, as features, what it is fed with in every frame thereafter.

Shapes as in `siamese`; `side` is any multiple of 16 pixels, `cells` the sixteenth of it, `targets` the batch: so many
are looked for in the same images.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ckd_ros.network.siamese import CHANNELS
from ckd_ros.network.siamese_config import STRIDE, SiameseConfig
from ckd_ros.network.siamese_student import SiameseStudent

INPUTS = ("search_rgb", "search_tir", "template_features_rgb", "template_features_tir", "seen")
FEATURES = ("features_rgb", "features_tir")
SIDE, CELLS, TARGETS = "side", "cells", "targets"  # names of the graph's free dimensions
MIN_CELLS = 4  # of a crop


def example_inputs(config: SiameseConfig, seed: int = 0, targets: int = 1) -> tuple[Tensor, ...]:
    """Random inputs of a frame, in which both modalities are seen."""
    generator = torch.Generator().manual_seed(seed)
    sides, cells = (config.search_size,) * 2, (config.template_size // STRIDE,) * 2
    crops = (torch.randn(targets, 3, *sides, generator=generator) for _ in range(2))
    features = (torch.randn(targets, CHANNELS, *cells, generator=generator) for _ in range(2))
    return (*crops, *features, torch.ones(targets, 2))


def dynamic_shapes() -> dict[str, dict[int, Any]]:
    """The free dimensions of each input."""
    targets, side = torch.export.Dim(TARGETS), STRIDE * torch.export.Dim(CELLS, min=MIN_CELLS)
    return {name: {0: targets, **({2: side, 3: side} if name.startswith("search") else {})} for name in INPUTS}


class SiameseInference(nn.Module):
    """A student for export, on the CPU. The given student stays as it is."""

    def __init__(self, student: SiameseStudent):
        super().__init__()
        self.student = copy.deepcopy(student).cpu()
        (rgb, tir), coupling = (branch.backbone for branch in self.student.branches), self.student.coupling
        self.rgb_to_tir, self.tir_to_rgb = _chained(rgb.neck, coupling.to_tir), _chained(tir.neck, coupling.to_rgb)

    def forward(
        self,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_features_rgb: Tensor,
        template_features_tir: Tensor,
        seen: Tensor,
    ) -> tuple[Tensor, ...]:
        """Maps and exchanged features (B, C, cells, cells).

        Args:
            search_rgb, search_tir: normalised crops (B, 3, side, side).
            template_features_rgb, template_features_tir: what this gave for the templates (B, C, t, t).
            seen: (B, 2), 1 where the modality takes part, else 0.
        """
        seen = seen[:, :, None, None]
        rgb, tir = self.student.branches
        rgb_trunk, tir_trunk = rgb.backbone.trunk(search_rgb), tir.backbone.trunk(search_tir)
        both = seen[:, :1] * seen[:, 1:]
        searches = (
            rgb.backbone.neck(rgb_trunk) + both * self.tir_to_rgb(tir_trunk),
            tir.backbone.neck(tir_trunk) + both * self.rgb_to_tir(rgb_trunk),
        )
        templates = template_features_rgb, template_features_tir
        return (*self.student.match(templates, searches, seen).prediction, *searches)


def _chained(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Two pointwise convolutions as one, of less work where what lies between them is wider than what comes in."""
    inner, outer = first.weight.flatten(1), second.weight.flatten(1)
    chained = nn.Conv2d(first.in_channels, second.out_channels, 1)
    assert first.bias is not None and second.bias is not None and chained.bias is not None
    chained.weight.data = (outer @ inner)[:, :, None, None].detach()
    chained.bias.data = (outer @ first.bias + second.bias).detach()
    return chained
