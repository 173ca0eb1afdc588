"""Batches of samples for each process that trains."""

from __future__ import annotations

import os
import signal

import cv2
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from ckd_ros.network.presets import preset
from ckd_ros.system import usable_cores
from ckd_ros.training.config import TrainingConfig
from ckd_ros.training.samples.cropping import Sample
from ckd_ros.training.samples.dataset import SampleDataset

#: Batches that each process of a loader makes ahead.
PREFETCH = 4


def make_loader(settings: TrainingConfig, stage_index: int, step: int, fabric: Fabric) -> DataLoader[Sample]:
    """The batches of a stage from `step` on, this process's part of each.

    There is one loader for a stage, read once: its workers last as long as the stage does.
    A step has the same samples however often the run was stopped and whatever the number of processes.
    """
    stage = settings.stages[stage_index]
    local_batch = stage.batch // fabric.world_size
    first = fabric.global_rank * local_batch
    indices = [i * stage.batch + first + j for i in range(step, stage.steps) for j in range(local_batch)]
    seed = settings.seed * 1000 + stage_index
    workers = spare_cores() if settings.workers is None else settings.workers
    if workers:
        cv2.setNumThreads(1)  # processes are forked without OpenCV's threads, and would wait for them for ever
    return DataLoader(
        SampleDataset(settings.samples, preset(settings.preset), seed, stage.steps * stage.batch),
        batch_size=local_batch,
        sampler=indices,
        num_workers=workers,
        worker_init_fn=_init_worker,
        prefetch_factor=PREFETCH if workers else None,
        pin_memory=fabric.device.type == "cuda",  # 8-bit pixels, copied to the GPU while it still computes
        generator=torch.Generator(),  # otherwise the loader would advance the model's random numbers
    )


def spare_cores() -> int:
    """This process's share of the machine's cores, less the one that it trains on itself."""
    return max(0, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - 1)


def _init_worker(_: int) -> None:
    """One thread, and no reaction to Ctrl-C: the process that trains decides when to stop."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
