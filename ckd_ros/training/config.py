"""Training as data: a YAML file names the preset, the samples and the stages."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from ckd_ros.network.config import PRESETS
from ckd_ros.training.distributed import PRECISIONS
from ckd_ros.training.samples.config import SampleConfig, read_sample_config
from ckd_ros.training.settings import build

STAGES = ("pretrain", "distil", "eliminate")


@dataclass(frozen=True)
class Stage:
    """One stage: `pretrain` (single-modality tracker), `distil` (stage 1 of the paper) or `eliminate` (stage 2).

    Attributes:
        steps, batch: optimizer steps, samples a step.
        lr_branch, lr_head: peak learning rates of the branches and of everything else.
        betas: of AdamW.
        clip: largest norm of the gradient.
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
    betas: tuple[float, float] = (0.9, 0.98)
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
class ValidationConfig:
    """Validation by tracking simulated sequences, all degradations in turn.

    Attributes:
        every: steps between validations; there is one at the end of each stage in any case.
        sequences, frames: how many sequences, of how many frames.
        pairs: folder of registered pairs, of which those kept out of training are used (None: procedural sequences).
    """

    every: int = 500
    sequences: int = 16
    frames: int = 50
    pairs: Path | None = None

    def __post_init__(self) -> None:
        if self.every < 1 or self.sequences < 1 or self.frames < 2:
            raise ValueError(
                f"validation: every {self.every} and sequences {self.sequences} must be positive, "
                f"frames {self.frames} above 1"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run.

    Attributes:
        start: a file that the first stage starts from (None: random weights), see `starting`.
        workers: processes that make samples, for each process that trains; 0: it makes them itself.
        ema: decay of the averaged weights, which are what a stage leaves; 0: no average.
        precision: `auto` (bfloat16 where the machine has it, else float16 with a gradient scaler on GPUs and float32 on
            CPUs), `bf16`, `fp16` or `fp32`.
        sync_batch_norm: BatchNorm over the batches of all processes, as if one had seen them all.
        checkpoint_every, log_every: steps.
        validation: None leaves it out.
    """

    preset: str
    stages: tuple[Stage, ...]
    samples: SampleConfig = field(default_factory=SampleConfig)
    start: Path | None = None
    seed: int = 0
    workers: int = 1
    ema: float = 0.998
    precision: str = "auto"
    sync_batch_norm: bool = True
    checkpoint_every: int = 100
    log_every: int = 50
    validation: ValidationConfig | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset '{self.preset}' is unknown: expected one of {', '.join(PRESETS)}")
        if not self.stages:
            raise ValueError("a training needs at least one stage")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"the stages are {', '.join(names)}: each name may appear once, since it names a file")
        if self.precision not in ("auto", *PRECISIONS):
            raise ValueError(f"precision '{self.precision}' is unknown: expected auto, {', '.join(PRECISIONS)}")
        for name in ("checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 1 step")
        if any(stage.name == "eliminate" for stage in self.stages) and PRESETS[self.preset].elimination is None:
            raise ValueError(f"stage 'eliminate' needs a preset with elimination, which '{self.preset}' is not")


def load_config(file: str | Path, data: str | Path | None = None) -> TrainingConfig:
    """Read a YAML file; relative data paths in it are taken from the folder `data`.

    Raises FileNotFoundError for a missing file or data folder, ValueError for an unknown or missing setting.
    """
    try:
        content = yaml.safe_load(Path(file).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"'{file}' is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"'{file}' holds no settings")
    if content.get("start"):
        content["start"] = Path(content["start"])
    try:
        samples = read_sample_config(content.pop("samples", None) or {}, data)
        stages = tuple(_build(Stage, stage) for stage in content.pop("stages", None) or [])
        if content.get("validation") is not None:
            content["validation"] = _validation(content["validation"], data)
        return _build(TrainingConfig, {**content, "stages": stages, "samples": samples})
    except ValueError as error:
        raise ValueError(f"'{file}': {error}") from error


def _validation(values: dict, data: str | Path | None) -> ValidationConfig:
    if values.get("pairs"):
        values["pairs"] = Path(data or ".") / values["pairs"]
        if not values["pairs"].is_dir():
            raise FileNotFoundError(f"validation: no folder '{values['pairs']}' (give the data folder with --data)")
    return _build(ValidationConfig, values)


def _build(kind, values: dict):
    numbers = [f.name for f in fields(kind) if f.type in ("int", "float") and f.name in values]
    for name in numbers:
        if not isinstance(values[name], (int, float)):
            raise ValueError(f"{name} is {values[name]!r}, expected a number (1.0e-3 is one for YAML, 1e-3 is not)")
    return build(kind, values)
