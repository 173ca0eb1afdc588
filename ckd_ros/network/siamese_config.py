"""What a Siamese CKD network is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from ckd_ros.network.config import ELIMINATION_MODES, IMAGENET_MEAN, IMAGENET_STD
from ckd_ros.settings import REQUIRED, check, setting

STRIDE = 16  # pixels of the crop to a cell
WITHOUT_WEIGHTS = ("preset", "elimination", "keep_ratio")


@dataclass(frozen=True)
class SiameseConfig:
    """A Siamese network, and the crops that it sees.

    Sizes are in pixels; crops are stretched so that the target's box fills a square in them. Raises ValueError for what
    cannot be a network.
    """

    preset: str = setting(REQUIRED, "name of this configuration")
    template_size: int = setting(128, "side of the template crop")
    search_size: int = setting(224, "side of the search crop")
    template_factor: float = setting(1.4, "sides of the template crop over those of the target's box")
    search_factor: float = setting(4.375, "the same of the search crop")
    mean: tuple[float, float, float] = setting(IMAGENET_MEAN, "of pixels scaled to [0, 1], in both modalities")
    std: tuple[float, float, float] = setting(IMAGENET_STD, "of the same")
    elimination: str | None = setting(
        None,
        "multimodal: candidates of both branches together (MCE); unimodal: each alone (CE)",
        choices=ELIMINATION_MODES,
    )
    keep_ratio: float = setting(0.7, "share of the search cells that elimination leaves", 0, 1)

    def __post_init__(self) -> None:
        check(self)
        for name in ("template_size", "search_size"):
            if getattr(self, name) % STRIDE:
                raise ValueError(f"{name} {getattr(self, name)} must be a multiple of {STRIDE}")

    @property
    def template_box(self) -> bool:
        """Whether the network is told the target's box in the template."""
        return False

    @property
    def shared(self) -> bool:
        """Whether both modalities have one branch."""
        return False

    @property
    def stretched(self) -> bool:
        """Whether the crop windows have the shape of the target's box."""
        return True

    @property
    def border(self) -> float:
        """Grey of what lies outside of the image, from 0, black, to 1: the mean, which is zero once normalised."""
        return sum(self.mean) / 3

    @property
    def search_grid(self) -> int:
        """Cells of the search features a side (`g`)."""
        return self.search_size // STRIDE

    @property
    def head_grid(self) -> int:
        """Cells a side of the score, size and offset maps."""
        return self.search_grid

    @property
    def kept_cells(self) -> int:
        """Search cells that elimination leaves."""
        return math.ceil(self.keep_ratio * self.search_grid**2)

    def with_elimination(self, mode: str | None) -> SiameseConfig:
        """The same network with another elimination mode; the weights fit both."""
        return replace(self, elimination=mode)

    def differences(self, other: object) -> list[str]:
        """Names of the settings because of which weights trained for `other` do not fit this network."""
        if not isinstance(other, SiameseConfig):
            return ["architecture"]
        names = (field.name for field in fields(self) if field.name not in WITHOUT_WEIGHTS)
        return [name for name in names if getattr(self, name) != getattr(other, name)]
