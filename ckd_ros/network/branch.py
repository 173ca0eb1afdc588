"""One branch: a one-stream vision transformer over template and search crop of one modality.

Source: paper section 3.1. Parameter names follow timm's ViT, as the authors' checkpoints do.
Shapes: `B` batch, `Nz` template tokens, `Nx` search tokens, `N = Nz + Nx`, `D` embedding width, `h` heads.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_ros.network.config import CKDConfig

SKIP_DIM = 96  # channels of the conv stem at stride 8
PRETRAINED_TOKENS = 197  # class token and 14x14 patches of the ImageNet ViT the paper's weights descend from


class BranchOutput(NamedTuple):
    """What one branch computed."""

    blocks: list[Tensor]  # output of every block, (B, N, D); N shrinks where candidates are eliminated
    tokens: Tensor  # [template; search] after the final LayerNorm, (B, Nz + Nx, D), or the search tokens alone,
    # (B, Nx, D), where only they were asked for (`CKDStudent.predict`); eliminated ones are zero
    skip: Tensor | None  # stride-8 features of the search crop, (B, 96, S / 8, S / 8); None for the patch stem


class PatchEmbed(nn.Module):
    """Crops to tokens by one strided convolution."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.proj = nn.Conv2d(3, config.embed_dim, config.patch_size, config.patch_size)

    def forward(self, crop: Tensor) -> tuple[Tensor, None]:
        """(B, 3, S, S) -> tokens (B, n, D), no skip."""
        return self.proj(crop).flatten(2).transpose(1, 2), None


