"""What a CKD network is made of: one frozen dataclass."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from ckd_ros.settings import REQUIRED, check, setting

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ELIMINATION_MODES = ("multimodal", "unimodal")
STEMS = ("patch", "conv")
WITHOUT_WEIGHTS = ("preset", "drop_path", "elimination", "elimination_blocks", "keep_ratio")


@dataclass(frozen=True)
class CKDConfig:
    """A network, and the crops that it sees.

    Sizes are in pixels; the target's side is `sqrt(w * h)`. Raises ValueError for what cannot be a network.
    """

    preset: str = setting(REQUIRED, "name of this configuration")
    template_size: int = setting(128, "side of the template crop")
    search_size: int = setting(256, "side of the search crop")
    template_factor: float = setting(2.0, "side of the template crop over the target's")
    search_factor: float = setting(4.0, "side of the search crop over the target's")
    mean: tuple[float, float, float] = setting(IMAGENET_MEAN, "of pixels scaled to [0, 1], in both modalities")
    std: tuple[float, float, float] = setting(IMAGENET_STD, "of the same")

    stem: str = setting(
        "patch", "patch: one strided convolution (the paper); conv: four stride-2 convolutions", choices=STEMS
    )
    patch_size: int = setting(16, "pixels of the crop to a token, each way")
    embed_dim: int = setting(768, "width of a token")
    depth: int = setting(12, "transformer blocks")
    num_heads: int = setting(12, "attention heads of a block")
    mlp_ratio: float = setting(4.0, "width inside a block's MLP over that of a token")
    drop_path: float = setting(0.1, "rate at the last block, rising linearly from 0")
    template_box: bool = setting(False, "each template token is told which part of its cell the target's box covers")

    shared: bool = setting(False, "one student branch for both modalities (ablation); teachers are always separate")

    elimination: str | None = setting(
        None,
        "multimodal: candidates of both branches together (MCE); unimodal: each alone (CE)",
        choices=ELIMINATION_MODES,
    )
    elimination_blocks: tuple[int, ...] = setting((3, 6, 9), "blocks in which candidates are eliminated")
    keep_ratio: float = setting(0.7, "share of the search tokens that each elimination leaves")

    head_channels: tuple[int, ...] = setting((256, 128, 64, 32), "widths of the head's convolutions")
    neck_dim: int | None = setting(
        None, "width of the upsampling neck; none: the head works on the token grid (the paper)"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} must be a multiple of num_heads {self.num_heads}")
        for name in ("template_size", "search_size"):
            if getattr(self, name) % self.patch_size:
                raise ValueError(f"{name} {getattr(self, name)} must be a multiple of patch_size {self.patch_size}")
        if self.stem == "conv" and self.patch_size != 16:
            raise ValueError(f"the conv stem has stride 16, so patch_size must be 16, not {self.patch_size}")
        if self.neck_dim is not None and self.stem != "conv":
            raise ValueError("a neck needs the stride-8 features of the conv stem: set stem='conv' or neck_dim=None")

    @property
    def stretched(self) -> bool:
        """Whether the crop windows have the shape of the target's box."""
        return False

    @property
    def border(self) -> float:
        """Grey of what lies outside of the image, from 0, black, to 1."""
        return 0.0

    @property
    def template_grid(self) -> int:
        """Template tokens a side."""
        return self.template_size // self.patch_size

    @property
    def search_grid(self) -> int:
        """Search tokens a side."""
        return self.search_size // self.patch_size

    @property
    def head_grid(self) -> int:
        """Cells a side of the score, size and offset maps (`G`)."""
        return self.search_grid if self.neck_dim is None else 2 * self.search_grid

    @property
    def template_centre(self) -> int:
        """Index of the template's centre token: row 3, column 3 of an 8x8 grid."""
        centre = max(0, self.template_grid // 2 - 1)
        return centre * self.template_grid + centre

    @property
    def kept_tokens(self) -> tuple[int, ...]:
        """Search tokens left after each elimination.

        >>> CKDConfig("paper").kept_tokens  # of 256
        (180, 126, 89)
        """
        counts, count = [], self.search_grid**2
        for _ in self.elimination_blocks:
            count = math.ceil(self.keep_ratio * count)
            counts.append(count)
        return tuple(counts)

    def with_elimination(self, mode: str | None) -> CKDConfig:
        """The same network with another elimination mode; the weights fit both."""
        return replace(self, elimination=mode)

    def differences(self, other: object) -> list[str]:
        """Names of the settings because of which weights trained for `other` do not fit this network.

        >>> vit = CKDConfig("a")
        >>> vit.differences(CKDConfig("b", keep_ratio=0.5)), vit.differences(CKDConfig("c", shared=True))
        ([], ['shared'])
        """
        if not isinstance(other, CKDConfig):
            return ["architecture"]
        names = (field.name for field in fields(self) if field.name not in WITHOUT_WEIGHTS)
        return [name for name in names if getattr(self, name) != getattr(other, name)]
