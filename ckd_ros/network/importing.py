"""Checkpoints of the paper's authors, and of the trackers and vision transformers the paper starts from.

Three layouts of a PyTorch file `{'net': ...}` (or `'model'`, `'state_dict'`, or the tensors alone) are understood:

- student: `rgb_branch.*`, `tir_branch.*`, `box_head.*`, as the authors publish it;
- distillation: the same with `teacher_rgb.*`, `teacher_tir.*` and their heads `box_head_v.*`, `box_head_i.*`, as
  their training leaves it;
- single: the `backbone.*`, `box_head.*` of a one-modality tracker (OSTrack, DropTrack), or a plain vision transformer
  (ImageNet, MAE, DropMAE: `patch_embed.*`, `blocks.*`, `norm.*`), to which a new, random head is given.

These differences are adapted: position embeddings of another grid are resized bicubically; where there is only a vision
transformer's `pos_embed` (class token first), those of template and search are made from it; the learned vectors by
which DropMAE and DropTrack tell template from search, `temporal_pos_embed_z` and `temporal_pos_embed_x` (1, 1, D), are
added to the resized position embeddings, as the paper's authors do. Everything else must fit exactly.
"""

from __future__ import annotations

import math
import os
import re
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ckd_ros.files import replacing
from ckd_ros.network.branch import Branch
from ckd_ros.network.checkpoint import LISTED, CheckpointError, check_fit, load_weights, save_checkpoint
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.export import check_export, export_onnx
from ckd_ros.network.head import CenterHead
from ckd_ros.network.networks import make_student
from ckd_ros.network.presets import PRESETS, NetworkConfig
from ckd_ros.network.student import CKDStudent, SingleModalityTracker

