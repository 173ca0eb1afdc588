"""Candidate elimination: search tokens that the target does not attend to are dropped between blocks.

Source: paper section 3.4 (Multi-modal Candidate token Elimination).
"""

from __future__ import annotations

import torch
from torch import Tensor


def candidate_scores(attention: list[Tensor], mode: str) -> list[Tensor]:
    """One score per search token and branch.

    attention: per branch (..., h, n), of the template's centre token to the n search tokens that are left.
    'multimodal' takes the element-wise maximum over the branches, so that a candidate which either modality finds
    survives in both; 'unimodal' lets each branch decide alone. Heads are averaged. Returns (..., n) per branch.

    >>> rgb, tir = torch.tensor([[0.75, 0.25]]), torch.tensor([[0.125, 0.875]])  # one head, two search tokens
    >>> [scores.tolist() for scores in candidate_scores([rgb, tir], "multimodal")]
    [[0.75, 0.875], [0.75, 0.875]]
    >>> [scores.tolist() for scores in candidate_scores([rgb, tir], "unimodal")]
    [[0.75, 0.25], [0.125, 0.875]]
    """
    if mode == "multimodal":
        attention = [torch.stack(attention).amax(0)] * len(attention)
    return [branch.mean(-2) for branch in attention]


def keep_best(scores: Tensor, count: int) -> Tensor:
    """Indices (..., count) of the highest scores (..., n), in descending order.

    >>> keep_best(torch.tensor([0.1, 0.9, 0.5]), 2)
    tensor([1, 2])
    """
    return scores.topk(count, dim=-1, sorted=True).indices


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (..., n, D) at index (..., k) -> (..., k, D).

    >>> take(torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), torch.tensor([2, 0]))
    tensor([[3., 3.],
            [1., 1.]])
    """
    return tokens.gather(-2, index.unsqueeze(-1).expand(*index.shape, tokens.shape[-1]))


def restore(tokens: Tensor, index: Tensor, total: int) -> Tensor:
    """Kept tokens (..., k, D) back to their places index (..., k) among `total`; removed places are zero.

    >>> restore(torch.tensor([[3.0, 3.0], [1.0, 1.0]]), torch.tensor([2, 0]), 3)
    tensor([[1., 1.],
            [0., 0.],
            [3., 3.]])
    """
    *batch, _, D = tokens.shape
    return tokens.new_zeros(*batch, total, D).scatter(-2, index.unsqueeze(-1).expand(*index.shape, D), tokens)
