"""Weights on disk: safetensors with the configuration beside them, and the authors' checkpoints."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ckd_ros.files import replacing
from ckd_ros.network.config import CKDConfig

TRAINING_ONLY = ("teacher_rgb.", "teacher_tir.", "box_head_v.", "box_head_i.")
LISTED = 8  # names shown of each kind of mismatch


class CheckpointError(ValueError):
    """A file that is no checkpoint, or weights that do not fit the network."""


def save_checkpoint(
    path: str | os.PathLike, state: dict[str, Tensor], config: CKDConfig, training: dict | None = None
) -> None:
    """Write weights with their configuration and a JSON-able record of the training, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    metadata = {"config": json.dumps(asdict(config)), "training": json.dumps(training or {})}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)
        os.chmod(temporary, 0o644)  # safetensors makes its files private


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Tensor], CKDConfig, dict]:
    """Read what `save_checkpoint` wrote: weights, configuration, training record.

    Raises FileNotFoundError, or CheckpointError where the file is not one of ours.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error
    if "config" not in metadata:
        raise CheckpointError(f"{path} carries no network configuration: it was not written by save_checkpoint")
    return state, _config_from_json(metadata["config"], path), json.loads(metadata.get("training", "{}"))


def _config_from_json(text: str, path: str | os.PathLike) -> CKDConfig:
    values = json.loads(text)
    unknown = sorted(set(values) - {field.name for field in fields(CKDConfig)})
    if unknown:
        raise CheckpointError(f"{path} was written by another version: unknown settings {', '.join(unknown)}")
    return CKDConfig(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def load_authors_checkpoint(path: str | os.PathLike) -> dict[str, Tensor]:
    """The student's weights from a checkpoint of the paper's authors, `{'net': state_dict}`.

    Teachers and their heads, which training checkpoints carry too, are left out. Nothing in the file is executed.
    Raises FileNotFoundError, or CheckpointError where the layout is another.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read as a plain PyTorch checkpoint of tensors: {error}") from error
    net = content.get("net") if isinstance(content, dict) else None
    if not isinstance(net, dict):
        found = f"keys {sorted(map(str, content))[:LISTED]}" if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path} should hold {{'net': state_dict}}, it holds {found}")
    return {name: tensor for name, tensor in net.items() if not name.startswith(TRAINING_ONLY)}


def load_weights(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load `state` into `model`, all of it or nothing.

    Raises CheckpointError that lists missing and unexpected names and differing shapes.
    """
    own = model.state_dict()
    shapes = [
        f"{name} is {tuple(state[name].shape)}, should be {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "of another shape": shapes,
    }
    if any(problems.values()):
        raise CheckpointError(f"the weights do not fit {type(model).__name__}: {_summary(problems)}")
    model.load_state_dict(state)


def _summary(problems: dict[str, list[str]]) -> str:
    parts = []
    for kind, names in problems.items():
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            parts.append(f"{len(names)} {kind}: {', '.join(names[:LISTED])}{more}")
    return "; ".join(parts)
