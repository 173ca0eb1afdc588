"""The student rearranged for inference: the same numbers in less time. Parameters change their names and shapes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ckd_ros.network.branch import MLP, BranchOutput
from ckd_ros.network.head import TOWERS, CenterHead, Prediction, activated
from ckd_ros.network.student import CKDStudent


class InferenceStudent(nn.Module):
    """A student's maps alone, of one sample, for a graph. The student that it is made from stays as it is."""

    def __init__(self, student: CKDStudent):
        super().__init__()
        self.student = fold_batch_norm(student).cpu()
        self.student.box_head = JoinedHead(self.student.box_head)
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
        return self.student.box_head(*(branch._replace(tokens=branch.tokens.unsqueeze(0)) for branch in encoded))


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy in eval mode in which every convolution has taken in the BatchNorm that follows it."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return model


class JoinedHead(nn.Module):
    """A centre head (BatchNorm folded) whose towers run side by side.

    Their first convolutions read the same input and become one, the next ones its groups, and the last ones, of unequal
    widths, a block-diagonal one.
    """

    def __init__(self, head: CenterHead):
        super().__init__()
        self.head = head
        first, *middle, last = zip(*(head.tower(name) for name in TOWERS), strict=True)
        layers = [_joined([layer[0] for layer in first])]
        layers += [_joined([layer[0] for layer in same_depth], groups=len(TOWERS)) for same_depth in middle]
        self.layers = nn.ModuleList(layers)
        self.last = _joined(last)
        self.last.weight = nn.Parameter(torch.block_diag(*(conv.weight.flatten(1) for conv in last))[..., None, None])

    def forward(self, *branches: BranchOutput) -> Prediction:
        """As `CenterHead.forward`."""
        x = self.head.search_map(*branches)
        for layer in self.layers:
            x = F.relu(layer(x))
        return activated(*self.last(x).split(tuple(TOWERS.values()), dim=1))


def _joined(convolutions: Sequence[nn.Conv2d], groups: int = 1) -> nn.Conv2d:
    """Convolutions of the same geometry as one: over one input, or each over its group of the channels."""
    one, width = convolutions[0], sum(conv.out_channels for conv in convolutions)
    joined = nn.Conv2d(groups * one.in_channels, width, one.kernel_size, padding=one.padding, groups=groups)
    joined.weight = nn.Parameter(torch.cat([conv.weight for conv in convolutions]))
    joined.bias = nn.Parameter(torch.cat([conv.bias for conv in convolutions]))
    return joined


class FusableGelu(nn.Module):
    """The exact GELU with its factors in the order in which ONNX Runtime knows it, and runs it as one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5
