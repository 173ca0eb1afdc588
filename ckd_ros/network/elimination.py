"""Candidate token elimination: search tokens that the target does not attend to are dropped half-way.

Source: paper section 3.4 (Multi-modal Candidate token Elimination).
"""

from __future__ import annotations

import torch
from torch import Tensor


def candidate_scores(rows: list[Tensor], mode: str) -> list[Tensor]:
    """One score per search token and branch.

    rows: per branch, the attention (B, h, n) of the template's centre token to the n search tokens that are left.
    'multimodal' takes the element-wise maximum over the branches, so that a candidate which either modality finds
    survives in both; 'unimodal' lets each branch decide alone. Heads are averaged. Returns (B, n) per branch.
    """
    if mode == "multimodal":
        rows = [torch.stack(rows).amax(0)] * len(rows)
    return [row.mean(1) for row in rows]


def keep_best(scores: Tensor, count: int) -> Tensor:
    """Indices (B, count) of the highest scores (B, n), in descending order."""
    return scores.topk(count, dim=1, sorted=True).indices


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (B, n, D) at index (B, k) -> (B, k, D)."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def restore(tokens: Tensor, index: Tensor, total: int) -> Tensor:
    """Kept tokens (B, k, D) back to their places index (B, k) among `total`; removed places are zero."""
    B, _, D = tokens.shape
    return tokens.new_zeros(B, total, D).scatter(1, index.unsqueeze(-1).expand(-1, -1, D), tokens)
