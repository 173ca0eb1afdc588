"""Samples per second that the loader makes alone and the trainer uses alone, and which of the two limits a training.

    python benchmarks/training.py --data DIR [--configs FILE ...] [--precisions bf16 fp32] [--workers 15] [--batch N]

DIR holds the folders that the training files name. The trainer takes whole steps of the training (upload, loss,
backward, optimizer, averaged weights), again and again with one batch; the loader fills batches that nobody uses. With
`--workers 0`, the default, the loader is one process, and without a GPU seconds are then those of the processor in this
process, so that what else the machine does hardly counts. With more workers, and on a GPU, they are those of the clock.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import torch
import tyro
from torch import Tensor

from ckd_ros.training.config import TrainingConfig, load_config
from ckd_ros.training.distributed import make_fabric
from ckd_ros.training.loading import PREFETCH, make_loader
from ckd_ros.training.run_files import RunFiles
from ckd_ros.training.run_record import run_record
from ckd_ros.training.stage_trainer import StageTrainer

_CONFIG = Path(__file__).parents[1] / "config" / "training" / "tinyvit.yaml"
_WARM_UP = 3  # steps: kernels are chosen, or compiled
_WARM_SAMPLES = 200  # of each process of the loader: textures and noise that are made once


def main(
    data: Path,
    configs: tuple[Path, ...] = (_CONFIG,),
    precisions: tuple[str, ...] = ("auto",),
    workers: int = 0,
    steps: int = 6,
    batch: int | None = None,
    threads: int = 1,
) -> None:
    """Measure every stage of `configs`, and print.

    `workers`: processes of the loader; `steps`: measured batches; `batch`: samples in each (default: the stage's);
    `threads`: of PyTorch and OpenCV in this process.
    """
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{threads} CPU thread(s)"
    print(f"trainer on {where}, loader with {workers} worker(s); samples per second")
    print(f"{'preset':10}{'stage':10}{'batch':>6} {'precision':10}{'loader':>9}{'trainer':>9}{'ratio':>7}  limited by")
    for config in configs:
        settings = replace(load_config(config, data), workers=workers)
        for index, stage in enumerate(settings.stages):
            rates: list[float] = []
            for precision in precisions:
                chosen = _with(settings, index, precision, batch, steps)
                if not rates:  # the loader is the same in each
                    rates.append(loader_rate(chosen, index, steps))
                loading, training = rates[0], trainer_rate(chosen, index, steps)
                print(
                    f"{settings.preset:10}{stage.name:10}{chosen.stages[index].batch:6} {precision:10}"
                    f"{loading:9.1f}{training:9.1f}{loading / training:7.2f}  "
                    f"{'loader' if loading < training else 'trainer'}",
                    flush=True,
                )


def loader_rate(settings: TrainingConfig, index: int, batches: int) -> float:
    """Samples per second of the loader alone."""
    loader = make_loader(settings, index, 0, make_fabric(settings.precision))
    iterator, clock = iter(loader), _clock(settings.workers)
    for _ in islice(iterator, _batches_before(settings, index)):
        pass
    start = clock()
    for _ in islice(iterator, batches):
        pass
    return batches * settings.stages[index].batch / (clock() - start)


def trainer_rate(settings: TrainingConfig, index: int, steps: int) -> float:
    """Samples per second of the training step alone, from a batch in the memory of the CPU."""
    fabric = make_fabric(settings.precision)
    batch: dict[str, Tensor] = next(iter(make_loader(replace(settings, workers=0), index, 0, fabric)))
    with tempfile.TemporaryDirectory() as folder:
        trainer = StageTrainer(settings, index, None, RunFiles(Path(folder), run_record(settings)), fabric, None)
    clock = _clock(workers=0)
    for step in range(_WARM_UP + steps):
        if step == _WARM_UP:
            _wait()
            start = clock()
        trainer.training_step(batch)
    _wait()
    return steps * settings.stages[index].batch / (clock() - start)


def _with(settings: TrainingConfig, index: int, precision: str, batch: int | None, steps: int) -> TrainingConfig:
    """The settings with as many steps of a stage as are measured, and what the loader makes ahead of them."""
    stages = list(settings.stages)
    stage = stages[index]
    stages[index] = replace(stage, batch=batch or stage.batch)
    settings = replace(settings, precision=precision, stages=tuple(stages))
    stages[index] = replace(stages[index], steps=_WARM_UP + _batches_before(settings, index) + steps)
    return replace(settings, stages=tuple(stages))


def _batches_before(settings: TrainingConfig, index: int) -> int:
    """Batches of the loader that do not count: each process has to warm up, and makes some while nobody waits."""
    return (-(-_WARM_SAMPLES // settings.stages[index].batch) + PREFETCH) * max(1, settings.workers or 0)


def _clock(workers: int | None) -> Callable[[], float]:
    return time.perf_counter if torch.cuda.is_available() or workers else time.process_time


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    tyro.cli(main)
