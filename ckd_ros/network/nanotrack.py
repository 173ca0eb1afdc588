"""The weights of NanoTrack V3 (Apache-2.0), from which the branches of a Siamese student start.

Read from its two ONNX files, in the order in which its layers run. Its head gives a logit for each of two classes, of
which ours is the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ckd_ros.network.checkpoint import CheckpointError, save_checkpoint
from ckd_ros.network.siamese import SiameseBranch, Tower
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_student import SiameseTracker

FILES = ("backbone.onnx", "head.onnx")


def import_nanotrack(folder: str | os.PathLike[str], config: SiameseConfig, out: str | os.PathLike[str]) -> Path:
    """Write `folder`'s backbone.onnx and head.onnx as a single-modality tracker, `out/model.safetensors`.

    Raises FileNotFoundError, or CheckpointError where the files are not NanoTrack V3.
    """
    tracker = SiameseTracker(config)
    kernels = [kernel for name in FILES for kernel in _kernels(Path(folder) / name)]
    layers = _in_order(tracker.backbone)
    if len(kernels) != len(layers):
        raise CheckpointError(f"'{folder}' holds {len(kernels)} layers, NanoTrack V3 has {len(layers)}")
    with torch.no_grad():
        for number, (layer, (weight, bias)) in enumerate(zip(layers, kernels, strict=True)):
            if len(weight) == 2 and len(layer.weight) == 1:  # target less background
                weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
            if weight.size != layer.weight.numel():
                raise CheckpointError(
                    f"layer {number} of '{folder}' is {weight.shape}, should be {tuple(layer.weight.shape)}: "
                    f"is it NanoTrack V3?"
                )
            assert layer.bias is not None
            layer.weight.copy_(_tensor(weight).reshape(layer.weight.shape))
            layer.bias.copy_(_tensor(bias))
    path = Path(out) / "model.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"source": "NanoTrack V3", "licence": "Apache-2.0", "url": "https://github.com/HonglinChu/NanoTrack"}
    save_checkpoint(path, tracker.state_dict(), config, record)
    return path


def _kernels(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of every layer of an ONNX file, in the order of its nodes."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise FileNotFoundError(f"no file '{path}': give the folder with NanoTrack V3's {' and '.join(FILES)}")
    try:
        graph = onnx.load(path).graph
    except DecodeError as error:
        raise CheckpointError(f"'{path}' is not an ONNX file: {error}") from error
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = [node.input for node in graph.node if node.op_type in ("Conv", "Gemm")]
    return [(values[names[1]], values[names[2]]) for names in layers if len(names) == 3 and names[1] in values]


def _in_order(branch: SiameseBranch) -> list[nn.Conv2d]:
    """The layers of a branch in the order of NanoTrack's files."""
    correlation = (branch.pixel_box, branch.pixel_score, branch.depth_box, branch.depth_score)
    parts = (branch.backbone, *correlation, branch.join_box, branch.join_score)
    first = [module for part in parts for module in part.modules() if isinstance(module, nn.Conv2d)]
    return [*first, *_tower(branch.score_tower), *_tower(branch.box_tower)]


def _tower(tower: Tower) -> list[nn.Conv2d]:
    layers = [layer for pair in zip(tower.depthwise, tower.pointwise, strict=True) for layer in pair]
    return [layer for layer in (*layers, tower.out) if isinstance(layer, nn.Conv2d)]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values)
