"""An exported network with int8 weights, for CPUs: smaller and faster, and nearly as accurate.

The transformer's matrix products, most of the work, run in int8: weights with one scale per output channel, tokens with
a scale computed for every frame, so that no calibration data is needed. Convolutions, attention, LayerNorm and
GELU stay fp32.

A Siamese network's convolutions run in int8 too, except for each branch's last ones and all that follows: the maps and
what couples them. Scales of what they read are fixed in the file, so that inputs to measure them on are needed. It is
for x86 CPUs with VNNI and for ARM: older ones add pairs of products in 16 bits, which 8-bit weights can overflow.

TensorRT accepts neither: on a GPU use the fp32 file, which runs in fp16 there.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ckd_ros.files import replacing
from ckd_ros.network import siamese_inference

if TYPE_CHECKING:
    import onnx

MIN_WEIGHTS = 4096  # of a matrix that is worth quantising
PERCENTILE = 99.99  # of a layer's values that its scale covers: rare outliers would cost all others their precision
_MAP_CHANNELS = 4  # at most, of a branch's maps
GraphInputs = Mapping[str, npt.NDArray[np.float32]]


def quantise_onnx(
    source: str | os.PathLike[str], out: str | os.PathLike[str], calibration: Iterable[GraphInputs] = ()
) -> None:
    """Write the fp32 network `source` as an int8 one with the same inputs, outputs and metadata, atomically.

    The weights of `source` may be stored as float16.

    Args:
        calibration: inputs of the file's graph, as varied as those that it will see; only a Siamese network reads them.
            All of its layers' values on all of them are held in memory: 80 MB for each at 224 pixels.

    Raises FileNotFoundError, or ValueError where `source` is not an exported network, is quantised already, or needs
    `calibration`.
    """
    import onnx
    from google.protobuf.message import DecodeError

    from ckd_ros.network.half_weights import expand_half, read_metadata

    if not Path(source).is_file():
        raise FileNotFoundError(f"no model file {source}: export one with `ckd export`")
    try:
        model = onnx.load(source)
    except DecodeError as error:
        raise ValueError(f"{source} is not an ONNX file: {error}") from error
    expand_half(model)
    metadata = read_metadata(model)
    if metadata.get("precision", "fp32") != "fp32":
        raise ValueError(
            f"{source} is {metadata['precision']} already: quantise the fp32 file that `ckd export` writes"
        )
    with replacing(out) as temporary, _quiet_quantiser():
        if siamese_inference.INPUTS[-1] in {value.name for value in model.graph.input}:
            _quantise_convolutions(model, temporary, source, calibration)
        else:
            _quantise_products(model, temporary, source)
        quantised = onnx.load(temporary)
        onnx.helper.set_model_props(quantised, {**metadata, "precision": "int8"})
        onnx.checker.check_model(quantised)
        onnx.save(quantised, temporary)


def _quantise_products(model: onnx.ModelProto, out: Path, source: str | os.PathLike[str]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    sizes = {tensor.name: prod(tensor.dims) for tensor in model.graph.initializer}
    products = {n.name: sizes.get(n.input[1], 0) for n in model.graph.node if n.op_type in ("MatMul", "Gemm")}
    if max(products.values(), default=0) < MIN_WEIGHTS:
        raise ValueError(f"{source} has no matrix product with constant weights: is it a file that `ckd export` wrote?")
    # Shapes are inferred again: older quantisers transpose a Gemm's weights and then fail on the shape stored for them.
    del model.graph.value_info[:]
    quantize_dynamic(
        model,
        out,
        op_types_to_quantize=["MatMul"],  # the quantiser makes a MatMul of every Gemm
        nodes_to_exclude=[name for name, size in products.items() if size < MIN_WEIGHTS],
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=True,  # 7 bits: CPUs without VNNI add pairs of products in 16 bits, which 8 bits overflow
    )


def _quantise_convolutions(
    model: onnx.ModelProto, out: Path, source: str | os.PathLike[str], calibration: Iterable[GraphInputs]
) -> None:
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

    inputs = list(calibration)
    if not inputs:
        raise ValueError(f"{source} is a Siamese network: it needs inputs to be calibrated on")

    class Reader(CalibrationDataReader):
        def get_next(self) -> GraphInputs | None:
            return inputs.pop() if inputs else None

    quantize_static(
        model,
        out,
        Reader(),
        op_types_to_quantize=["Conv", "Relu", "Add", "Concat", "MatMul"],
        nodes_to_exclude=_maps_and_after(model.graph),
        activation_type=QuantType.QUInt8,
        per_channel=True,
        weight_type=QuantType.QInt8,  # 8 bits: 7 cost two points of success on drones in thermal images
        calibrate_method=CalibrationMethod.Percentile,
        extra_options={"CalibPercentile": PERCENTILE},
    )


def _maps_and_after(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes of each branch's last separable convolutions, and of all that reads what they give."""
    widths = {tensor.name: tensor.dims[0] for tensor in graph.initializer if len(tensor.dims) == 4}
    maker = {output: node for node in graph.node for output in node.output}
    last = [n for n in graph.node if n.op_type == "Conv" and widths[n.input[1]] <= _MAP_CHANNELS]
    names, reached = [maker[node.input[0]].name for node in last], {output for node in last for output in node.output}
    for node in graph.node:  # in the order of computation
        if reached.intersection([*node.input, *node.output]):
            reached.update(node.output)
            names.append(node.name)
    return names


@contextmanager
def _quiet_quantiser() -> Iterator[None]:
    """Hides the advice to optimise the graph first, which ONNX Runtime does when it loads the file, and progress."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.root.setLevel(level)
