"""Training as data: a YAML file names the preset, the samples and the stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ckd_ros.network.presets import PRESETS
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.settings import REQUIRED, Above, Below, build, check, setting
from ckd_ros.training.distributed import PRECISIONS
from ckd_ros.training.losses import CONTENT_WEIGHT, SCORE_LABELS, STYLE_WEIGHT, Labels
from ckd_ros.training.samples.config import AUGMENTATIONS, SampleConfig, data_folder, read_sample_config

STAGES = ("pretrain", "distil", "eliminate", "boxes")


@dataclass(frozen=True)
class Stage:
    """One stage of a training. Raises ValueError for impossible values.

    The learning rates rise over `warmup` steps and fall along a cosine from their peaks to `lr_final` times that.
    """

    name: str = setting(
        REQUIRED,
        "pretrain: single-modality tracker, distil: stage 1 of the paper, eliminate: stage 2; boxes: the box layers of "
        "Siamese branches alone",
        choices=STAGES,
    )
    steps: int = setting(REQUIRED, "optimizer steps", low=1)
    batch: int = setting(32, "samples a step", low=2)
    lr_branch: float = setting(5e-6, "peak learning rate of the branches; 0: they are frozen", low=0)
    lr_head: float = setting(5e-5, "peak learning rate of everything else", low=Above(0))
    weight_decay: float = setting(1e-4, "of AdamW", low=0)
    betas: tuple[float, float] = setting((0.9, 0.98), "of AdamW", 0, Below(1))
    clip: float = setting(0.1, "largest norm of the gradient", low=Above(0))
    warmup: int = setting(0, "steps over which the learning rates rise", low=0)
    lr_final: float = setting(1.0, "learning rates at the last step, as a share of their peaks", low=0)
    regression: str = setting(
        "peak",
        "peak: the box at the target's cell, as in the paper; dense: all cells near it",
        choices=("peak", "dense"),
    )
    score: str = setting(
        "gaussian",
        "gaussian: one cell and a Gaussian around it, as in the paper; ellipse: all cells in the middle of the box",
        choices=tuple(SCORE_LABELS),
    )
    teachers: str = setting(
        "trained",
        "trained: with the students, as in the paper; frozen: they stay what the students start from",
        choices=("trained", "frozen"),
    )
    mask_ratio: float = setting(0.25, "share of the students' search tokens that are masked", 0, Below(1))
    style_weight: float = setting(STYLE_WEIGHT, "weight of the style distillation loss", low=0)
    content_weight: float = setting(CONTENT_WEIGHT, "weight of the content distillation loss", low=0)
    anchor_weight: float = setting(
        1.0, "of boxes: weight of what holds samples with both cameras to the boxes that the stage starts from", low=0
    )
    coupling: float = setting(
        1.0, "of boxes: share of the student's coupling that is kept, as by `ckd export`; before the first step", 0, 1
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def labels(self) -> Labels:
        """What the cells of the maps are taught."""
        return Labels(self.score, self.regression)


@dataclass(frozen=True)
class ValidationConfig:
    """Validation by tracking simulated sequences, all degradations in turn.

    Raises ValueError for impossible values.
    """

    every: int = setting(500, "steps between validations; there is one at the end of each stage in any case", low=1)
    sequences: int = setting(16, "how many sequences are tracked", low=1)
    frames: int = setting(50, "how many frames each has", low=2)
    pairs: Path | None = setting(
        None, "folder of registered pairs, of which those kept out of training are used; none: procedural sequences"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. Raises ValueError for impossible values."""

    preset: str = setting(REQUIRED, "the network, see `ckd_ros.network.presets`")
    stages: tuple[Stage, ...] = setting(REQUIRED, "what is trained, one after the other")
    samples: SampleConfig = setting(SampleConfig(), "what is learned from")
    start: Path | None = setting(None, "a file that the first stage starts from; none: random weights")
    seed: int = setting(0, "of all random numbers", 0, 10**9)
    workers: int | None = setting(
        1,
        "processes that make samples, for each process that trains; 0: it makes them itself; none: one for each core "
        "that is left",
        low=0,
    )
    ema: float = setting(
        0.998, "decay of the averaged weights, which are what a stage leaves; 0: no average", 0, Below(1)
    )
    precision: str = setting(
        "auto",
        "auto: bfloat16 where the machine has it, else float16 with a gradient scaler on GPUs and float32 on CPUs",
        choices=("auto", *PRECISIONS),
    )
    sync_batch_norm: bool = setting(True, "BatchNorm over the batches of all processes, as if one had seen them all")
    compile: bool = setting(
        False, "torch.compile the network, on GPUs only: pays where a run is long, each start compiles for minutes"
    )
    checkpoint_every: int = setting(100, "steps between checkpoints", low=1)
    checkpoint_minutes: float | None = setting(
        None,
        "minutes after which there is a checkpoint in any case; none: only `checkpoint_every` counts",
        low=Above(0),
    )
    log_every: int = setting(50, "steps between figures in the log", low=1)
    validation: ValidationConfig | None = setting(None, "validation by tracking; none: left out")

    def __post_init__(self) -> None:
        check(self)
        if self.preset not in PRESETS:
            raise ValueError(f"preset '{self.preset}' is unknown: expected one of {', '.join(PRESETS)}")
        if not self.stages:
            raise ValueError("a training needs at least one stage")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"the stages are {', '.join(names)}: each name may appear once, since it names a file")
        if "boxes" in names and not isinstance(PRESETS[self.preset], SiameseConfig):
            siamese = [name for name, config in PRESETS.items() if isinstance(config, SiameseConfig)]
            raise ValueError(
                f"stage 'boxes' needs a preset of Siamese branches, which '{self.preset}' is not: choose one of "
                f"{', '.join(siamese)}"
            )
        if "eliminate" in names and PRESETS[self.preset].elimination is None:
            raise ValueError(f"stage 'eliminate' needs a preset with elimination, which '{self.preset}' is not")