NESTED_UNDER = ("net", "model", "state_dict")
# Parts of plain vision transformers that a tracker has no use for: classifiers, decoders of masked autoencoders.
NOT_IN_A_BRANCH = ("head.", "head_dist.", "fc_norm.", "pre_logits.", "decoder_", "mask_token", "dist_token")
# What trainings save beside the tensors: settings, meters, figures. Nothing of it is wanted, so that classes without
# content take their place, and neither the code of these nor that of NumPy is run.
PASSED_OVER = (
    "lib.train.admin.settings.Settings",
    "lib.train.admin.local.EnvironmentSettings",
    "lib.train.admin.stats.AverageMeter",
    "lib.train.admin.stats.StatValue",
    "argparse.Namespace",
    "types.SimpleNamespace",
    "datetime.datetime",
    "datetime.timedelta",
    *(f"pathlib.{path}" for path in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(f"pathlib._local.{path}" for path in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{maker}" for core in ("core", "_core") for maker in ("scalar", "_reconstruct")),
    *(f"builtins.{kind}" for kind in ("frozenset", "list", "dict", "int", "float")),
)
# Containers that are filled after they were made, by the plain one that takes their place.
CONTAINERS: dict[str, type] = {"collections.defaultdict": dict, "collections.deque": list}


class ImportedCheckpoint(NamedTuple):
    """A foreign checkpoint as this package has it."""

    kind: str  # 'student', 'distillation' or 'single'
    state: dict[str, Tensor]  # all that the network of that kind needs, by this package's names
    record: dict[str, Any]  # where it came from: the training record of what is written


def import_checkpoint(path: str | os.PathLike[str], config: NetworkConfig, out: str | os.PathLike[str]) -> list[Path]:
    """Write a foreign checkpoint as `out/model.safetensors` and, where it holds a student, `out/model.onnx`.

    Both or neither: `out` must be a new or empty folder. Returns what was written. Raises FileNotFoundError,
    CheckpointError for what `read_foreign` refuses, ValueError for a folder in use.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"'{out}' is in use: give a new or an empty folder")
    found = read_foreign(path, config)
    with replacing(out) as folder:
        folder.mkdir()
        save_checkpoint(folder / "model.safetensors", found.state, config, found.record)
        if found.kind != "single":
            student = make_student(config)
            load_weights(student, {name: found.state[name] for name in student.state_dict()})
            export_onnx(student, folder / "model.onnx", found.record)
            check_export(student, folder / "model.onnx")
        names = sorted((file.name for file in folder.iterdir()), reverse=True)
    return [out / name for name in names]


def read_foreign(path: str | os.PathLike[str], config: NetworkConfig) -> ImportedCheckpoint:
    """A foreign checkpoint as weights of a network of this configuration; nothing in the file is executed.

    Raises FileNotFoundError, or CheckpointError that names missing and unexpected tensors and differing shapes.
    """
    if not isinstance(config, CKDConfig) or config.stem != "patch":
        suited = ", ".join(n for n, other in PRESETS.items() if isinstance(other, CKDConfig) and other.stem == "patch")
        raise CheckpointError(
            f"preset '{config.preset}' is not a network of the paper's authors, choose one of: {suited}"
        )
    state = _read_tensors(path)
    record = {"kind": _kind(state, path), "source": Path(path).name}
    if record["kind"] == "vision transformer":
        state = {f"backbone.{name}": v for name, v in state.items() if not name.startswith(NOT_IN_A_BRANCH)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # one file gives one network
            head = CenterHead(config, modalities=1).state_dict()
        state.update({f"box_head.{name}": value for name, value in head.items()})
        record.update(kind="single", head="random")
    kind = record["kind"]
    if config.shared and kind != "single":
        state = _shared(state, path)
    expected = expected_tensors(kind, config)
    for branch in dict.fromkeys(name.split(".", 1)[0] for name in expected if "box_head" not in name):
        state = _fit_positions(state, branch, config)
    check_fit(state, expected, f"a {kind} of preset '{config.preset}'")
    state = {name: state[name].to(value.dtype) for name, value in expected.items()}
    not_finite = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if not_finite:
        raise CheckpointError(f"'{path}' holds values that are not finite, in {', '.join(not_finite[:LISTED])}")
    return ImportedCheckpoint(kind, state, record)


def _read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a PyTorch file, wherever it nests them."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at '{path}'")
    if Path(path).suffix == ".safetensors":
        raise CheckpointError(
            f"'{path}' is not a PyTorch file: what `ckd train` wrote is taken as it is, by `start:` and `ckd export`"
        )
    try:
        with torch.serialization.safe_globals(_stand_ins()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"'{path}' cannot be read as a PyTorch checkpoint of tensors: {_first(error)}") from error
    if isinstance(content, dict):
        content = next((content[key] for key in NESTED_UNDER if isinstance(content.get(key), dict)), content)
        tensors = {str(name).removeprefix("module."): v for name, v in content.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
    found = f"keys {sorted(map(str, content))[:LISTED]}" if isinstance(content, dict) else type(content).__name__
    raise CheckpointError(f"'{path}' should hold {{'net': state_dict}}, it holds {found}")


def _stand_ins() -> list[Any]:
    """Classes by the names of `PASSED_OVER` and `CONTAINERS` that take anything and keep nothing."""
    found: list[Any] = []
    for path in (*PASSED_OVER, *CONTAINERS):
        module, _, name = path.rpartition(".")
        plain = CONTAINERS.get(path)
        body: dict[str, Any] = {"__module__": module, "__init__": _ignore, "__setstate__": _ignore}
        if plain is not None:
            body["__new__"] = partial(_made_plain, plain)
        found.append(type(name, (), body))
    return found


def _ignore(*_: object) -> None:
    pass


def _made_plain(plain: type, *_: object) -> Any:
    return plain()


def _first(error: Exception) -> str:
    """What happened, with a remedy in the place of PyTorch's, which is to trust the file."""
    if unknown := re.search(r"GLOBAL (\S+)", str(error)):
        return (
            f"beside tensors it holds '{unknown[1]}', whose code is not run here. Where you trust the file, write its "
            f"tensors alone: torch.save({{'net': torch.load(FILE, weights_only=False)['net']}}, NEW)"
        )
    return str(error).split("WeightsUnpickler error:")[-1].strip().split("\n")[0]


def _kind(state: dict[str, Tensor], path: str | os.PathLike[str]) -> str:
    parts = {name.split(".", 1)[0] for name in state}
    if parts & {"rgb_branch", "tir_branch"}:
        return "distillation" if any(part.startswith("teacher_") for part in parts) else "student"
    if "backbone" in parts:
        return "single"
    if {"patch_embed", "blocks"} <= parts:
        return "vision transformer"
    raise CheckpointError(
        f"'{path}' holds no known network: it should have tensors rgb_branch.*, backbone.* or blocks.*, "
        f"it has {', '.join(f'{part}.*' for part in sorted(parts)[:LISTED])}"
    )


def _shared(state: dict[str, Tensor], path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """One branch for two: the authors' files hold a shared branch under both names."""
    rest = {name: value for name, value in state.items() if not name.startswith("tir_branch.")}
    for name, value in state.items():
        twin = state.get(name.replace("tir_branch.", "rgb_branch."))
        if twin is None or not torch.equal(twin, value):
            raise CheckpointError(
                f"'{path}' holds two different students ({name}), but the preset has one for both modalities: "
                f"choose another preset"
            )
    return rest


def expected_tensors(kind: str, config: CKDConfig) -> dict[str, Tensor]:
    """Names, shapes and types, without values, of all tensors of such a checkpoint."""
    with torch.device("meta"):
        if kind == "single":
            return SingleModalityTracker(config).state_dict()
        expected = dict(CKDStudent(config).state_dict())
        if kind == "distillation":
            branch, head = Branch(config).state_dict(), CenterHead(config, modalities=1).state_dict()
            for part in ("teacher_rgb", "teacher_tir"):
                expected.update({f"{part}.{name}": value for name, value in branch.items()})
            for part in ("box_head_v", "box_head_i"):
                expected.update({f"{part}.{name}": value for name, value in head.items()})
    return expected


def _fit_positions(state: dict[str, Tensor], branch: str, config: CKDConfig) -> dict[str, Tensor]:
    """A copy of `state` with a branch's position embeddings on this configuration's grids."""
    state = dict(state)
    whole = state.get(f"{branch}.pos_embed")
    for crop, grid in (("z", config.template_grid), ("x", config.search_grid)):
        name = f"{branch}.pos_embed_{crop}"
        if name not in state and whole is not None:
            state[name] = whole
        if name in state:
            state[name] = resize_positions(state[name], grid, name)
            frame = state.pop(f"{branch}.temporal_pos_embed_{crop}", None)
            if frame is not None:
                state[name] = state[name] + resize_positions(frame, grid, f"{branch}.temporal_pos_embed_{crop}")
    with torch.device("meta"):
        unused = dict(Branch(config).named_buffers(recurse=False))
    for name, value in unused.items():  # in the authors' files, but never read: any values will do
        own = state.get(f"{branch}.{name}")
        if own is None or own.shape != value.shape:
            state[f"{branch}.{name}"] = torch.zeros(value.shape)
    return state


def resize_positions(embedding: Tensor, grid: int, name: str = "position embedding") -> Tensor:
    """Position embeddings (1, n, D) of a square grid -> (1, grid * grid, D), bicubically; a class token is left out.

    Raises CheckpointError where `n` is neither a square nor one more.
    """
    places = embedding
    if embedding.ndim == 3 and not _is_square(embedding.shape[1]):
        places = embedding[:, 1:]
    if places.ndim != 3 or not _is_square(places.shape[1]):
        raise CheckpointError(f"{name} is {tuple(embedding.shape)}, should be (1, n, D) of a square grid of n places")
    side = math.isqrt(places.shape[1])
    if side == grid:
        return places
    square = places.float().transpose(1, 2).reshape(len(places), -1, side, side)
    resized = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
