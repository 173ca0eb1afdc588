"""Batches of samples for each process that trains."""

from __future__ import annotations

import signal

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from ckd_ros.network.config import preset
from ckd_ros.training.config import TrainingConfig
from ckd_ros.training.samples.dataset import SampleSet


def make_loader(settings: TrainingConfig, number: int, step: int, fabric: Fabric) -> DataLoader:
    """The batches of stage `number` from `step` on: this process's part of each, with the same samples at any step,
    however often the run was stopped and whatever the number of processes.
    """
    stage = settings.stages[number]
    part = stage.batch // fabric.world_size
    first = fabric.global_rank * part
    indices = [i * stage.batch + first + j for i in range(step, stage.steps) for j in range(part)]
    seed = settings.seed * 1000 + number
    return DataLoader(
        SampleSet(settings.samples, preset(settings.preset), seed, stage.steps * stage.batch),
        batch_size=part,
        sampler=indices,
        num_workers=settings.workers,
        worker_init_fn=_quiet_worker,
        prefetch_factor=4 if settings.workers else None,
        generator=torch.Generator(),  # else the loader would draw from the model's random numbers
    )


def _quiet_worker(_: int) -> None:
    """One thread, and deaf to Ctrl-C: the process that trains decides when it is over."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
