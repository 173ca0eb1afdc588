"""The network on ONNX Runtime or PyTorch, behind one protocol.

`spec` says what the tracker asks of an engine, `factory` opens one. `torch_engine` alone needs PyTorch and is imported
when a checkpoint is asked for, not before.
"""

import sys
from importlib.util import find_spec

if find_spec("onnxruntime") is None:
    raise ModuleNotFoundError(
        f"{sys.executable} has no onnxruntime, which runs the network. On ROS 2 source the distribution and run `make "
        "setup` in the checkout of ckd_ros (in a workspace build after it); elsewhere: pip install onnxruntime",
        name="onnxruntime",
    )

from ckd_ros.tracking.engine.factory import (  # noqa: E402
    check_provider,
    chosen_model,
    open_engine,
    open_engine_on,
    suited_model,
)
from ckd_ros.tracking.engine.onnx_engine import PROVIDERS, OnnxEngine  # noqa: E402
from ckd_ros.tracking.engine.shipped import MODEL_SUFFIXES, default_model, intact, model_file, shipped_models  # noqa: E402
from ckd_ros.tracking.engine.spec import Engine, ModelSpec  # noqa: E402

__all__ = [
    "MODEL_SUFFIXES",
    "PROVIDERS",
    "Engine",
    "ModelSpec",
    "OnnxEngine",
    "check_provider",
    "chosen_model",
    "default_model",
    "intact",
    "model_file",
    "open_engine",
    "open_engine_on",
    "shipped_models",
    "suited_model",
]
