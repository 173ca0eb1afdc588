"""`ckd train`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ckd_ros.app.commands.arguments import optional
from ckd_ros.app.terminal import console


@dataclass(frozen=True)
class Train:
    """Train a student; a run that was stopped (Ctrl-C saves it) goes on where it stood.

    On several GPUs, or processes of a CPU: torchrun --standalone --nproc-per-node 4 -m ckd_ros.cli train CONFIG ...
    On several machines, on each: torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500
    --rdzv-id ckd -m ckd_ros.cli train CONFIG ... with OUT on a disk that all see. They share each batch.

    Attributes:
        config: YAML file that names the preset, the samples and the stages.
        data: folder that the data paths in CONFIG start from.
        out: folder for checkpoints and logs (`tensorboard --logdir OUT/tensorboard`).
        minutes: stop after so long, save, and exit with status 75; none: train to the end.
    """

    config: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="CONFIG")]]
    data: Annotated[Path | None, optional("FOLDER")] = None
    out: Path = Path("runs/tiny")
    minutes: Annotated[float | None, optional("MINUTES")] = None

    def run(self) -> None:
        from ckd_ros.training.train import train

        student = train(self.config, self.data, self.out, self.minutes)
        if os.environ.get("RANK", "0") == "0":  # the first of torchrun's processes
            console().print(f"student: {student}")
