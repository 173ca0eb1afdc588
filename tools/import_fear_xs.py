#!/usr/bin/env python3
"""Writes the weights of FEAR-XS as `models/fear-xs.safetensors`, from which the branches of a Siamese student start.

    pip install coremltools
    python tools/import_fear_xs.py FOLDER models/fear-xs.safetensors

FOLDER holds `Tracker.mlmodel` of https://github.com/PinataFarms/FEARTracker (MIT): the network that matches template
features with a search image. Only the file's numbers are read, so that coremltools need not be able to run it here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from coremltools.proto import Model_pb2
from torch import nn

from ckd_ros.network.checkpoint import CheckpointError, save_checkpoint
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese import SiameseBranch
from ckd_ros.network.siamese_student import SiameseTracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    tracker = SiameseTracker(preset("tiny"))
    fill(tracker.backbone, convolutions(options.folder / "Tracker.mlmodel"))
    record = {"source": "FEAR-XS", "licence": "MIT", "url": "https://github.com/PinataFarms/FEARTracker"}
    save_checkpoint(options.out, tracker.state_dict(), tracker.config, record)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


def convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias (empty where there is none) of every convolution, in the order in which they run."""
    model = Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    layers = getattr(model, model.WhichOneof("Type")).layers
    found = [layer.convolution for layer in layers if layer.WhichOneof("layer") == "convolution"]
    return [(_values(layer.weights), _values(layer.bias)) for layer in found]


def _values(weights: Model_pb2.WeightParams) -> np.ndarray:
    if weights.float16Value:
        return np.frombuffer(weights.float16Value, np.float16).astype(np.float32)
    return np.array(weights.floatValue, np.float32)


@torch.no_grad()
def fill(branch: SiameseBranch, kernels: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Put the kernels into the branch. Raises CheckpointError where they are not those of FEAR-XS."""
    score, box = branch.score_correlation, branch.box_correlation
    parts = [branch.backbone, score.encode, box.encode, score.join, box.join, branch.box_tower, branch.score_tower]
    layers = [module for part in parts for module in part.modules() if isinstance(module, nn.Conv2d)]
    if len(layers) != len(kernels):
        raise CheckpointError(f"the file has {len(kernels)} convolutions, FEAR-XS has {len(layers)}")
    for number, (layer, (kernel, bias)) in enumerate(zip(layers, kernels, strict=True)):
        if kernel.size != layer.weight.numel() or bias.size != (0 if layer.bias is None else layer.bias.numel()):
            raise CheckpointError(f"convolution {number} has {kernel.size} weights, should be {layer.weight.shape}")
        layer.weight.copy_(torch.from_numpy(kernel.copy()).reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(bias.copy()))


if __name__ == "__main__":
    main()
