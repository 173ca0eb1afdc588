"""The student as an ONNX file with fixed shapes, and the proof that ONNX Runtime computes the same.

The file's matrices are stored as float16 and computed in float32, see `half_weights`.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ckd_ros.files import replacing
from ckd_ros.network import siamese_inference
from ckd_ros.network.head import Prediction
from ckd_ros.network.inference import InferenceStudent
from ckd_ros.network.networks import Student
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.network.siamese_inference import SiameseInference
from ckd_ros.network.siamese_student import SiameseStudent
from ckd_ros.network.student import CKDStudent

OPSET = 18
INPUTS = ("template_rgb", "template_tir", "search_rgb", "search_tir")
TEMPLATE_BOX = "template_box"
TOLERANCE = 1e-3


def input_names(config: NetworkConfig) -> tuple[str, ...]:
    """Names of a student's inputs, in order; the file of a Siamese one has others (`siamese_inference.INPUTS`)."""
    return (*INPUTS, TEMPLATE_BOX) if config.template_box else INPUTS


def example_inputs(config: NetworkConfig, seed: int = 0) -> tuple[Tensor, ...]:
    """Random normalised crops (1, 3, S, S) and, where the preset reads it, a centred template box (1, 4)."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (config.template_size, config.template_size, config.search_size, config.search_size)
    crops = tuple(torch.randn(1, 3, size, size, generator=generator) for size in sizes)
    side = 1 / config.template_factor
    box = torch.tensor([[0.5 - side / 2, 0.5 - side / 2, side, side]])
    return (*crops, box) if config.template_box else crops


def metadata(config: NetworkConfig, training: dict[str, Any] | None = None) -> dict[str, str]:
    """What a runtime must know to feed the model, as strings."""
    return {
        "preset": config.preset,
        "opset": str(OPSET),
        "precision": "fp32",
        "template_size": str(config.template_size),
        "search_size": str(config.search_size),
        "template_factor": str(config.template_factor),
        "search_factor": str(config.search_factor),
        "stretched": "yes" if config.stretched else "no",
        "border": str(config.border),
        "mean": ",".join(map(str, config.mean)),
        "std": ",".join(map(str, config.std)),
        "training": json.dumps(training or {}),
    }


def export_onnx(student: Student, path: str | os.PathLike[str], training: dict[str, Any] | None = None) -> None:
    """Write the student (BatchNorm folded; batch 1, fixed shapes, but of a Siamese one) with its metadata, atomically.

    training: a JSON-able record of how the weights came about.
    """
    import onnx

    from ckd_ros.network.half_weights import store_half

    with replacing(path) as temporary, torch.no_grad(), _quiet_exporter():
        torch.onnx.export(
            **_program(student),
            f=temporary,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        graph = onnx.load(temporary)
        for item in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
            item.ClearField("metadata_props")  # the exporter's stack traces name paths of this machine
        if isinstance(student, SiameseStudent):
            _name_dimensions(graph.graph)
        onnx.helper.set_model_props(graph, metadata(student.config, training))
        store_half(graph)
        onnx.checker.check_model(graph)
        onnx.save(graph, temporary)


def _program(student: Student) -> dict[str, Any]:
    """What is exported, as arguments of `torch.onnx.export`."""
    maps = Prediction._fields
    if isinstance(student, CKDStudent):
        inputs, names = example_inputs(student.config), input_names(student.config)
        return {"model": InferenceStudent(student), "args": inputs, "input_names": names, "output_names": maps}
    return {
        "model": SiameseInference(student),
        "args": siamese_inference.example_inputs(student.config, targets=2),  # a batch of 1 would be taken for fixed
        "input_names": siamese_inference.INPUTS,
        "output_names": (*maps, *siamese_inference.FEATURES),
        "dynamic_shapes": siamese_inference.dynamic_shapes(),
    }


def _name_dimensions(graph: Any) -> None:
    """Call the free dimensions of inputs and outputs by their names; the exporter made up others."""
    del graph.value_info[:]  # shapes in the exporter's names; every reader infers them again
    for values, name in ((graph.input, siamese_inference.SIDE), (graph.output, siamese_inference.CELLS)):
        for value in values:
            batch, *others = value.type.tensor_type.shape.dim
            batch.dim_param = siamese_inference.TARGETS
            for dimension in (d for d in others if d.dim_param):
                dimension.dim_param = name


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hides the exporter's notes about torchvision, which the network does not use, and its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def check_export(student: Student, path: str | os.PathLike[str], tolerance: float = TOLERANCE) -> float:
    """Largest absolute difference between ONNX Runtime and PyTorch on random inputs, over all maps.

    PyTorch computes with the weights that the file holds, rounded to float16: else candidates of nearly equal scores
    could be eliminated in one and kept in the other. Raises ValueError when the difference exceeds `tolerance`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    inputs = example_inputs(student.config, seed=1)
    named = {name: x.numpy() for name, x in zip(input_names(student.config), inputs, strict=True)}
    with torch.no_grad():
        expected = _as_stored(student).eval()(*inputs).prediction
    if isinstance(student, SiameseStudent):
        named = _frame_inputs(session, named)
    found = session.run(list(Prediction._fields), named)
    worst = float(max((torch.from_numpy(a) - b).abs().max() for a, b in zip(found, expected, strict=True)))
    if not worst <= tolerance:
        raise ValueError(
            f"{os.path.basename(path)} differs from the network by {worst:.2e}, more than {tolerance:.0e}: "
            f"export it again"
        )
    return worst


def _frame_inputs(session: Any, crops: dict[str, Any]) -> dict[str, Any]:
    """Crops by name as inputs of a Siamese file: of the templates the features."""
    import numpy as np

    shapes = {value.name: value.shape for value in session.get_inputs()}
    unknown = {name: np.zeros((1, *shapes[name][1:]), np.float32) for name in siamese_inference.INPUTS[2:4]}
    seen = {"seen": np.ones((1, 2), np.float32)}
    templates = {f"search_{name}": crops[f"template_{name}"] for name in ("rgb", "tir")}
    features = session.run(siamese_inference.FEATURES, {**templates, **unknown, **seen})
    searches = {name: crops[name] for name in siamese_inference.INPUTS[:2]}
    return {**searches, **dict(zip(unknown, features, strict=True)), **seen}


def _as_stored(student: Student) -> Student:
    """A copy on the CPU whose weights are rounded as `store_half` does."""
    from ckd_ros.network.half_weights import is_stored_half

    student = copy.deepcopy(student).cpu()
    for module in student.modules():
        for weight in module.parameters(recurse=False):
            if not isinstance(module, nn.Conv2d) and is_stored_half(weight.shape, weight.abs().max().item()):
                weight.data = weight.data.half().float()
    return student
