"""`ckd train`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import tyro

from ckd_ros.app.commands.arguments import OptionalFolder, Several, optional
from ckd_ros.app.terminal import console


@dataclass(frozen=True)
class Train:
    """Train a student; a run that was stopped (Ctrl-C saves it) goes on where it stood.

    Example: ckd train config/training/tiny.yaml --data DATA --set seed=3

    On several GPUs, or processes of a CPU: torchrun --standalone --nproc-per-node 4 -m ckd_ros.cli train CONFIG ...
    On several machines, on each: torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500
    --rdzv-id ckd -m ckd_ros.cli train CONFIG ... with OUT on a disk that all see. They share each batch.

    Attributes:
        config: YAML file that names the preset, the samples and the stages; may be left out with --settings.
        data: folder that the data paths in CONFIG start from.
        out: folder for checkpoints and logs (`tensorboard --logdir OUT/tensorboard`); default: runs/NAME for NAME.yaml.
        minutes: stop after so long, save, and exit with status 75; default: train to the end.
        changes: settings that differ from what CONFIG says, any that --settings lists: seed=3 samples.crops=my.tar
            stages.distil.steps=100.
        settings: print every setting that CONFIG may hold, with its default and what it means, and do nothing else.
    """

    config: tyro.conf.Positional[Annotated[Path | None, optional("CONFIG")]] = None
    data: Annotated[Path | None, optional("FOLDER")] = None
    out: OptionalFolder = None
    minutes: Annotated[float | None, optional("MINUTES")] = None
    changes: Annotated[Several, tyro.conf.arg(name="set", metavar="KEY=VALUE [KEY=VALUE ...]")] = ()
    settings: bool = False

    def run(self) -> None:
        if self.settings:
            print("\n".join(_listed_settings()))
            return
        if self.config is None:
            raise ValueError("CONFIG is missing: give one as in config/training (--settings lists what it may hold)")
        if not self.config.is_file():
            raise ValueError(f"there is no configuration '{self.config}': give a YAML file as those in config/training")
        from ckd_ros.training.train import train

        student = train(self.config, self.data, self.out, self.minutes, chain.from_iterable(self.changes))
        if os.environ.get("RANK", "0") == "0":  # the first of torchrun's processes
            console().print(f"student: {student}")


def _listed_settings() -> Iterator[str]:
    """Every setting of a training file by the way to it, with its default, what it may be and what it means."""
    from ckd_ros.settings import REQUIRED, all_settings
    from ckd_ros.training.config import TrainingConfig

    for name, stated in all_settings(TrainingConfig).items():
        has_default = stated.default is not REQUIRED and not is_dataclass(stated.default)
        yield f"{name} = {_written(stated.default)}" if has_default else name
        yield f"    {stated.allowed()}: {stated.description}"


def _written(value: object) -> str:
    """A value as a YAML file has it."""
    import yaml

    if value is None or isinstance(value, Path):
        return "none" if value is None else str(value)
    return yaml.safe_dump([value], default_flow_style=True, width=1000, sort_keys=False).strip()[1:-1]
