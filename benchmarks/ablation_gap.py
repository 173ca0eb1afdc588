"""The modality gap of the ablation's students, on crops of its test sequences."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import yaml
from modality_gap import modality_gap
from rendered_sequence import load_rendered
from torch import Tensor

from ckd_ros.geometry import crop_window
from ckd_ros.network.checkpoint import load_checkpoint, load_weights
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.presets import preset
from ckd_ros.network.student import CKDStudent
from ckd_ros.training.initial_weights import load_initial_weights
from ckd_ros.training.samples.cropping import cut


def load_student(folder: Path) -> CKDStudent:
    """A variant's student, in eval mode."""
    state, config, _ = load_checkpoint(folder / "student.safetensors")
    student = CKDStudent(config)
    load_weights(student, state)
    return student.eval()


def gaps(folder: Path, tracker: Path, sequences: list[Path]) -> dict:
    """The gap of a variant at the end of its training (`gap`), and at every checkpoint on the way (`curve`)."""
    crops = _held_out_crops(tuple(sequences), preset("tinyvit"))
    end = _gap(load_student(folder), crops)
    return {"gap": end, "curve": _gap_curve(folder, tracker, crops, end)}


@lru_cache(maxsize=1)
def _held_out_crops(sequences: tuple[Path, ...], network: CKDConfig) -> tuple[Tensor, ...]:
    """Inputs of `CKDStudent`, one a sequence: the template of its first frame, the middle frame around the truth."""
    crops: list[list[np.ndarray]] = []
    for file in sequences:
        pairs, boxes = load_rendered(file)
        middle = len(pairs) // 2
        if np.isnan(boxes[middle]).any():
            continue
        template = crop_window(boxes[0], network.template_factor)
        search = crop_window(boxes[middle], network.search_factor)
        images = [
            _cut(image.data, window.matrix(size), size, network)
            for frame, window, size in ((0, template, network.template_size), (middle, search, network.search_size))
            for image in (pairs[frame].rgb, pairs[frame].thermal)
        ]
        crops.append([*images, template.to_fraction(boxes[0]).astype(np.float32)])
    return tuple(torch.from_numpy(np.stack(column)) for column in zip(*crops, strict=True))


def _cut(image: np.ndarray, view: np.ndarray, size: int, network: CKDConfig) -> np.ndarray:
    """A normalised crop (3, size, size) of an RGB or grey image."""
    crop = cut(image, view, size).astype(np.float32)
    crop = np.broadcast_to(crop.reshape(size, size, -1), (size, size, 3)) / 255
    return ((crop - np.float32(network.mean)) / np.float32(network.std)).transpose(2, 0, 1)


def _gap(student: CKDStudent, crops: tuple[Tensor, ...]) -> dict[str, list[float]]:
    with torch.no_grad():
        output = student.eval()(*crops)
    gap = modality_gap(output.rgb.blocks, output.tir.blocks)
    return {"distance": gap.distance.tolist(), "relative": gap.relative.tolist()}


def _gap_curve(folder: Path, tracker: Path, crops: tuple[Tensor, ...], end: dict) -> list[dict]:
    """The gap at every checkpoint on the way, from the start to the end; only of stage 1."""
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    stage = settings["stages"][0]
    curve = {}
    if stage["name"] == "distil":
        student = CKDStudent(preset(settings["preset"]))
        load_initial_weights(student, tracker)
        curve[0] = _gap(student, crops)
        for file in (folder / "snapshots").glob("*.pt"):
            saved = torch.load(file, map_location="cpu", weights_only=True)
            load_weights(student, {name: saved["average"][name] for name in student.state_dict()})
            curve[saved["step"]] = _gap(student, crops)
        curve[stage["steps"]] = end
    return [{"step": step, **curve[step]} for step in sorted(curve)]
