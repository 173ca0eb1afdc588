"""The tracker and what it is made of. Needs NumPy, OpenCV and ONNX Runtime only.

(A checkpoint that was not exported needs PyTorch too: `open_engine` imports it then, and not before.)
"""

from ckd_ros.tracking.confidence import ConfidenceConfig, TrackState
from ckd_ros.tracking.engine.factory import open_engine, suited_model
from ckd_ros.tracking.engine.onnx_engine import OnnxEngine
from ckd_ros.tracking.engine.shipped import default_model
from ckd_ros.tracking.engine.spec import Engine, ModelSpec
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.target_group import TargetGroup
from ckd_ros.tracking.thermal import ThermalConfig, ThermalNormalizer
from ckd_ros.tracking.tracker import Tracker, TrackerConfig, TrackResult

__all__ = [
    "ConfidenceConfig",
    "Engine",
    "ModelSpec",
    "OnnxEngine",
    "Registration",
    "TargetGroup",
    "ThermalConfig",
    "ThermalNormalizer",
    "TrackResult",
    "TrackState",
    "Tracker",
    "TrackerConfig",
    "default_model",
    "open_engine",
    "suited_model",
]
