"""The networks that track: the two-modality CKD student, and the single-modality tracker it starts from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd_ros.network.branch import Branch, BranchOutput
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.elimination import candidate_scores, keep_best, restore, take
from ckd_ros.network.head import CenterHead, Prediction


class StudentOutput(NamedTuple):
    prediction: Prediction
    rgb: BranchOutput
    tir: BranchOutput


class CKDStudent(nn.Module):
    """An RGB and a thermal branch, coupled by candidate elimination only, fused in one centre head."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.config = config
        self.rgb_branch = Branch(config)
        self.tir_branch = Branch(config)
        self.box_head = CenterHead(config, modalities=2)

    def forward(
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> StudentOutput:
        """Normalised crops (B, 3, S, S) to maps and features.

        template_box (B, 4) and keep_mask (B, Nx), the same for both modalities, as in `Branch.embed`.
        """
        rgb, tir = self._encode(
            self.rgb_branch.embed(template_rgb, search_rgb, template_box, keep_mask),
            self.tir_branch.embed(template_tir, search_tir, template_box, keep_mask),
        )
        return StudentOutput(self.box_head(rgb, tir), rgb, tir)

    def _encode(self, *embedded: tuple[Tensor, Tensor | None]) -> list[BranchOutput]:
        """Embedded tokens and skips of both branches through their blocks, in lockstep for the elimination."""
        config, branches = self.config, (self.rgb_branch, self.tir_branch)
        eliminate = dict(zip(config.elimination_blocks, config.kept_tokens, strict=True)) if config.elimination else {}
        Nz, Nx = config.template_grid**2, config.search_grid**2
        tokens = [x for x, _ in embedded]  # per branch (B, Nz + n, D), n = Nx until the first elimination
        kept: list[Tensor | None] = [None, None]  # per branch (B, n): places of the search tokens that are left
        blocks: tuple[list[Tensor], list[Tensor]] = ([], [])

        for i in range(config.depth):
            query = config.template_centre if i in eliminate else None
            attended = [branch.blocks[i].attend(x, query) for branch, x in zip(branches, tokens, strict=True)]
            tokens = [x for x, _ in attended]
            if i in eliminate:
                scores = candidate_scores([row[:, :, Nz:] for _, row in attended], config.elimination)
                for b, score in enumerate(scores):
                    best = keep_best(score, eliminate[i])
                    tokens[b] = torch.cat([tokens[b][:, :Nz], take(tokens[b][:, Nz:], best)], dim=1)
                    kept[b] = best if kept[b] is None else kept[b].gather(1, best)
            tokens = [branch.blocks[i].feed_forward(x) for branch, x in zip(branches, tokens, strict=True)]
            for b, x in enumerate(tokens):
                blocks[b].append(x)

        outputs = []
        for b, branch in enumerate(branches):
            x = branch.norm(tokens[b])
            if kept[b] is not None:
                x = torch.cat([x[:, :Nz], restore(x[:, Nz:], kept[b], Nx)], dim=1)
            outputs.append(BranchOutput(blocks[b], x, embedded[b][1]))
        return outputs


class SingleModalityTracker(nn.Module):
    """One branch with its own head: a teacher, and what all branches and heads start from."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.config = config
        self.backbone = Branch(config)
        self.box_head = CenterHead(config, modalities=1)

    def forward(self, template: Tensor, search: Tensor, template_box: Tensor | None = None) -> Prediction:
        """Normalised crops (B, 3, S, S) of one modality to maps."""
        return self.box_head(self.backbone(template, search, template_box))
