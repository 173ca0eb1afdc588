"""Samples per second that the loader makes and the trainer uses, in one process each, and their ratio.

    python benchmarks/training.py --data DIR [--config config/training/tiny.yaml] [--steps 6] [--batch N] [--threads 1]

DIR holds the folders that the training file names. Loader and trainer take turns batch by batch; without a GPU, seconds
are those of the processor in this process, so that what else the machine does hardly counts. A ratio above 1 means that
one loading process keeps one training process busy.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch.utils.data import default_collate

from ckd_ros.network.presets import preset
from ckd_ros.training.config import Stage, load_config
from ckd_ros.training.distillation import freeze_all_but_head, random_keep_mask
from ckd_ros.training.distributed import make_fabric
from ckd_ros.training.initial_weights import build_model
from ckd_ros.training.objectives import STAGE_LOSSES, prepare_batch
from ckd_ros.training.samples.dataset import SampleDataset

_WARM_UP = 2
_WARM_SAMPLES = 200  # textures and noise that are made once


def main(
    data: Path,
    config: Path = Path(__file__).parents[1] / "config" / "training" / "tiny.yaml",
    steps: int = 6,
    batch: int | None = None,
    threads: int = 1,
) -> None:
    """Measure and print.

    `steps`: measured batches of every stage; `batch`: samples in each (default: the stage's); `threads`: of both.
    """
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    settings = load_config(config, data)
    network = preset(settings.preset)
    samples = SampleDataset(settings.samples, network, settings.seed, 10**9)
    for index in range(_WARM_SAMPLES):
        samples[10**6 + index]
    table = Table("stage", "batch", "loader, ms/sample", "loader /s", "trainer /s", "loader / trainer")
    for stage in settings.stages:
        stage = replace(stage, batch=batch or stage.batch)
        loading, training = _measure(samples, stage, network, settings.precision, steps)
        table.add_row(
            stage.name, str(stage.batch), f"{1e3 / loading:.2f}", f"{loading:.0f}", f"{training:.0f}",
            f"{loading / training:.1f}",
        )  # fmt: skip
    Console().print(f"preset {settings.preset}, {threads} thread(s), samples of {config}", table)


def _measure(samples: SampleDataset, stage: Stage, network, precision: str, steps: int) -> tuple[float, float]:
    """Samples per second of the loader and of the trainer: medians over batches."""
    fabric = make_fabric(precision)
    torch.manual_seed(0)
    model = build_model(stage, network, None).to(memory_format=torch.channels_last).train()
    learned = freeze_all_but_head(model) if stage.name == "eliminate" else list(model.parameters())
    wrapped, optimizer = fabric.setup(model, torch.optim.AdamW(learned, lr=stage.lr_head))
    clock = time.process_time if fabric.device.type == "cpu" else time.perf_counter
    loading, training = [], []
    for step in range(_WARM_UP + steps):
        start = clock()
        batch = default_collate([samples[step * stage.batch + i] for i in range(stage.batch)])
        loaded = clock()
        keep = None
        if stage.name == "distil" and stage.mask_ratio:
            keep = random_keep_mask(stage.batch, network.search_grid**2, stage.mask_ratio).to(fabric.device)
        loss, _ = STAGE_LOSSES[stage.name](wrapped, prepare_batch(batch, network, fabric.device), stage, keep)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        fabric.clip_gradients(wrapped, optimizer, max_norm=stage.clip)
        optimizer.step()
        loss.item()  # waits for a GPU
        loading.append(loaded - start)
        training.append(clock() - loaded)
    return tuple(stage.batch / float(np.median(seconds[_WARM_UP:])) for seconds in (loading, training))


if __name__ == "__main__":
    tyro.cli(main)
