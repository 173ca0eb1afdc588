"""Our tracker among those that are compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import onnxruntime as ort

from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.evaluation.trackers.interface import SequenceTracker
from ckd_ros.evaluation.trackers.single_modality import with_modality
from ckd_ros.settings import check, setting
from ckd_ros.tracking import Tracker, TrackerConfig, default_model, open_engine
from ckd_ros.tracking.engine import MODEL_SUFFIXES, PROVIDERS, Engine

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
        path = self._path()
        if not path.is_file():
            raise FileNotFoundError(f"no model '{self.model}': {_expected_model()}")
        if path.suffix not in MODEL_SUFFIXES:
            raise ValueError(f"'{self.model}' is not a model: {_expected_model()}")
        if path.suffix == ".onnx" and PROVIDERS[self.provider] not in ort.get_available_providers():
            raise ValueError(
                f"this ONNX Runtime has no provider '{self.provider}': install the extra `gpu`, or use cpu"
            )
        if path.suffix != ".onnx" and self.provider == "tensorrt":
            raise ValueError(
                f"a checkpoint ('{self.model}') runs on cpu or cuda: export it for tensorrt (`ckd export`)"
            )

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
        if self.model is None:
            return default_model()
        if self.model.suffix or len(self.model.parts) > 1:
            return self.model.expanduser()
        return default_model().with_name(f"{self.model}.onnx")

    def _engine(self) -> Engine:
        return _engine(self._path(), self.provider, self.threads)


@lru_cache(maxsize=2)
def _engine(path: Path, provider: str, threads: int) -> Engine:
    """Loaded once for all sequences that a process runs. Raises ValueError where it ends up somewhere else."""
    engine = open_engine(path, [provider], threads=threads)
    if path.suffix == ".onnx" and engine.provider != PROVIDERS[provider]:
        raise ValueError(f"{path.name} should run on '{provider}', but does not: {engine.describe()}")
    return engine


def _expected_model() -> str:
    shipped = ", ".join(sorted(path.stem for path in default_model().parent.glob("*.onnx")))
    return f"expected one of the shipped networks ({shipped}), an .onnx file or a .safetensors checkpoint"
