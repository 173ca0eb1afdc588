"""The network on ONNX Runtime or PyTorch, behind one protocol.

`spec` says what the tracker asks of an engine, `factory` opens one. `torch_engine` alone needs PyTorch and is imported
when a checkpoint is asked for, not before.
"""

from ckd_ros.tracking.engine.factory import MODEL_SUFFIXES, default_model, open_engine, suited_model
from ckd_ros.tracking.engine.onnx_engine import PROVIDERS, OnnxEngine
from ckd_ros.tracking.engine.spec import Engine, ModelSpec

__all__ = [
    "MODEL_SUFFIXES",
    "PROVIDERS",
    "Engine",
    "ModelSpec",
    "OnnxEngine",
    "default_model",
    "open_engine",
    "suited_model",
]
