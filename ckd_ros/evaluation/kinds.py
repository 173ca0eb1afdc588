"""The kinds of trackers that can be compared, and what is known of each before it is made; `trackers` names them."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import onnxruntime as ort

from ckd_ros.evaluation.one_modality import OneModality, shown
from ckd_ros.evaluation.one_pass import Followable
from ckd_ros.evaluation.opencv import OpenCvTracker, TemplateMatcher
from ckd_ros.evaluation.program import Program
from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.tracking import Tracker, TrackerConfig, default_model, open_engine
from ckd_ros.tracking.engine import PROVIDERS
from ckd_ros.tracking.opening import MODEL_SUFFIXES, Engine

_GPU_PACKAGES = ("onnxruntime-gpu", "tensorrt")


@dataclass(frozen=True)
class Ckd:
    """Our tracker.

    Attributes:
        model: a shipped network's name, an `.onnx` file or a `.safetensors` checkpoint, which needs PyTorch.
        modality: which images it is given.
        provider: where the network must run; another one in its place is an error here.
        threads: of ONNX Runtime or PyTorch, and of OpenCV.
        config: the tracker's own settings.
    """

    model: Path | None = None
    modality: Literal["both", "rgb", "thermal"] = "both"
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    threads: int = 1
    config: TrackerConfig = field(default_factory=TrackerConfig)

    def label(self) -> str:
        parts = ["ckd" if self.model is None else self.model.stem]
        parts += [value for value in (self.modality, self.provider) if value not in ("both", "cpu")]
        return "-".join(parts)

    def check(self) -> None:
        _check_threads(self.threads)
        path = self._path()
        if not path.is_file():
            raise FileNotFoundError(f"no model '{self.model}': {_expected_model()}")
        if path.suffix not in MODEL_SUFFIXES:
            raise ValueError(f"'{self.model}' is no model: {_expected_model()}")
        if path.suffix == ".onnx" and PROVIDERS[self.provider] not in ort.get_available_providers():
            raise ValueError(
                f"provider '{self.provider}' is not in this ONNX Runtime: install the extra `gpu`, or use cpu"
            )
        if path.suffix != ".onnx" and self.provider == "tensorrt":
            raise ValueError(
                f"a checkpoint ('{self.model}') runs on cpu or cuda: export it for tensorrt (`ckd export`)"
            )

    def make(self) -> Followable:
        cv2.setNumThreads(self.threads)
        return shown(Tracker(self._engine(), config=self.config), self.modality)

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
        raise ValueError(f"{path.name} was to run on '{provider}' and does not: {engine.describe()}")
    return engine


def _expected_model() -> str:
    shipped = ", ".join(sorted(path.stem for path in default_model().parent.glob("*.onnx")))
    return f"expected one of the shipped networks ({shipped}), an .onnx file or a .safetensors checkpoint"


def _check_threads(threads: int) -> None:
    if not 1 <= threads <= 1024:
        raise ValueError(f"threads={threads} is not possible: expected 1 or more")


# -- of one image ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OneImage:
    """A tracker that looks at one camera's images: OpenCV's without a network, and template matching.

    Attributes:
        name: csrt, kcf or template.
        modality: which images it is given.
        threads: of OpenCV.
    """

    name: str
    modality: Literal["rgb", "thermal"] = "rgb"
    threads: int = 1

    _CLASSES = {"csrt": "TrackerCSRT", "kcf": "TrackerKCF", "nano": "TrackerNano", "vit": "TrackerVit"}

    def label(self) -> str:
        return f"{self.name}-{self.modality}"

    def files(self) -> list[Path]:
        """The model's."""
        return []

    def check(self) -> None:
        _check_threads(self.threads)
        wanted = self._CLASSES.get(self.name, "Tracker")
        if not hasattr(cv2, wanted):  # some are in the contrib modules only
            raise ValueError(f"OpenCV {cv2.__version__} here has no {wanted}: install opencv-contrib-python-headless")
        for path in self.files():
            if not path.is_file():
                raise FileNotFoundError(f"tracker '{self.name}' needs the model file '{path}', which does not exist")

    def make(self) -> Followable:
        cv2.setNumThreads(self.threads)
        tracker = TemplateMatcher() if self.name == "template" else OpenCvTracker(self._create)
        return OneModality(tracker, self.modality)

    def settings(self) -> dict:
        return {
            "kind": self.name,
            "settings": {"modality": self.modality, "threads": self.threads},
            "files": [fingerprint(path) for path in self.files()],
            "versions": versions(),
        }

    def _create(self) -> cv2.Tracker:
        return getattr(cv2, self._CLASSES[self.name]).create()


@dataclass(frozen=True, kw_only=True)
class Nano(OneImage):
    """OpenCV's NanoTrack. `models`: the folder that holds its `backbone.onnx` and `head.onnx`."""

    models: Path

    def files(self) -> list[Path]:
        return [self.models.expanduser() / name for name in ("backbone.onnx", "head.onnx")]

    def _create(self) -> cv2.Tracker:
        params = cv2.TrackerNano.Params()
        params.backbone, params.neckhead = map(str, self.files())
        return cv2.TrackerNano.create(params)


@dataclass(frozen=True, kw_only=True)
class Vit(OneImage):
    """OpenCV's VitTrack. `model`: its `.onnx` file."""

    model: Path

    def files(self) -> list[Path]:
        return [self.model.expanduser()]

    def _create(self) -> cv2.Tracker:
        params = cv2.TrackerVit.Params()
        params.net = str(self.files()[0])
        return cv2.TrackerVit.create(params)


# -- anybody's ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A program that is talked to by lines, see `program`. `line`: how it is started, as in a shell."""

    line: str

    def label(self) -> str:
        """The stem of the script, or of the program where there is none."""
        words = self.words()
        return Path(next((word for word in words if word.endswith((".py", ".sh"))), words[0])).stem

    def words(self) -> list[str]:
        """Raises ValueError where it is no command line."""
        try:
            words = shlex.split(self.line)
        except ValueError as error:
            raise ValueError(f"'{self.line}' is no command line: {error}") from None
        if not words:
            raise ValueError("'program:' needs a command line: program:python my_tracker.py")
        return words

    def check(self) -> None:
        words = self.words()
        if shutil.which(words[0]) is None:
            raise FileNotFoundError(f"no program '{words[0]}' is found to run '{self.line}'")
        if len(words) > 1 and words[1].endswith((".py", ".sh")) and not Path(words[1]).is_file():
            raise FileNotFoundError(f"there is no '{words[1]}' to run '{self.line}'")

    def make(self) -> Followable:
        return _program(tuple(self.words()))

    def settings(self) -> dict:
        """The files are those that the command line names: script, settings, weights."""
        named = [Path(word.partition("=")[2] if word.startswith("-") else word) for word in self.words()[1:]]
        return {
            "kind": "program",
            "settings": {"command": self.line},
            "files": [fingerprint(path) for path in named if path.is_file()],
            "versions": versions(),
        }


@lru_cache(maxsize=1)
def _program(words: tuple[str, ...]) -> Program:
    """One for all sequences that a process runs: what it loads at its start may take longer than a sequence."""
    return Program(words)
