"""Validation by real tracking: the tracker that ships, on sequences that training never sees."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ckd_ros.evaluation.composed import DEGRADATIONS, composed_sequence
from ckd_ros.evaluation.following import follow
from ckd_ros.evaluation.scores import score
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.export import input_names
from ckd_ros.network.head import Prediction
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.tracking import Tracker
from ckd_ros.tracking.crops import Normalisation
from ckd_ros.tracking.engine import ModelSpec
from ckd_ros.training.config import ValidationConfig

FIRST_SEED = 5000  # of the sequences: not those that a finished student is measured on


class TorchEngine:
    """A network in PyTorch with the interface of `tracking.OnnxEngine`, so that no export is needed.

    A single-modality tracker sees each modality that is there by itself; its maps are averaged.
    """

    def __init__(self, model: CKDStudent | SingleModalityTracker, device: torch.device):
        config: CKDConfig = model.config
        self._model, self._device, self.grid = model.to(device).eval(), device, config.head_grid
        self.spec = ModelSpec(
            preset=config.preset,
            opset="none",
            template_size=config.template_size,
            search_size=config.search_size,
            template_factor=config.template_factor,
            search_factor=config.search_factor,
            normalisation=Normalisation(config.mean, config.std),
            uses_box=config.template_box,
        )

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One forward pass; inputs and outputs as in `OnnxEngine.run`."""
        tensors = {name: torch.from_numpy(inputs[name]).to(self._device) for name in input_names(self._model.config)}
        score_map, size_map, offset_map = self._maps(tensors)
        return score_map[0, 0].cpu().numpy(), size_map[0].cpu().numpy(), offset_map[0].cpu().numpy()

    def _maps(self, tensors: dict[str, Tensor]) -> Prediction:
        if isinstance(self._model, CKDStudent):
            return self._model(*tensors.values()).prediction
        there = [m for m in ("rgb", "tir") if tensors[f"template_{m}"].any()] or ["rgb"]
        alone = [
            self._model(tensors[f"template_{m}"], tensors[f"search_{m}"], tensors.get("template_box")) for m in there
        ]
        return Prediction(*(torch.stack(maps).mean(0) for maps in zip(*alone, strict=True)))


def tracker_of(trained: CKDStudent | SingleModalityTracker) -> CKDStudent | SingleModalityTracker:
    """The network to track with, of the one that is trained: a student without its teachers."""
    kind = CKDStudent if isinstance(trained, CKDStudent) else SingleModalityTracker
    model, weights = kind(trained.config), trained.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model


def validate(model: CKDStudent | SingleModalityTracker, config: ValidationConfig, fabric: Fabric) -> float:
    """Success AUC, mean over the sequences, which the processes share among themselves.

    The first frame, whose box is given, does not count. Sequence i has the i-th degradation, in turn.
    """
    engine, degradations = TorchEngine(model, fabric.device), list(DEGRADATIONS)
    total = 0.0
    for number in range(fabric.global_rank, config.sequences, fabric.world_size):
        seed, kind = divmod(number, len(degradations))
        sequence = composed_sequence(config.pairs, degradations[kind], config.frames, FIRST_SEED + seed)
        track = follow(Tracker(engine), sequence, sequence.boxes[0])
        boxes = np.array([result.box for _, result in islice(track, 1, None)])
        total += score(boxes, sequence.boxes[1:]).success_auc
    return float(fabric.all_reduce(torch.tensor(total, device=fabric.device), reduce_op="sum")) / config.sequences
