"""A hand-made network for tests that run the tracker through real ONNX Runtime, but without training.

The network is normalised cross-correlation: it finds in the search crop what looks like the centre of the template, in
each modality that is there, and says how alike it is. It knows no scale and no sub-cell offset.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = {
    "preset": "correlation",
    "opset": "17",
    "template_size": "64",
    "search_size": "128",
    "template_factor": "2.0",
    "search_factor": "4.0",
    "mean": "0.485,0.456,0.406",
    "std": "0.229,0.224,0.225",
    "training": '{"samples": 0}',
}
_SIDE = 32  # the target's side in both crops, by their sizes and factors


def correlation_model(metadata: dict[str, str] = METADATA) -> onnx.ModelProto:
    count = 3 * _SIDE * _SIDE
    constants = {
        "start": np.array([16, 16]),
        "end": np.array([48, 48]),
        "axes": np.array([2, 3]),
        "all": np.array([1, 2, 3]),
        "ones": np.ones((1, 3, _SIDE, _SIDE), np.float32),
        "count": np.float32(count),
        "least": np.float32(1e-3 * count),
        "one": np.float32(1.0),
        "low": np.float32(1e-4),
        "high": np.float32(1 - 1e-4),
        "wh_start": np.array([2]),
        "wh_end": np.array([4]),
        "wh_axis": np.array([1]),
        "wh_shape": np.array([1, 2, 1, 1]),
        "half": np.full((1, 2, 16, 16), 0.5, np.float32),
    }
    nodes = []

    def node(op: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    grid = {"strides": [8, 8], "pads": [12, 12, 12, 12]}  # window of cell i centred at 8 i + 4
    for m in ("rgb", "tir"):
        node("Slice", [f"template_{m}", "start", "end", "axes"], f"centre_{m}")
        node("ReduceMean", [f"centre_{m}"], f"mean_{m}", axes=[1, 2, 3], keepdims=1)
        node("Sub", [f"centre_{m}", f"mean_{m}"], f"pattern_{m}")
        node("Conv", [f"search_{m}", f"pattern_{m}"], f"match_{m}", **grid)
        node("Conv", [f"search_{m}", "ones"], f"sum_{m}", **grid)
        node("Mul", [f"search_{m}", f"search_{m}"], f"square_{m}")
        node("Conv", [f"square_{m}", "ones"], f"squares_{m}", **grid)
        node("Mul", [f"sum_{m}", f"sum_{m}"], f"sum2_{m}")
        node("Div", [f"sum2_{m}", "count"], f"part_{m}")
        node("Sub", [f"squares_{m}", f"part_{m}"], f"raw_energy_{m}")
        node("Max", [f"raw_energy_{m}", "least"], f"energy_{m}")
        node("Mul", [f"pattern_{m}", f"pattern_{m}"], f"pattern2_{m}")
        node("ReduceSum", [f"pattern2_{m}", "all"], f"raw_own_{m}", keepdims=1)
        node("Max", [f"raw_own_{m}", "least"], f"own_{m}")
        node("Mul", [f"energy_{m}", f"own_{m}"], f"product_{m}")
        node("Sqrt", [f"product_{m}"], f"norm_{m}")
        node("Div", [f"match_{m}", f"norm_{m}"], f"alike_{m}")
        node("Abs", [f"template_{m}"], f"abs_{m}")
        node("ReduceMax", [f"abs_{m}"], f"max_{m}", axes=[1, 2, 3], keepdims=1)
        node("Sign", [f"max_{m}"], f"present_{m}")
    node("Add", ["alike_rgb", "alike_tir"], "alike")
    node("Add", ["present_rgb", "present_tir"], "present")
    node("Max", ["present", "one"], "shares")
    node("Div", ["alike", "shares"], "mean_alike")
    node("Clip", ["mean_alike", "low", "high"], "score_map")
    node("Slice", ["template_box", "wh_start", "wh_end", "wh_axis"], "wh")
    node("Reshape", ["wh", "wh_shape"], "wh_column")
    node("Mul", ["wh_column", "half"], "size_map")  # the search window is twice the template's
    node("Identity", ["half"], "offset_map")

    def tensor(name: str, shape: list[int]):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [tensor(f"template_{m}", [1, 3, 64, 64]) for m in ("rgb", "tir")]
    inputs += [tensor(f"search_{m}", [1, 3, 128, 128]) for m in ("rgb", "tir")]
    inputs.append(tensor("template_box", [1, 4]))
    outputs = [tensor(name, [1, c, 16, 16]) for name, c in (("score_map", 1), ("size_map", 2), ("offset_map", 2))]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "correlation", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    return model
