"""A Siamese branch: a small convolutional backbone, correlation of template and search features, and a box head.

Layer for layer NanoTrack V3 (Apache-2.0, https://github.com/HonglinChu/NanoTrack): MobileNetV3-small up to stride 16
with BatchNorm folded into its convolutions, and a head that correlates pixel by pixel and channel by channel. A branch
can therefore start from a tracker that has seen millions of frames, matching included, and CKD couples two of them.

Shapes: `B` batch, `C` channels (96), `g` = search size / 16 cells a side; the correlation has `g - 1`, each
between four of them. Crops are RGB in [0, 255].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_ros.network.siamese_config import STRIDE, SiameseConfig

CHANNELS = 96
# kernel, width inside, channels out, width of the squeeze-and-excitation (0: none), hard swish instead of ReLU, stride
_BLOCKS = (
    (3, 16, 16, 8, False, 2),
    (3, 72, 24, 0, False, 2),
    (3, 88, 24, 0, False, 1),
    (5, 96, 40, 24, True, 2),
    (5, 240, 40, 64, True, 1),
    (5, 240, 40, 64, True, 1),
    (5, 120, 48, 32, True, 1),
    (5, 144, 48, 40, True, 1),
    (5, 288, CHANNELS, 72, True, 1),
)
_STEM = 16
_TOWER_DEPTH = 6


class SiameseOutput(NamedTuple):
    """What one branch computed."""

    blocks: list[Tensor]  # what style and content are taken from, (B, N, C): search features, both correlations
    scores: Tensor  # (B, C, g - 1, g - 1) features of the classification
    logits: Tensor  # (B, 1, g - 1, g - 1) that the cell lies in the target
    log_sides: Tensor  # (B, 4, g - 1, g - 1) log distances from the cell to left, top, right, bottom, in crop pixels


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole crop holds."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.squeeze = nn.Conv2d(width, hidden, 1)
        self.excite = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    """MobileNetV3's block; in ReLU blocks squeeze-and-excitation follows the activation, in the others it precedes."""

    def __init__(self, kernel: int, width_in: int, width: int, width_out: int, hidden: int, swish: bool, stride: int):
        super().__init__()
        self.swish, self.residual = swish, stride == 1 and width_in == width_out
        self.expand = nn.Conv2d(width_in, width, 1) if width != width_in else None
        self.depthwise = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width)
        self.excitation = SqueezeExcitation(width, hidden) if hidden else nn.Identity()
        self.project = nn.Conv2d(width, width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        activation = F.hardswish if self.swish else F.relu
        y = x if self.expand is None else activation(self.expand(x))
        y = self.depthwise(y)
        y = activation(self.excitation(y)) if self.swish else self.excitation(activation(y))
        y = self.project(y)
        return x + y if self.residual else y


class MobileBackbone(nn.Module):
    """(B, 3, S, S) crop to (B, C, S / 16, S / 16) features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STEM, 3, 2, 1)
        blocks, width = [], _STEM
        for kernel, inside, out, hidden, swish, stride in _BLOCKS:
            blocks.append(InvertedResidual(kernel, width, inside, out, hidden, swish, stride))
            width = out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x


class PixelCorrelation(nn.Module):
    """Similarity of each template cell with each search cell: (B, C, t, t), (B, C, g, g) -> (B, t * t, g - 1, g - 1)."""

    def __init__(self, template_cells: int):
        super().__init__()
        self.template = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.search = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.squeeze = nn.Conv2d(template_cells, template_cells, 1)
        self.excite = nn.Conv2d(template_cells, template_cells, 1)
        self.between = nn.Conv2d(template_cells, template_cells, 2, groups=template_cells)
        self.mix = nn.Conv2d(template_cells, template_cells, 1)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        kernels = self.template(template).flatten(2).transpose(1, 2)  # (B, t * t, C)
        similar = (kernels @ self.search(search).flatten(2)).unflatten(2, search.shape[-2:])
        weight = torch.sigmoid(self.excite(F.relu(self.squeeze(similar.mean((2, 3), keepdim=True)))))
        mixed: Tensor = self.mix(F.relu6(self.between(similar * weight)))
        return mixed


class DepthwiseCorrelation(nn.Module):
    """The template's middle 4x4 cells as a kernel for every channel: -> (B, C, g - 1, g - 1)."""

    KERNEL = 4

    def __init__(self) -> None:
        super().__init__()
        self.template = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.search = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        margin, side = (template.shape[-1] - self.KERNEL) // 2, search.shape[-1] - 1
        middle = slice(margin, margin + self.KERNEL)
        kernel = self.template(template[..., middle, middle])
        x = F.pad(self.search(search), (1, 1, 1, 1))
        # As a sum of shifted products, which every runtime knows, not as a convolution whose weights are computed.
        taps = [
            kernel[..., i : i + 1, j : j + 1] * x[..., i : i + side, j : j + side]
            for i in range(self.KERNEL)
            for j in range(self.KERNEL)
        ]
        return torch.stack(taps).sum(0)


class Tower(nn.Module):
    """Separable convolutions from correlation features to a map."""

    def __init__(self, channels_out: int):
        super().__init__()
        layers = range(_TOWER_DEPTH)
        self.depthwise = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1, groups=CHANNELS) for _ in layers)
        self.pointwise = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in layers)
        self.out = nn.Conv2d(CHANNELS, channels_out, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features (B, C, ...) before the last layer, and the map."""
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = pointwise(F.relu6(depthwise(x)))
        return x, self.out(x)


class SiameseBranch(nn.Module):
    """One modality: features of a crop, and the match of template and search features."""

    def __init__(self, config: SiameseConfig):
        super().__init__()
        cells = (config.template_size // STRIDE) ** 2
        self.backbone = MobileBackbone()
        self.pixel_score, self.pixel_box = PixelCorrelation(cells), PixelCorrelation(cells)
        self.depth_score, self.depth_box = DepthwiseCorrelation(), DepthwiseCorrelation()
        self.join_score, self.join_box = (nn.Conv2d(cells + CHANNELS, CHANNELS, 1) for _ in range(2))
        self.score_tower, self.box_tower = Tower(1), Tower(4)

    def features(self, crop: Tensor) -> Tensor:
        """Crop (B, 3, S, S) to features (B, C, S / 16, S / 16)."""
        features: Tensor = self.backbone(crop)
        return features

    def match(self, template: Tensor, search: Tensor) -> SiameseOutput:
        """Template features (B, C, t, t) and search features (B, C, g, g) to maps."""
        pair = template, search
        score = self.join_score(torch.cat([self.pixel_score(*pair), self.depth_score(*pair)], dim=1))
        box = self.join_box(torch.cat([self.pixel_box(*pair), self.depth_box(*pair)], dim=1))
        blocks = [x.flatten(2).transpose(1, 2) for x in (search, score, box)]
        scores, logits = self.score_tower(score)
        return SiameseOutput(blocks, scores, logits, self.box_tower(box)[1])
