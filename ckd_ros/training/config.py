"""Training as data: a YAML file names the preset, the samples and the stages."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from ckd_ros.network.config import PRESETS
from ckd_ros.training.samples import SampleConfig

STAGES = ("pretrain", "distil", "eliminate")


@dataclass(frozen=True)
class Stage:
    """One stage: `pretrain` (single-modality tracker), `distil` (stage 1 of the paper) or `eliminate` (stage 2).

    Attributes:
        steps, batch: optimizer steps, samples a step.
        lr_branch, lr_head: peak learning rates of the branches and of everything else.
        warmup: steps over which the rates rise; afterwards they fall along a cosine to `lr_final` times the peak.
        regression: `peak` (the paper: the box at the target's cell) or `dense` (all cells near it).
        hidden: share of the students' search tokens that are masked.
        style_weight, content_weight: of the two distillation losses.
    """

    name: str
    steps: int
    batch: int = 32
    lr_branch: float = 5e-6
    lr_head: float = 5e-5
    weight_decay: float = 1e-4
    clip: float = 0.1
    warmup: int = 0
    lr_final: float = 1.0
    regression: str = "peak"
    hidden: float = 0.25
    style_weight: float = 0.01
    content_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.name not in STAGES:
            raise ValueError(f"stage '{self.name}' is unknown: expected one of {', '.join(STAGES)}")
        if self.steps < 1 or self.batch < 2:
            raise ValueError(f"stage '{self.name}': steps {self.steps} must be positive, batch {self.batch} above 1")


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. `checkpoint_every` and `log_every` count steps; `ema` is the decay of the averaged weights."""

    preset: str
    stages: tuple[Stage, ...]
    samples: SampleConfig = field(default_factory=SampleConfig)
    start: Path | None = None
    seed: int = 0
    workers: int = 1
    ema: float = 0.998
    checkpoint_every: int = 100
    log_every: int = 50

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset '{self.preset}' is unknown: expected one of {', '.join(PRESETS)}")
        if not self.stages:
            raise ValueError("a training needs at least one stage")
        if any(stage.name == "eliminate" for stage in self.stages) and PRESETS[self.preset].elimination is None:
            raise ValueError(f"stage 'eliminate' needs a preset with elimination, which '{self.preset}' is not")


def load_config(file: str | Path, data: str | Path | None = None) -> TrainingConfig:
    """Read a YAML file; relative data paths in it are taken from the folder `data`.

    Raises FileNotFoundError for a missing file or data folder, ValueError for an unknown or missing setting.
    """
    content = yaml.safe_load(Path(file).read_text())
    if not isinstance(content, dict):
        raise ValueError(f"'{file}' holds no settings")
    samples = dict(content.pop("samples", {}))
    for name in ("pairs", "thermal_videos", "visible_videos"):
        if samples.get(name):
            samples[name] = Path(data or ".") / samples[name]
            if not samples[name].is_dir():
                raise FileNotFoundError(f"{name}: no folder '{samples[name]}' (give the data folder with --data)")
    if "cache" in samples:
        samples["cache"] = Path(samples["cache"])
    if content.get("start"):
        content["start"] = Path(content["start"])
    stages = tuple(_build(Stage, stage, file) for stage in content.pop("stages", []))
    return _build(TrainingConfig, {**content, "stages": stages, "samples": _build(SampleConfig, samples, file)}, file)


def _build(kind, values: dict, file):
    known = [f.name for f in fields(kind)]
    unknown = ", ".join(sorted(set(values) - set(known)))
    if unknown:
        raise ValueError(f"'{file}': unknown {kind.__name__} setting(s) {unknown}; known: {', '.join(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"'{file}': {error}") from error
