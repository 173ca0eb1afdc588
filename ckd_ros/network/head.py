"""The centre head: where the target's centre is, how large the target is, and the centre's sub-cell offset.

Source: paper section 3.1; layer names as in the authors' checkpoints (`conv1_ctr.0` convolution, `.1` BatchNorm).
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_ros.network.branch import SKIP_DIM, BranchOutput
from ckd_ros.network.config import CKDConfig

PROBABILITY_FLOOR = 1e-4
PRIOR_SCORE_LOGIT = -2.19  # sigmoid = 0.1: without it the focal loss of the empty cells dominates the first steps


class Prediction(NamedTuple):
    """The head's maps, activated. Sizes and centres are fractions of the search crop."""

    score_map: Tensor  # (B, 1, G, G) in [1e-4, 1 - 1e-4]
    size_map: Tensor  # (B, 2, G, G) width, height, in [1e-4, 1 - 1e-4]
    offset_map: Tensor  # (B, 2, G, G) x, y of the centre relative to the cell's index, in cells

    def boxes(self) -> Tensor:
        """The box at the score's peak, (B, 4), as `(cx, cy, w, h)` in fractions of the search crop."""
        G = self.score_map.shape[-1]
        peak = self.score_map.flatten(1).argmax(1)  # (B,)
        index = peak.reshape(-1, 1, 1).expand(-1, 2, 1)
        size = self.size_map.flatten(2).gather(2, index).squeeze(2)  # (B, 2)
        offset = self.offset_map.flatten(2).gather(2, index).squeeze(2)
        cell = torch.stack([peak % G, torch.div(peak, G, rounding_mode="floor")], dim=1)
        return torch.cat([(cell + offset) / G, size], dim=1)

    def dense_boxes(self) -> Tensor:
        """The box that every cell predicts, (B, G, G, 4), as `(cx, cy, w, h)` in fractions of the search crop."""
        G = self.score_map.shape[-1]
        axis = torch.arange(G, dtype=self.offset_map.dtype, device=self.offset_map.device)
        cell = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))  # (2, G, G): x, y
        return torch.cat([(cell + self.offset_map) / G, self.size_map], dim=1).permute(0, 2, 3, 1)


class Neck(nn.Module):
    """Search tokens upsampled twofold, joined with the conv stem's stride-8 features."""

    def __init__(self, token_dim: int, skip_dim: int, width: int):
        super().__init__()
        self.tokens = nn.Conv2d(token_dim, width, 1, bias=False)
        self.skip = nn.Conv2d(skip_dim, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, tokens: Tensor, skip: Tensor) -> Tensor:
        """tokens (B, C, g, g), skip (B, S, 2g, 2g) -> (B, width, 2g, 2g)."""
        upsampled = F.interpolate(self.tokens(tokens), scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.relu(self.norm(upsampled + self.skip(skip)))


TOWERS = {"ctr": 1, "offset": 2, "size": 2}  # name in the checkpoints -> channels of its map


class CenterHead(nn.Module):
    """Three convolutional towers on the search tokens of `modalities` branches joined on the channel axis."""

    def __init__(self, config: CKDConfig, modalities: int):
        super().__init__()
        self.grid = config.search_grid
        dim = modalities * config.embed_dim
        self.neck = None
        if config.neck_dim is not None:
            self.neck = Neck(dim, modalities * SKIP_DIM, config.neck_dim)
            dim = config.neck_dim
        for tower, outputs in TOWERS.items():
            widths = (dim, *config.head_channels)
            for k, (width_in, width_out) in enumerate(zip(widths, widths[1:], strict=False), start=1):
                setattr(self, f"conv{k}_{tower}", self._layer(width_in, width_out))
            setattr(self, f"conv{len(widths)}_{tower}", nn.Conv2d(widths[-1], outputs, 1))
        self.layers = len(config.head_channels) + 1
        nn.init.constant_(getattr(self, f"conv{self.layers}_ctr").bias, PRIOR_SCORE_LOGIT)

    @staticmethod
    def _layer(width_in: int, width_out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width_in, width_out, 3, 1, 1), nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))

    def tower(self, name: str) -> list[nn.Module]:
        """Layers of one tower, first to last."""
        return [getattr(self, f"conv{k}_{name}") for k in range(1, self.layers + 1)]

    def search_map(self, *branches: BranchOutput) -> Tensor:
        """The search tokens of all branches as one map (B, C, G, G), which the towers read."""
        search = torch.cat([branch.tokens[:, -(self.grid**2) :] for branch in branches], dim=-1)  # (B, Nx, m * D)
        x = search.transpose(1, 2).reshape(len(search), -1, self.grid, self.grid)  # (B, m * D, g, g)
        if self.neck is not None:
            skips = [branch.skip for branch in branches if branch.skip is not None]
            x = self.neck(x, torch.cat(skips, dim=1))
        return x

    def forward(self, *branches: BranchOutput) -> Prediction:
        """The outputs of as many branches as the head has modalities, all over the same search crop, to maps."""
        x = self.search_map(*branches)
        return activated(*(reduce(lambda y, layer: layer(y), self.tower(name), x) for name in TOWERS))


def activated(score: Tensor, offset: Tensor, size: Tensor) -> Prediction:
    """The towers' maps, in the order of `TOWERS`, activated."""
    # in half precision 1 - 1e-4 would round to 1 and the focal loss to infinity
    score, size = score.float().sigmoid(), size.float().sigmoid()
    return Prediction(
        score.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR),
        size.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR),
        offset.float(),
    )
