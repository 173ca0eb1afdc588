"""Network files whose matrices are stored as float16 and computed in float32: little more than half the size.

A cast to float32 follows every stored matrix. ONNX Runtime folds casts of constants when it loads the file, so that the
float32 graph is what runs, as fast as before. Convolution kernels stay float32: they are a seventh of the shipped
student's weights, and rounding them changes its maps six times as much as rounding all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_VALUES = 1024  # of a tensor that is worth a cast
MAX_HALF = float(np.finfo(np.float16).max)
WEIGHTS_KEY = "weights"  # metadata: how the weights are stored; a file that lacks it stores them as it computes


def store_half(model: onnx.ModelProto) -> None:
    """Store the matrices of a graph as float16, in place, and say so in its metadata; see `is_stored_half`.

    A graph without any, of convolutions alone, stays as it is.
    """
    graph, casts = model.graph, []
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name in kernels:
            continue
        values = numpy_helper.to_array(tensor)
        if not is_stored_half(values.shape, float(np.abs(values).max(initial=0))):
            continue
        stored = f"{tensor.name}.fp16"
        casts.append(helper.make_node("Cast", [stored], [tensor.name], f"{stored}.cast", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    if not casts:
        return
    nodes = [*casts, *graph.node]  # a node may only read the outputs of nodes before it
    del graph.node[:]
    graph.node.extend(nodes)
    helper.set_model_props(model, {**read_metadata(model), WEIGHTS_KEY: "fp16"})


def is_stored_half(shape: Sequence[int], largest: float) -> bool:
    """Whether weights of this shape and largest magnitude, no convolution's kernel, are stored as float16."""
    return len(shape) > 1 and prod(shape) >= MIN_VALUES and largest <= MAX_HALF


def expand_half(model: onnx.ModelProto) -> None:
    """Undo `store_half`, in place: float32 weights and no casts. A graph without float16 weights stays as it is."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    for cast in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]:
        tensor = stored[cast.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, cast.output[0]))
        graph.node.remove(cast)
    metadata = read_metadata(model)
    metadata.pop(WEIGHTS_KEY, None)
    helper.set_model_props(model, metadata)


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """A model's metadata by key."""
    return {item.key: item.value for item in model.metadata_props}
