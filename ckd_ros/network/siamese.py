"""A Siamese branch: a small convolutional backbone, correlation of template and search features, and a box head.

Layer for layer FEAR-XS (Borsuk et al., "FEAR: Fast, Efficient, Accurate and Robust Visual Tracker", ECCV 2022; MIT),
with BatchNorm folded into its convolutions: a branch can start from a tracker that has seen millions of frames,
matching included, and CKD couples two of them.

Shapes: `B` batch, `C` channels (256), `t` and `g` cells a side of template and search region: their sizes over 16. Cell
`k` lies at `k / g` of the search crop, as in the centre head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_ros.network.siamese_config import STRIDE, SiameseConfig

CHANNELS = 256
_STEM = 16
# kernel, width inside (0: no expansion), channels out, stride
_BLOCKS = (
    (3, 0, 16, 1),
    (3, 96, 24, 2),
    (3, 0, 24, 1),
    (3, 0, 24, 1),
    (5, 144, 32, 2),
    (5, 96, 32, 1),
    (5, 192, 32, 1),
    (3, 192, 32, 1),
    (5, 192, 64, 2),
    (5, 192, 64, 1),
    (5, 384, 64, 1),
    (5, 384, 64, 1),
    (5, 384, 112, 1),
    (5, 672, 112, 1),
    (5, 672, 112, 1),
    (5, 336, 112, 1),
)


class SiameseOutput(NamedTuple):
    """What one branch computed."""

    blocks: list[Tensor]  # what style and content are taken from, (B, N, C): search features, both correlations
    scores: Tensor  # (B, C, g, g) features of the score, before the tower's last layer
    logits: Tensor  # (B, 1, g, g) that the cell lies in the target
    log_sides: Tensor  # (B, 4, g, g) log distances from the cell to left, top, right, bottom, in crop pixels


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where its shape allows."""

    def __init__(self, kernel: int, width_in: int, width: int, width_out: int, stride: int):
        super().__init__()
        self.residual = stride == 1 and width_in == width_out
        self.expand = nn.Conv2d(width_in, width, 1) if width else None
        width = width or width_in
        self.depthwise = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width)
        self.project = nn.Conv2d(width, width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu(self.expand(x))
        projected: Tensor = self.project(F.relu(self.depthwise(y)))
        return x + projected if self.residual else projected


class Backbone(nn.Module):
    """(B, 3, S, S) crop to (B, C, S / 16, S / 16) features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STEM, 3, 2, 1)
        blocks, width = [], _STEM
        for kernel, inside, out, stride in _BLOCKS:
            blocks.append(InvertedResidual(kernel, width, inside, out, stride))
            width = out
        self.blocks = nn.ModuleList(blocks)
        self.neck = nn.Conv2d(width, CHANNELS, 1)

    def trunk(self, x: Tensor) -> Tensor:
        """What the neck reads."""
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.neck(self.trunk(x))
        return features


class SeparableConv(nn.Module):
    """A depthwise 3x3 and a pointwise convolution."""

    def __init__(self, width_in: int, width_out: int, bias: bool = True):
        super().__init__()
        self.depthwise = nn.Conv2d(width_in, width_in, 3, 1, 1, groups=width_in, bias=bias)
        self.pointwise = nn.Conv2d(width_in, width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.pointwise(self.depthwise(x))
        return mixed


class Correlation(nn.Module):
    """Search features (B, C, g, g) joined with their similarity to every cell of template features (B, C, t, t)."""

    def __init__(self, template_cells: int):
        super().__init__()
        self.encode = SeparableConv(CHANNELS, CHANNELS, bias=False)
        self.join = SeparableConv(CHANNELS + template_cells, CHANNELS)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        search = F.relu(self.encode(search))
        similar = template.flatten(2).transpose(1, 2) @ search.flatten(2)
        similar = similar.reshape(search.shape[0], -1, *search.shape[-2:])
        joined: Tensor = F.relu(self.join(torch.cat([search, similar], dim=1)))
        return joined


class Tower(nn.Module):
    """Separable convolutions from correlation features to a map."""

    def __init__(self, channels_out: int):
        super().__init__()
        self.first, self.second = SeparableConv(CHANNELS, CHANNELS), SeparableConv(CHANNELS, CHANNELS)
        self.last = SeparableConv(CHANNELS, channels_out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features (B, C, g, g) before the last layer, and the map."""
        x = F.relu(self.second(F.relu(self.first(x))))
        return x, self.last(x)


class SiameseBranch(nn.Module):
    """One modality: features of a crop, and the match of template and search features."""

    def __init__(self, config: SiameseConfig):
        super().__init__()
        cells = (config.template_size // STRIDE) ** 2
        self.backbone = Backbone()
        self.score_correlation, self.box_correlation = Correlation(cells), Correlation(cells)
        self.score_tower, self.box_tower = Tower(1), Tower(4)

    def features(self, crop: Tensor) -> Tensor:
        """Normalised crop (B, 3, S, S) to features (B, C, S / 16, S / 16)."""
        features: Tensor = self.backbone(crop)
        return features

    def match(self, template: Tensor, search: Tensor) -> SiameseOutput:
        """Template features (B, C, t, t) and search features (B, C, g, g) to maps."""
        score, box = self.score_correlation(template, search), self.box_correlation(template, search)
        blocks = [x.flatten(2).transpose(1, 2) for x in (search, score, box)]
        scores, logits = self.score_tower(score)
        return SiameseOutput(blocks, scores, logits, self.box_tower(box)[1])
