"""Networks and training files small enough for a test; as a program, a training whose losses are recorded.

[torchrun --standalone --nproc-per-node 2] micro.py CONFIG OUT RECORD
"""

import os
import sys
from dataclasses import replace

import cv2
import numpy as np
import torch
import yaml

from ckd_ros.network.presets import PRESETS, preset
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.training import train as loop
from ckd_ros.training.distributed import all_reduce_mean
from ckd_ros.training.stage_trainer import StageTrainer

_MICRO = replace(
    preset("tinyvit-mce"), preset="micro", template_size=32, search_size=64, embed_dim=24, depth=2, num_heads=2,
    elimination_blocks=(1,), head_channels=(12, 8), neck_dim=16,
)  # fmt: skip
#: `micro-exact` has no drop path, whose random numbers are each process's own.
_EXACT = replace(_MICRO, preset="micro-exact", drop_path=0.0)
_SIAMESE = SiameseConfig("micro-siamese", search_size=64, elimination="multimodal")
MICRO = {c.preset: c for c in (_MICRO, _EXACT, _SIAMESE)}

STAGES = [
    {"name": name, "steps": 4, "batch": 4, "lr_head": 1e-3, "lr_branch": 1e-3, "regression": "dense"}
    for name in ("pretrain", "distil", "eliminate")
]


def write(path, samples=None, **changes):
    """A training file at `path`, and the registered pairs beside it that it learns from."""
    settings = {
        "preset": "micro", "seed": 1, "workers": 0, "checkpoint_every": 2, "log_every": 2, "precision": "fp32",
        "samples": {"pairs": str(pairs(path.parent / "pairs")), "composing": {"real_objects": 1.0}, **(samples or {}),
                    "weights": {"pasted": 0.5, "in_place": 0.5}}, "stages": STAGES, **changes,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(settings))
    return path


def pairs(folder):
    """A folder of 8 smooth random pairs, of which 6 are to learn from."""
    rng = np.random.default_rng(0)
    for modality, channels in (("rgb", 3), ("tir", 1)):
        (folder / modality).mkdir(parents=True, exist_ok=True)
        for number in range(8):
            image = cv2.resize(rng.integers(0, 255, (24, 32, channels), dtype=np.uint8), (160, 120))
            cv2.imwrite(str(folder / modality / f"a{number}.png"), image)
    return folder


def recorded(config, out) -> list[dict]:
    """Train, and give every step's loss and norm of the gradient over the whole batch, and its gradients."""
    steps, training_step = [], StageTrainer.training_step

    def recording(trainer, *args):
        metrics, stopping = training_step(trainer, *args)
        gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
        whole = {name: float(all_reduce_mean(metrics[name])) for name in ("loss", "focal", "iou", "gradient")}
        steps.append({"metrics": whole, "gradients": gradients})
        return metrics, stopping

    StageTrainer.training_step = recording
    try:
        loop.train(config, out=out)
    finally:
        StageTrainer.training_step = training_step
    return steps


if __name__ == "__main__":
    PRESETS.update(MICRO)
    config, out, record = sys.argv[1:]
    steps = recorded(config, out)
    if os.environ.get("RANK", "0") == "0":  # the first of torchrun's processes
        torch.save(steps, record)
