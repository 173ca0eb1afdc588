"""Candidate token elimination: search tokens that the target does not attend to are dropped half-way.

Source: paper section 3.4 (Multi-modal Candidate token Elimination).
"""

from __future__ import annotations

import torch
from torch import Tensor


def candidate_scores(rows: list[Tensor], mode: str) -> list[Tensor]:
    """One score per search token and branch.

    rows: per branch, the attention (..., h, n) of the template's centre token to the n search tokens that are left.
    'multimodal' takes the element-wise maximum over the branches, so that a candidate which either modality finds
    survives in both; 'unimodal' lets each branch decide alone. Heads are averaged. Returns (..., n) per branch.
    """
    if mode == "multimodal":
        rows = [torch.stack(rows).amax(0)] * len(rows)
    return [row.mean(-2) for row in rows]


def keep_best(scores: Tensor, count: int) -> Tensor:
    """Indices (..., count) of the highest scores (..., n), in descending order."""
    return scores.topk(count, dim=-1, sorted=True).indices


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (..., n, D) at index (..., k) -> (..., k, D)."""
    return tokens.gather(-2, index.unsqueeze(-1).expand(*index.shape, tokens.shape[-1]))


def restore(tokens: Tensor, index: Tensor, total: int) -> Tensor:
    """Kept tokens (..., k, D) back to their places index (..., k) among `total`; removed places are zero."""
    *batch, _, D = tokens.shape
    return tokens.new_zeros(*batch, total, D).scatter(-2, index.unsqueeze(-1).expand(*index.shape, D), tokens)
