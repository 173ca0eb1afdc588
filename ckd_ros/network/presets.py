"""The networks that have a name."""

from __future__ import annotations

from dataclasses import replace

from ckd_ros.network.config import CKDConfig
from ckd_ros.network.siamese_config import SiameseConfig

NetworkConfig = CKDConfig | SiameseConfig

_PAPER = CKDConfig("vitb256", elimination="multimodal")

_TINYVIT = CKDConfig(
    "tinyvit",
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

_TRANSFORMERS = (
    _PAPER,
    replace(_PAPER, preset="vitb256-noce", elimination=None),
    replace(_PAPER, preset="vitb256-ce", elimination="unimodal"),
    replace(_PAPER, preset="vitb256-shared", shared=True),
    _TINYVIT,
    replace(_TINYVIT, preset="tinyvit-mce", elimination="multimodal"),
    replace(_TINYVIT, preset="tinyvit-ce", elimination="unimodal"),
    replace(_TINYVIT, preset="tinyvit-shared", shared=True),
    # For a GPU of a robot: at 16 x 16 search tokens the head needs no neck to have the paper's map.
    replace(
        _TINYVIT,
        preset="small",
        template_size=128,
        search_size=256,
        embed_dim=384,
        num_heads=6,
        head_channels=(96, 64, 48, 32),
        neck_dim=None,
        elimination="multimodal",
    ),
)

_TINY = SiameseConfig("tiny")  # the shipped student

_SIAMESE = (
    _TINY,
    replace(_TINY, preset="tiny-mce", elimination="multimodal"),
    replace(_TINY, preset="tiny-ce", elimination="unimodal"),
)

PRESETS: dict[str, NetworkConfig] = {
    **{config.preset: config for config in _TRANSFORMERS},
    **{config.preset: config for config in _SIAMESE},
}


def preset(name: str) -> NetworkConfig:
    """The configuration of that name. Raises ValueError that lists the names.

    >>> tiny = preset("tiny")
    >>> tiny.template_size, tiny.search_size, tiny.head_grid
    (128, 224, 14)
    """
    if name not in PRESETS:
        raise ValueError(f"no preset is called {name!r}, choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]
