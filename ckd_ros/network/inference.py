"""The student rearranged for inference: the same maps in less time. Parameters change their names and shapes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ckd_ros.network.branch import MLP, BranchOutput
from ckd_ros.network.head import TOWERS, CenterHead, Prediction, activated
from ckd_ros.network.student import CKDStudent

M = TypeVar("M", bound=nn.Module)


class InferenceStudent(nn.Module):
    """A student that computes the maps of one sample alone, for export. The given student stays as it is."""

    def __init__(self, student: CKDStudent):
        super().__init__()
        self.student = fold_batch_norm(student).cpu()
        self.head = JoinedHead(self.student.box_head)
        for module in self.student.modules():
            if isinstance(module, MLP):
                module.act = FusableGelu()

    def forward(
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
    ) -> Prediction:
        """As `CKDStudent.predict`, for one sample.

        Without the batch's axis in the transformer its matrix products are plain ones: ONNX Runtime would wrap each in
        two reshapes, and keep the transpositions of queries, keys and values.
        """
        crops = (template_rgb, template_tir), (search_rgb, search_tir)
        embedded = self.student.embed(*crops, template_box)
        encoded = self.student.encode(*((tokens.squeeze(0), skip) for tokens, skip in embedded), search_only=True)
        maps: Prediction = self.head(*(branch._replace(tokens=branch.tokens.unsqueeze(0)) for branch in encoded))
        return maps


def fold_batch_norm(model: M) -> M:
    """A copy in eval mode in which every BatchNorm is folded into the convolution before it."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1:
            conv, norm = module[0], module[1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0], module[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return model


class JoinedHead(nn.Module):
    """A centre head (BatchNorm folded) whose towers run side by side.

    Their first convolutions read the same input and become one, the next ones its groups, and the last ones, of unequal
    widths, a block-diagonal one.
    """

    def __init__(self, head: CenterHead):
        super().__init__()
        self.head = head
        first, *middle, last = zip(*(_convolutions(head.tower(name)) for name in TOWERS), strict=True)
        layers = [_joined(first), *(_joined(same_depth, groups=len(TOWERS)) for same_depth in middle)]
        self.layers = nn.ModuleList(layers)
        self.last = _joined(last)
        kernels: Tensor = torch.block_diag(*(conv.weight.flatten(1) for conv in last))  # type: ignore[no-untyped-call]
        self.last.weight = nn.Parameter(kernels[..., None, None])

    def forward(self, *branches: BranchOutput) -> Prediction:
        """As `CenterHead.forward`."""
        x = self.head.search_map(*branches)
        for layer in self.layers:
            x = F.relu(layer(x))
        return activated(*self.last(x).split(tuple(TOWERS.values()), dim=1))


def _convolutions(tower: list[nn.Module]) -> list[nn.Conv2d]:
    """The convolutions of a head's tower, first to last."""
    return [module for layer in tower for module in layer.modules() if isinstance(module, nn.Conv2d)]


def _joined(convolutions: Sequence[nn.Conv2d], groups: int = 1) -> nn.Conv2d:
    """Convolutions of the same kernel size as one: over one input, or each over its group of the channels."""
    width, side = sum(conv.out_channels for conv in convolutions), convolutions[0].kernel_size[0]
    joined = nn.Conv2d(groups * convolutions[0].in_channels, width, side, padding=side // 2, groups=groups)
    joined.weight = nn.Parameter(torch.cat([conv.weight for conv in convolutions]))
    joined.bias = nn.Parameter(torch.cat([conv.bias for conv in convolutions if conv.bias is not None]))
    return joined


class FusableGelu(nn.Module):
    """The exact GELU with its factors in the order in which ONNX Runtime knows it, and runs it as one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5
