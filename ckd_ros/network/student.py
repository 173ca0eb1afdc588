"""The networks that track: the two-modality CKD student, and the single-modality tracker it starts from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd_ros.network.branch import Branch, BranchOutput
from ckd_ros.network.checkpoint import load_weights
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.elimination import candidate_scores, keep_best, restore, take
from ckd_ros.network.head import CenterHead, Prediction


class StudentOutput(NamedTuple):
    """Maps, and both branches' features."""

    prediction: Prediction
    rgb: BranchOutput
    tir: BranchOutput


class CKDStudent(nn.Module):
    """An RGB and a thermal branch, coupled by candidate elimination only, fused in one centre head.

    With `config.shared` there is one branch for both modalities, `rgb_branch`, and no `tir_branch`: each weight has one
    name, so that files, optimizers and averages hold it once. `branches` gives the two branches in either case.
    """

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.config = config
        self.rgb_branch = Branch(config)
        if not config.shared:
            self.tir_branch = Branch(config)
        self.box_head = CenterHead(config, modalities=2)

    @property
    def branches(self) -> tuple[Branch, Branch]:
        """The branch that sees colour and the one that sees thermal images."""
        return self.rgb_branch, self.rgb_branch if self.config.shared else self.tir_branch

    def init_from_tracker(self, tracker: dict[str, Tensor]) -> None:
        """Initialise all branches and all heads from one single-modality tracker's state dict, as in the paper.

        Where the fused head reads both modalities (the first convolution of each tower or, with a neck, the neck's
        convolutions), the tracker's kernel is repeated along the input channels, not halved: its BatchNorm adapts.
        Raises CheckpointError where the tracker does not fit.
        """
        state, unused = {}, dict(tracker)
        for name, own in self.state_dict().items():
            part, rest = name.split(".", 1)
            source = f"{'box_head' if part.startswith('box_head') else 'backbone'}.{rest}"
            if source in tracker:
                value = tracker[source]
                reads_both = part == "box_head" and value.shape != own.shape
                state[name] = torch.cat([value, value], dim=1) if reads_both else value
                unused.pop(source, None)
        state.update(unused)  # reported as unexpected
        load_weights(self, state)

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
        rgb, tir = self.encode(
            *self.embed((template_rgb, template_tir), (search_rgb, search_tir), template_box, keep_mask)
        )
        return StudentOutput(self.box_head(rgb, tir), rgb, tir)

    def predict(
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
    ) -> Prediction:
        """The maps of `forward`, computed without what they do not need: what a tracker runs.

        Nothing reads the template tokens after the last block has used their keys and values: the rest of that block
        and the final LayerNorm leave them out.
        """
        embedded = self.embed((template_rgb, template_tir), (search_rgb, search_tir), template_box)
        maps: Prediction = self.box_head(*self.encode(*embedded, search_only=True))
        return maps

    def embed(
        self,
        templates: tuple[Tensor, Tensor],
        searches: tuple[Tensor, Tensor],
        box: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Both modalities' crops to tokens and skips."""
        if not self.config.shared:
            pairs = zip(self.branches, templates, searches, strict=True)
            return [branch.embed(template, search, box, mask) for branch, template, search in pairs]
        # Together: a shared stem's BatchNorm must see in training the mixture that its running statistics describe.
        both = [None if x is None else torch.cat([x, x]) for x in (box, mask)]
        tokens, skip = self.rgb_branch.embed(torch.cat(templates), torch.cat(searches), *both)
        skips = (None, None) if skip is None else skip.chunk(2)
        return list(zip(tokens.chunk(2), skips, strict=True))

    def encode(self, *embedded: tuple[Tensor, Tensor | None], search_only: bool = False) -> list[BranchOutput]:
        """Embedded tokens and skips of both branches through their blocks, in lockstep for the elimination.

        Tokens (B, Nz + Nx, D), or (Nz + Nx, D) of one sample. With `search_only` the template tokens leave with the
        last block's attention.
        """
        config, branches = self.config, self.branches
        mode = config.elimination
        eliminate = {} if mode is None else dict(zip(config.elimination_blocks, config.kept_tokens, strict=True))
        Nz, Nx = config.template_grid**2, config.search_grid**2
        tokens = [x for x, _ in embedded]  # per branch (..., Nz + n, D), n = Nx until the first elimination
        kept: list[Tensor | None] = [None, None]  # per branch (..., n): places of the search tokens that are left
        blocks: tuple[list[Tensor], list[Tensor]] = ([], [])

        for i, layer in enumerate(zip(*(branch.layers for branch in branches), strict=True)):  # each branch's block
            query = config.template_centre if i in eliminate else None
            first = Nz if search_only and i == config.depth - 1 else 0
            templates = Nz - first  # template tokens that are left after this attention
            attended = [block.attend(x, query, first) for block, x in zip(layer, tokens, strict=True)]
            tokens = [x for x, _ in attended]
            if mode is not None and i in eliminate:
                attention = [row[..., Nz:] for _, row in attended if row is not None]
                for b, scores in enumerate(candidate_scores(attention, mode)):
                    best, before = keep_best(scores, eliminate[i]), kept[b]
                    tokens[b] = _with_search(tokens[b], templates, take(tokens[b][..., templates:, :], best))
                    kept[b] = best if before is None else before.gather(-1, best)
            tokens = [block.feed_forward(x) for block, x in zip(layer, tokens, strict=True)]
            for b, x in enumerate(tokens):
                blocks[b].append(x)

        outputs = []
        for b, branch in enumerate(branches):
            x, index = branch.norm(tokens[b]), kept[b]
            if index is not None:
                x = _with_search(x, templates, restore(x[..., templates:, :], index, Nx))
            outputs.append(BranchOutput(blocks[b], x, embedded[b][1]))
        return outputs


def _with_search(tokens: Tensor, templates: int, search: Tensor) -> Tensor:
    """The first `templates` of `tokens`, followed by `search`."""
    return torch.cat([tokens[..., :templates, :], search], dim=-2) if templates else search


class SingleModalityTracker(nn.Module):
    """One branch with its own head: a teacher, and what all branches and heads are initialised from."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.config = config
        self.backbone = Branch(config)
        self.box_head = CenterHead(config, modalities=1)

    def forward(self, template: Tensor, search: Tensor, template_box: Tensor | None = None) -> Prediction:
        """Normalised crops (B, 3, S, S) of one modality to maps."""
        maps: Prediction = self.box_head(self.backbone(template, search, template_box))
        return maps
