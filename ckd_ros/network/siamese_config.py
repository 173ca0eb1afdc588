"""What a Siamese CKD network is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from ckd_ros.network.config import ELIMINATION_MODES
from ckd_ros.settings import REQUIRED, check, setting

STRIDE = 16  # pixels of the crop to a cell
WITHOUT_WEIGHTS = ("preset", "elimination", "keep_ratio")


@dataclass(frozen=True)
class SiameseConfig:
    """A Siamese network, and the crops that it sees.

    Sizes are in pixels; the target's side is `sqrt(w * h)`. Raises ValueError for what cannot be a network.
    """

    preset: str = setting(REQUIRED, "name of this configuration")
    template_size: int = setting(128, "side of the template crop")
    search_size: int = setting(256, "side of the search crop")
    template_factor: float = setting(2.2, "side of the template crop over the target's")
    search_factor: float = setting(4.4, "side of the search crop over the target's")
    mean: tuple[float, float, float] = setting((0.0, 0.0, 0.0), "of pixels scaled to [0, 1], in both modalities")
    std: tuple[float, float, float] = setting((1 / 255, 1 / 255, 1 / 255), "of the same")
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
