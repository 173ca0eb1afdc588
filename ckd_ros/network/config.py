"""What a CKD network is made of: one frozen dataclass, a few presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ELIMINATION_MODES = (None, "multimodal", "unimodal")
STEMS = ("patch", "conv")
WITHOUT_WEIGHTS = ("preset", "drop_path", "elimination", "elimination_blocks", "keep_ratio")


@dataclass(frozen=True)
class CKDConfig:
    """A network, and the crops that it sees.

    Sizes are pixels of the crops, factors are crop side over target side (`sqrt(w * h)`).
    """

    preset: str
    template_size: int = 128
    search_size: int = 256
    template_factor: float = 2.0
    search_factor: float = 4.0
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of pixels scaled to [0, 1], both modalities
    std: tuple[float, float, float] = IMAGENET_STD

    stem: str = "patch"  # 'patch': one strided convolution (the paper); 'conv': four stride-2 convolutions
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    drop_path: float = 0.1  # rate at the last block, rising linearly from 0
    template_box: bool = False  # tell each template token which fraction of its cell the target's box covers

    shared: bool = False  # one student branch for both modalities (ablation); teachers are always separate

    elimination: str | None = None  # 'multimodal' (MCE), 'unimodal' (CE) or None
    elimination_blocks: tuple[int, ...] = (3, 6, 9)
    keep_ratio: float = 0.7

    head_channels: tuple[int, ...] = (256, 128, 64, 32)
    neck_dim: int | None = None  # width of the upsampling neck; None: the head works on the token grid (the paper)

    def __post_init__(self) -> None:
        if self.stem not in STEMS:
            raise ValueError(f"stem {self.stem!r} is unknown, choose one of {STEMS}")
        if self.elimination not in ELIMINATION_MODES:
            raise ValueError(f"elimination {self.elimination!r} is unknown, choose one of {ELIMINATION_MODES}")
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

        >>> preset("vitb256").kept_tokens  # of 256
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

    def differences(self, other: CKDConfig) -> list[str]:
        """Names of the settings because of which weights trained for `other` do not fit this network.

        >>> preset("tiny").differences(preset("tiny-mce")), preset("tiny").differences(preset("tiny-shared"))
        ([], ['shared'])
        """
        names = (field.name for field in fields(self) if field.name not in WITHOUT_WEIGHTS)
        return [name for name in names if getattr(self, name) != getattr(other, name)]


_PAPER = CKDConfig("vitb256", elimination="multimodal")

_TINY = CKDConfig(
    "tiny",
    template_size=64,
    search_size=128,
    stem="conv",
    embed_dim=192,
    depth=6,
    num_heads=3,
    template_box=True,
    elimination_blocks=(2, 4),
    head_channels=(64, 48, 32, 16),
    neck_dim=96,
)

PRESETS = {
    config.preset: config
    for config in (
        _PAPER,
        replace(_PAPER, preset="vitb256-noce", elimination=None),
        replace(_PAPER, preset="vitb256-ce", elimination="unimodal"),
        replace(_PAPER, preset="vitb256-shared", shared=True),
        _TINY,  # the shipped student: without elimination, see docs/ablation.md
        replace(_TINY, preset="tiny-mce", elimination="multimodal"),
        replace(_TINY, preset="tiny-ce", elimination="unimodal"),
        replace(_TINY, preset="tiny-shared", shared=True),
    )
}


def preset(name: str) -> CKDConfig:
    """The configuration of that name. Raises ValueError that lists the names.

    >>> tiny = preset("tiny")
    >>> tiny.template_size, tiny.search_size, tiny.head_grid
    (64, 128, 16)
    """
    if name not in PRESETS:
        raise ValueError(f"no preset is called {name!r}, choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]
