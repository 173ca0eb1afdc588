"""Validation by real tracking: the tracker that ships, on sequences that training never sees."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ckd_ros.datasets.composed import DEGRADATIONS, composed_sequence
from ckd_ros.metrics import score
from ckd_ros.network.networks import OneCameraTracker, Student, make_student, make_tracker
from ckd_ros.tracking import Tracker
from ckd_ros.tracking.engine.torch_engine import TorchEngine
from ckd_ros.tracking.track_sequence import track_sequence
from ckd_ros.training.config import ValidationConfig

FIRST_SEED = 5000  # of the sequences: not those that a finished student is measured on


def student_or_tracker(trained: Student | OneCameraTracker) -> Student | OneCameraTracker:
    """A copy of the part of a trained network that tracks: the single-modality tracker, or the student alone."""
    model = make_student(trained.config) if isinstance(trained, Student) else make_tracker(trained.config)
    weights = trained.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model


def validate(model: Student | OneCameraTracker, config: ValidationConfig, fabric: Fabric) -> float:
    """Success AUC, mean over the sequences, which are distributed over the processes.

    The first frame, whose box is given, does not count. The sequences have all degradations in turn.
    """
    engine, degradations = TorchEngine(model, fabric.device), list(DEGRADATIONS)
    total = 0.0
    for number in range(fabric.global_rank, config.sequences, fabric.world_size):
        seed, kind = divmod(number, len(degradations))
        sequence = composed_sequence(config.pairs, degradations[kind], config.frames, FIRST_SEED + seed)
        truth = sequence.boxes
        assert truth is not None
        track = track_sequence(Tracker(engine), sequence.frames(), truth[0])
        boxes = np.array([result.box for _, result in islice(track, 1, None)])
        total += score(boxes, truth[1:]).success_auc
    summed = fabric.all_reduce(torch.tensor(total, device=fabric.device), reduce_op="sum")
    assert isinstance(summed, Tensor)
    return summed.item() / config.sequences