def load_config(file: str | Path, data: str | Path | None = None, changes: Iterable[str] = ()) -> TrainingConfig:
    """Read a YAML file; relative data paths in it are taken from the folder `data`.

    `changes` take the place of what the file says, each `KEY=VALUE` with the way to a setting and its value in YAML:
    `seed=3`, `stages.distil.steps=100`, `samples.augmentation.smoke=0.1`.

    Raises FileNotFoundError for a missing file or data folder, ValueError for an unknown, missing or bad setting and
    for one that the file sets twice.
    """
    try:
        content = yaml.load(Path(file).read_text(), _Loader)  # a SafeLoader
        if not isinstance(content, dict):
            raise ValueError("it holds no settings")
        for change in changes:
            _change(content, change)
        samples = content.pop("samples", None)
        config = build(TrainingConfig, {**content, "samples": _samples({} if samples is None else samples, data)})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"'{file}' is not YAML: {error}") from error
    except ValueError as error:
        raise ValueError(f"'{file}': {error}") from error
    validation = config.validation
    if validation is None or validation.pairs is None:
        return config
    return replace(config, validation=replace(validation, pairs=data_folder("validation", validation.pairs, data)))


def _samples(values: Any, data: str | Path | None) -> SampleConfig:
    try:
        return read_sample_config(values, data)
    except ValueError as error:
        raise ValueError(f"samples: {error}") from error


class _Loader(yaml.SafeLoader):
    """Refuses a name that a mapping holds twice: PyYAML would take the last one, without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is set twice in what begins at line {node.start_mark.line + 1}: leave one")
        return super().construct_mapping(node, deep)


def _change(content: dict[str, Any], change: str) -> None:
    """Put the value of `KEY=VALUE` into what a file holds. Raises ValueError for a way that leads nowhere."""
    way, equals, text = change.partition("=")
    *groups, last = way.strip().split(".")
    if not equals or not last:
        raise ValueError(f"'{change}' is not a change of a setting: expected KEY=VALUE, as in seed=3")
    place: Any = content
    for number, group in enumerate(groups):
        place = _entered(place, group)
        if not isinstance(place, dict | list):
            raise ValueError(f"'{change}': there is no '{'.'.join(groups[: number + 1])}' that holds settings")
    if not isinstance(place, dict):
        raise ValueError(f"'{change}': '{'.'.join(groups)}' is a list, say which of it, as in stages.distil.steps=3")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"'{change}': its value is not YAML") from error
    try:
        place[last] = float(value) if isinstance(value, str) else value  # 1e-3, which YAML takes for a string
    except ValueError:
        place[last] = value


def _entered(place: Any, group: str) -> Any:
    """The group of that name, made where there is none; of stages the one so named, of data sets the one of a kind."""
    if isinstance(place, list):
        found = [one for one in place if isinstance(one, dict) and group in (one.get("name"), one.get("kind"))]
        return found[0] if found else None
    inside = place.get(group)
    if group == "augmentation" and isinstance(inside, str) and inside in AUGMENTATIONS:
        inside = asdict(AUGMENTATIONS[inside])
    place[group] = {} if inside is None or inside == "none" else inside
    return place[group]
