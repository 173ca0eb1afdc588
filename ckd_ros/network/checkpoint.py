"""Weights on disk: safetensors with the configuration beside them. The authors' files: see `importing`.

safetensors is imported where a file is read or written: a network without a file needs PyTorch alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ckd_ros.files import replacing
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.network.siamese_config import SiameseConfig

LISTED = 32  # names shown of each kind of mismatch


class CheckpointError(ValueError):
    """A file that is not a checkpoint, or weights that do not fit the network."""


def save_checkpoint(
    path: str | os.PathLike[str],
    state: dict[str, Tensor],
    config: NetworkConfig,
    training: dict[str, Any] | None = None,
) -> None:
    """Write weights with their configuration and a JSON-able record of the training, atomically."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    metadata = {"config": json.dumps(asdict(config)), "training": json.dumps(training or {})}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)
        os.chmod(temporary, 0o644)  # safetensors makes its files private


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], NetworkConfig, dict[str, Any]]:
    """Read what `save_checkpoint` wrote: weights, configuration, training record.

    Raises FileNotFoundError, or CheckpointError where the file is not one of ours.
    """
    with _opened(path) as (file, metadata):
        state = {name: file.get_tensor(name) for name in file.keys()}
    return state, _config_from_json(metadata["config"], path), json.loads(metadata.get("training", "{}"))


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The training record alone of what `save_checkpoint` wrote. Raises what `load_checkpoint` raises."""
    with _opened(path) as (_, metadata):
        return dict(json.loads(metadata.get("training", "{}")))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Any, dict[str, str]]]:
    """A safetensors file of ours and its metadata."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "config" not in metadata:
                raise CheckpointError(f"{path} carries no network configuration: it was not written by save_checkpoint")
            yield file, metadata
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}): {_remedy(Path(path))}") from error


def _remedy(path: Path) -> str:
    if path.name == "last.pt":
        return "it is what a training resumes from, give a .safetensors file from beside it"
    if path.suffix in (".pt", ".pth", ".tar", ".bin", ".ckpt"):
        return f"turn it into one with `ckd import {path.name}`"
    return "give one that `ckd train` or `ckd import` wrote"


def checkpoint_kind(state: Iterable[str]) -> str:
    """'single', 'distillation' or 'student': the kind of a checkpoint, by the names of its tensors."""
    parts = {name.split(".", 1)[0] for name in state}
    if "backbone" in parts:
        return "single"
    return "distillation" if "teacher_rgb" in parts else "student"


def _config_from_json(text: str, path: str | os.PathLike[str]) -> NetworkConfig:
    values: dict[str, Any] = json.loads(text)
    family = CKDConfig if "embed_dim" in values else SiameseConfig
    unknown = sorted(set(values) - {field.name for field in fields(family)})
    if unknown:
        raise CheckpointError(f"{path} was written by another version: unknown settings {', '.join(unknown)}")
    settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return family(**settings)


def load_weights(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load `state` into `model`, all of it or nothing.

    Raises CheckpointError that lists missing and unexpected names and differing shapes.
    """
    check_fit(state, model.state_dict(), type(model).__name__)
    model.load_state_dict(state)


def check_fit(state: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError, with names and shapes, unless `state` is all that `what` needs and nothing more.

    expected: tensors of the right names and shapes; their values do not matter, they may be on the meta device.
    """
    shapes = [
        f"{name} is {tuple(state[name].shape)}, should be {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    problems = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": shapes,
    }
    if any(problems.values()):
        raise CheckpointError(f"the weights do not fit {what}: {_summary(problems)}")


def _summary(problems: dict[str, list[str]]) -> str:
    parts = []
    for kind, names in problems.items():
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            parts.append(f"{len(names)} {kind}: {', '.join(names[:LISTED])}{more}")
    return "; ".join(parts)
