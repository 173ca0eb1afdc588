"""Our tracker among those that are compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2

from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.evaluation.trackers.interface import SequenceTracker
from ckd_ros.evaluation.trackers.single_modality import with_modality
from ckd_ros.settings import check, setting
from ckd_ros.tracking import Tracker, TrackerConfig
from ckd_ros.tracking.engine import Engine, check_provider, default_model, model_file, open_engine_on

_GPU_PACKAGES = ("onnxruntime-gpu", "tensorrt")


@dataclass(frozen=True)
class CkdTracker:
    """Our tracker. Raises ValueError for an impossible setting."""

    model: Path | None = setting(
        None, "a shipped network's name, an .onnx file, or a .safetensors checkpoint, which needs PyTorch"
    )
    modality: Literal["both", "rgb", "thermal"] = setting("both", "which images it is given")
    provider: Literal["cpu", "cuda", "tensorrt"] = setting(
        "cpu", "where the network must run; another one in its place is an error here"
    )
    threads: int = setting(1, "CPU threads of the network's runtime and of OpenCV", 1, 1024)
    config: TrackerConfig = setting(TrackerConfig(), "the tracker's own settings")

    def __post_init__(self) -> None:
        check(self)

    def label(self) -> str:
        parts = ["ckd" if self.model is None else self.model.stem]
        parts += [value for value in (self.modality, self.provider) if value not in ("both", "cpu")]
        return "-".join(parts)

    def check(self) -> None:
        check_provider(self._path(), self.provider)

    def make(self) -> SequenceTracker:
        cv2.setNumThreads(self.threads)
        return with_modality(Tracker(self._engine(), config=self.config), self.modality)

    def settings(self) -> dict:
        engine, path = self._engine(), self._path()
        return {
            "kind": "ckd",
            "settings": {"modality": self.modality, "threads": self.threads, **asdict(self.config)},
            "provider": engine.provider,
            "preset": engine.spec.preset,
            "precision": engine.spec.precision,
            "files": [fingerprint(path)],
            "versions": versions("torch" if path.suffix == ".safetensors" else "onnxruntime", *_GPU_PACKAGES),
        }

    def _path(self) -> Path:
        return default_model() if self.model is None else model_file(self.model)

    def _engine(self) -> Engine:
        return _engine(self._path(), self.provider, self.threads)


#: Loaded once for all sequences that a process runs.
_engine = lru_cache(maxsize=2)(open_engine_on)
