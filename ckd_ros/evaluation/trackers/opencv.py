"""OpenCV's trackers, and template matching, the plainest of all, on pairs of one image (see `single_modality`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from ckd_ros.colour import to_bgr
from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.evaluation.trackers.interface import BoxEstimate, SequenceTracker
from ckd_ros.evaluation.trackers.single_modality import SingleModalityView
from ckd_ros.frames import FramePair
from ckd_ros.geometry import crop_window, visible_part
from ckd_ros.settings import REQUIRED, check, setting
from ckd_ros.tracking import ThermalNormalizer

_NO_BOX = np.full(4, np.nan)
#: Those that say how sure they are; OpenCV 5 has the method for all. By name, since OpenCV 4.5 lacks some.
_WITH_SCORE = ("TrackerNano", "TrackerVit")


class OpenCvTracker:
    """One of OpenCV's trackers; what it is given to start with is the box's part inside the image, in whole pixels.

    Args:
        create: makes the tracker, anew for every target, for they cannot be started twice.
    """

    def __init__(self, create: Callable[[], cv2.Tracker]) -> None:
        self._create = create

    def init(self, pair: FramePair, box: np.ndarray) -> BoxEstimate:
        self._bgr_image = BgrImages()
        image = self._bgr_image(pair)
        inside = visible_part(box, (image.shape[1], image.shape[0]), 2.0)
        with _quiet():
            self.tracker = self._create()
        self.tracker.init(image, tuple(int(round(v)) for v in inside))
        return BoxEstimate(np.array(box, float))

    def update(self, pair: FramePair) -> BoxEstimate:
        found, box = self.tracker.update(self._bgr_image(pair))
        score = self.tracker.getTrackingScore() if type(self.tracker).__name__ in _WITH_SCORE else np.nan
        return BoxEstimate(np.array(box, float) if found else _NO_BOX, float(np.clip(score, 0.0, 1.0)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without OpenCV 5's warning about its default target, which comes whenever a network is loaded."""
    logging = getattr(cv2.utils, "logging", None)
    if logging is None:  # OpenCV 4.5, as of Humble, which has no such warning either
        yield
        return
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(level)


class TemplateMatcher:
    """Normalised cross-correlation of the first frame's target in a window of four times its side."""

    def init(self, pair: FramePair, box: np.ndarray) -> BoxEstimate:
        self._bgr_image = BgrImages()
        image = self._bgr_image(pair)
        self._box = np.array(box, float)
        x, y, w, h = self._box.round().astype(int)
        self._template = image[max(0, y) : y + max(h, 2), max(0, x) : x + max(w, 2)].copy()
        if not self._template.size:
            raise ValueError(f"the box {self._box.tolist()} lies outside the image of {image.shape[1::-1]} pixels")
        return BoxEstimate(self._box.copy())

    def update(self, pair: FramePair) -> BoxEstimate:
        image, score = self._bgr_image(pair), float("nan")
        window = crop_window(self._box, 4.0)
        x1, y1 = max(0, int(window.x)), max(0, int(window.y))
        region = image[y1 : int(window.y + window.height), x1 : int(window.x + window.width)]
        if region.shape[0] >= self._template.shape[0] and region.shape[1] >= self._template.shape[1]:
            match = np.nan_to_num(cv2.matchTemplate(region, self._template, cv2.TM_CCOEFF_NORMED))
            _, score, _, (x, y) = cv2.minMaxLoc(match)
            self._box[:2] = x1 + x, y1 + y
        return BoxEstimate(self._box.copy(), float(np.clip(score, 0.0, 1.0)))


class BgrImages:
    """The one image of a pair as OpenCV's trackers take it, `H x W x 3` BGR uint8.

    8-bit images keep their values; 16-bit ones are stretched as the thermal images of our tracker, over the stream.
    """

    def __init__(self) -> None:
        self._normalizer = ThermalNormalizer()

    def __call__(self, pair: FramePair) -> np.ndarray:
        image = pair.reference
        if image.encoding != "mono16":
            return to_bgr(image.data, image.encoding)
        self._normalizer.update(image)
        grey = self._normalizer.apply(image.data, image.encoding)
        return to_bgr((255.0 * grey).round().astype(np.uint8), "mono8")


@dataclass(frozen=True, kw_only=True)
class OpenCvKind:
    """A tracker that looks at one camera's images: OpenCV's without a network, and template matching.

    Raises ValueError for an impossible setting.
    """

    name: str = setting(REQUIRED, "csrt, kcf, nano, vit or template")
    modality: Literal["rgb", "thermal"] = setting("rgb", "which images it is given, where there are both")
    threads: int = setting(1, "CPU threads of OpenCV", 1, 1024)

    _CLASSES = {"csrt": "TrackerCSRT", "kcf": "TrackerKCF", "nano": "TrackerNano", "vit": "TrackerVit"}

    def __post_init__(self) -> None:
        check(self)

    def label(self) -> str:
        return f"{self.name}-{self.modality}"

    def files(self) -> list[Path]:
        """The model's."""
        return []

    def check(self) -> None:
        wanted = self._CLASSES.get(self.name, "Tracker")
        if not hasattr(cv2, wanted):  # some are in the contrib modules only
            raise ValueError(f"this OpenCV {cv2.__version__} has no {wanted}: install opencv-contrib-python-headless")
        for path in self.files():
            if not path.is_file():
                raise FileNotFoundError(f"tracker '{self.name}' needs the model file '{path}', which does not exist")

    def make(self) -> SequenceTracker:
        cv2.setNumThreads(self.threads)
        tracker: SequenceTracker = TemplateMatcher() if self.name == "template" else OpenCvTracker(self._create)
        return SingleModalityView(tracker, self.modality)

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
class NanoTracker(OpenCvKind):
    """OpenCV's NanoTrack."""

    models: Path = setting(REQUIRED, "the folder that holds its backbone.onnx and head.onnx")

    def files(self) -> list[Path]:
        return [self.models.expanduser() / name for name in ("backbone.onnx", "head.onnx")]

    def _create(self) -> cv2.Tracker:
        params = cv2.TrackerNano.Params()
        params.backbone, params.neckhead = map(str, self.files())
        return cv2.TrackerNano.create(params)


@dataclass(frozen=True, kw_only=True)
class VitTracker(OpenCvKind):
    """OpenCV's VitTrack."""

    model: Path = setting(REQUIRED, "its .onnx file")

    def files(self) -> list[Path]:
        return [self.model.expanduser()]

    def _create(self) -> cv2.Tracker:
        params = cv2.TrackerVit.Params()
        params.net = str(self.files()[0])
        return cv2.TrackerVit.create(params)
