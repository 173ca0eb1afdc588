"""An exported network with int8 weights, for CPUs: smaller and faster, and nearly as accurate.

The transformer's matrix products, most of the work, run in int8: weights with one scale per output channel, tokens with
a scale computed for every frame, so that no calibration data is needed. Convolutions, attention, LayerNorm and
GELU stay fp32. TensorRT does not accept such a file: on a GPU use the fp32 one, which runs in fp16 there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

from ckd_ros.files import replacing

MIN_WEIGHTS = 4096  # of a matrix that is worth quantising


def quantise_onnx(source: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Write the fp32 network `source` as an int8 one with the same inputs, outputs and metadata, atomically.

    The weights of `source` may be stored as float16. Raises FileNotFoundError, or ValueError where `source` is not an
    exported network or is quantised already.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnxruntime.quantization import QuantType, quantize_dynamic

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
    sizes = {tensor.name: prod(tensor.dims) for tensor in model.graph.initializer}
    products = {n.name: sizes.get(n.input[1], 0) for n in model.graph.node if n.op_type in ("MatMul", "Gemm")}
    if max(products.values(), default=0) < MIN_WEIGHTS:
        raise ValueError(
            f"{source} has no matrix product with constant weights: quantise a transformer that `ckd export` wrote"
        )
    # Shapes are inferred again: older quantisers transpose a Gemm's weights and then fail on the shape stored for them.
    del model.graph.value_info[:]
    with replacing(out) as temporary, _quiet_quantiser():
        quantize_dynamic(
            model,
            temporary,
            op_types_to_quantize=["MatMul"],  # the quantiser makes a MatMul of every Gemm
            nodes_to_exclude=[name for name, size in products.items() if size < MIN_WEIGHTS],
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # 7 bits: CPUs without VNNI add pairs of products in 16 bits, which 8 bits overflow
        )
        quantised = onnx.load(temporary)
        onnx.helper.set_model_props(quantised, {**metadata, "precision": "int8"})
        onnx.checker.check_model(quantised)
        onnx.save(quantised, temporary)


@contextmanager
def _quiet_quantiser() -> Iterator[None]:
    """Hides the advice to optimise the graph first: ONNX Runtime does that when it loads the file."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(level)