class ConvStem(nn.Module):
    """Crops to tokens by four stride-2 convolutions: learns faster than a patch embedding in small networks."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        widths = (3, 32, 64, SKIP_DIM)
        self.stages = nn.Sequential(*(self._stage(a, b) for a, b in zip(widths, widths[1:], strict=False)))
        self.proj = nn.Conv2d(SKIP_DIM, config.embed_dim, 3, 2, 1)

    @staticmethod
    def _stage(width_in: int, width_out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width_in, width_out, 3, 2, 1), nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> tokens (B, n, D) and skip (B, 96, S / 8, S / 8)."""
        skip = self.stages(crop)
        return self.proj(skip).flatten(2).transpose(1, 2), skip


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.num_heads = config.num_heads
        self.scale = (config.embed_dim // config.num_heads) ** -0.5
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim)
        self.proj = nn.Linear(config.embed_dim, config.embed_dim)

    def forward(self, x: Tensor, query: int | None = None, first: int = 0) -> tuple[Tensor, Tensor | None]:
        """Attention of the tokens from `first` on to all, (..., N, D) -> (..., N - first, D).

        With `query`, also the attention probabilities (..., h, N) of that one token: candidate elimination needs
        this row only, so the N x N matrix need not exist.
        """
        # heads of queries, keys and values side by side: one transposition for all three, then each (..., h, N, d)
        q, k, v = self.qkv(x).unflatten(-1, (3 * self.num_heads, -1)).transpose(-3, -2).chunk(3, dim=-3)
        row = None
        if query is not None:
            row = (self.scale * q[..., query : query + 1, :] @ k.transpose(-2, -1)).softmax(-1).squeeze(-2)
        if first:
            q = q[..., first:, :]
        if x.is_cuda:
            x = F.scaled_dot_product_attention(q, k, v)
        else:  # on CPUs the fused backward is slower than two matrix products and a softmax
            x = (self.scale * q @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(x.transpose(-3, -2).flatten(-2)), row


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        hidden = int(config.mlp_ratio * config.embed_dim)
        self.fc1 = nn.Linear(config.embed_dim, hidden)
        self.act: nn.Module = nn.GELU()
        self.fc2 = nn.Linear(hidden, config.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.act(self.fc1(x)))
        return y


class DropPath(nn.Module):
    """Drops a residual branch for whole samples, with probability `rate`, in training."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        return x * x.new_empty(x.shape[0], 1, 1).bernoulli_(keep).div_(keep)


class Block(nn.Module):
    """A pre-norm transformer block in two halves, because elimination happens between them."""

    def __init__(self, config: CKDConfig, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.embed_dim, eps=1e-6)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.embed_dim, eps=1e-6)
        self.mlp = MLP(config)
        self.drop_path = DropPath(drop_path)

    def attend(self, x: Tensor, query: int | None = None, first: int = 0) -> tuple[Tensor, Tensor | None]:
        """First half: attention of the tokens from `first` on; with `query`, also the attention row of that token.

        The tokens before `first` give their keys and values only, and are left out of the result.
        """
        attended, row = self.attn(self.norm1(x), query, first)
        return x[..., first:, :] + self.drop_path(attended), row

    def feed_forward(self, x: Tensor) -> Tensor:
        """Second half: MLP."""
        y: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return y

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.attend(x)
        return self.feed_forward(x)


class Branch(nn.Module):
    """The transformer of one modality."""

    def __init__(self, config: CKDConfig):
        super().__init__()
        self.config = config
        D, Nz, Nx = config.embed_dim, config.template_grid**2, config.search_grid**2
        self.patch_embed = PatchEmbed(config) if config.stem == "patch" else ConvStem(config)
        self.pos_embed_z = nn.Parameter(torch.zeros(1, Nz, D))
        self.pos_embed_x = nn.Parameter(torch.zeros(1, Nx, D))
        if config.stem == "patch":  # never used, carried so that the authors' checkpoints load and save unchanged
            self.register_buffer("cls_token", torch.zeros(1, 1, D))
            self.register_buffer("pos_embed", torch.zeros(1, PRETRAINED_TOKENS, D))
        if config.template_box:
            self.box_embed = nn.Linear(1, D, bias=False)
        rates = [config.drop_path * i / max(1, config.depth - 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(Block(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(D, eps=1e-6)

        for embedding in (self.pos_embed_z, self.pos_embed_x):
            nn.init.trunc_normal_(embedding, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def layers(self) -> list[Block]:
        """The transformer blocks, first to last."""
        return cast(list[Block], list(self.blocks))

    def embed(
        self,
        template: Tensor,
        search: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Crops to the transformer's input tokens.

        template (B, 3, Tz, Tz), search (B, 3, Sx, Sx); template_box (B, 4), `(x, y, w, h)` in fractions of the
        template crop, exactly when the configuration asks for it; keep_mask (B, Nx) bool, False where a search
        token is masked (masked modelling: its patch embedding is set to zero, its position stays).
        Returns tokens (B, Nz + Nx, D) and the stem's skip of the search crop.
        """
        z, _ = self.patch_embed(template)  # (B, Nz, D)
        x, skip = self.patch_embed(search)  # (B, Nx, D)
        if self.config.template_box:
            if template_box is None:
                raise ValueError(f"preset {self.config.preset!r} needs template_box, the target in the template crop")
            z = z + self.box_embed(cell_coverage(template_box, self.config.template_grid).to(z.dtype))
        if keep_mask is not None:
            x = x * keep_mask.unsqueeze(-1)
            if skip is not None:  # otherwise the head would see what the transformer has to infer
                grid = keep_mask.reshape(-1, 1, self.config.search_grid, self.config.search_grid).to(skip.dtype)
                skip = skip * F.interpolate(grid, scale_factor=2.0, mode="nearest")
        return torch.cat([z + self.pos_embed_z, x + self.pos_embed_x], dim=1), skip

    def forward(
        self, template: Tensor, search: Tensor, template_box: Tensor | None = None, keep_mask: Tensor | None = None
    ) -> BranchOutput:
        """The whole branch without elimination; arguments as in `embed`."""
        x, skip = self.embed(template, search, template_box, keep_mask)
        blocks = []
        for block in self.blocks:
            x = block(x)
            blocks.append(x)
        return BranchOutput(blocks, self.norm(x), skip)


def cell_coverage(box: Tensor, grid: int) -> Tensor:
    """Fraction of each cell of a `grid` x `grid` raster that a box covers: (B, 4) -> (B, grid * grid, 1).

    Boxes `(x, y, w, h)` in fractions of the raster. Exact: the overlap of a box with a cell is the product of the
    overlaps of their intervals.

    >>> cell_coverage(torch.tensor([[0.25, 0.0, 0.75, 0.5]]), grid=2).reshape(2, 2)
    tensor([[0.5000, 1.0000],
            [0.0000, 0.0000]])
    """
    left = torch.arange(grid, dtype=box.dtype, device=box.device) / grid  # (grid,)
    x, y, w, h = box.unsqueeze(-1).unbind(1)  # each (B, 1)
    cover_x = (torch.minimum(x + w, left + 1 / grid) - torch.maximum(x, left)).clamp(min=0) * grid  # (B, grid)
    cover_y = (torch.minimum(y + h, left + 1 / grid) - torch.maximum(y, left)).clamp(min=0) * grid
    return (cover_y.unsqueeze(2) * cover_x.unsqueeze(1)).flatten(1).unsqueeze(-1)
