"""Trackers to be measured against, and ours, behind one interface: `init(pair, box)`, `update(pair) -> box`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ckd_ros.frames import FramePair
from ckd_ros.geometry import crop_window
from ckd_ros.tracking import OnnxEngine, Tracker

MODALITIES = ("rgb", "thermal")


class BoxTracker(Protocol):
    """What every compared tracker can do; boxes are `(x, y, w, h)` in RGB pixels, NaN when it has none."""

    def init(self, pair: FramePair, box: np.ndarray) -> None: ...

    def update(self, pair: FramePair) -> np.ndarray: ...


class Ckd:
    """Our tracker, on both modalities or on one alone (the other is withheld)."""

    def __init__(self, engine: OnnxEngine, modality: str = "both"):
        self.tracker, self.modality = Tracker(engine), modality

    def _seen(self, pair: FramePair) -> FramePair:
        if self.modality == "both":
            return pair
        rgb, thermal = (pair.rgb, None) if self.modality == "rgb" else (None, pair.thermal)
        return FramePair(rgb, thermal, pair.stamp, pair.thermal_stamp)

    def init(self, pair: FramePair, box: np.ndarray) -> None:
        self.tracker.init(self._seen(pair), box)

    def update(self, pair: FramePair) -> np.ndarray:
        return self.tracker.update(self._seen(pair)).box


class OpenCv:
    """A single-modality tracker of OpenCV (`KCF`, `CSRT`, `Nano`) on one of the two images.

    `Nano` needs `models`, the folder that holds its `backbone.onnx` and `head.onnx`.
    Raises ValueError for an unknown name, FileNotFoundError for missing models.
    """

    NAMES = ("KCF", "CSRT", "Nano")

    def __init__(self, name: str, modality: str, models: Path | None = None):
        if name not in self.NAMES:
            raise ValueError(f"OpenCV tracker '{name}' is unknown: expected one of {', '.join(self.NAMES)}")
        self.name, self.modality, self.models = name, modality, models
        if name == "Nano" and not (models and all((models / f).is_file() for f in ("backbone.onnx", "head.onnx"))):
            raise FileNotFoundError(f"NanoTrack needs backbone.onnx and head.onnx in '{models}'")

    def _make(self):
        if self.name == "Nano":
            params = cv2.TrackerNano_Params()
            params.backbone, params.neckhead = (str(self.models / f) for f in ("backbone.onnx", "head.onnx"))
            return cv2.TrackerNano_create(params)
        return {"KCF": cv2.TrackerKCF_create, "CSRT": cv2.TrackerCSRT_create}[self.name]()

    def init(self, pair: FramePair, box: np.ndarray) -> None:
        self.tracker = self._make()
        self.tracker.init(bgr_image(pair, self.modality), tuple(int(round(v)) for v in box))

    def update(self, pair: FramePair) -> np.ndarray:
        found, box = self.tracker.update(bgr_image(pair, self.modality))
        return np.array(box, float) if found else np.full(4, np.nan)


class TemplateMatcher:
    """Normalised cross-correlation of the first frame's target in a window of four times its side."""

    def __init__(self, modality: str):
        self.modality = modality

    def init(self, pair: FramePair, box: np.ndarray) -> None:
        image = bgr_image(pair, self.modality)
        self.box = np.array(box, float)
        x, y, w, h = self.box.round().astype(int)
        self.template = image[max(0, y) : y + max(h, 2), max(0, x) : x + max(w, 2)].copy()

    def update(self, pair: FramePair) -> np.ndarray:
        image = bgr_image(pair, self.modality)
        window = crop_window(self.box, 4.0)
        x1, y1 = max(0, int(window.x)), max(0, int(window.y))
        region = image[y1 : int(window.y + window.side), x1 : int(window.x + window.side)]
        if region.shape[0] >= self.template.shape[0] and region.shape[1] >= self.template.shape[1]:
            answer = cv2.matchTemplate(region, self.template, cv2.TM_CCOEFF_NORMED)
            _, _, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(answer))
            self.box[:2] = x1 + x, y1 + y
        return self.box.copy()


def bgr_image(pair: FramePair, modality: str) -> np.ndarray:
    """One image of a pair as OpenCV's trackers take it, `H x W x 3` BGR. The pair must hold 8-bit images."""
    image = pair.rgb if modality == "rgb" else pair.thermal
    if image is None:
        raise ValueError(f"the pair holds no {modality} image")
    codes = {"rgb8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_GRAY2BGR, "rgba8": cv2.COLOR_RGBA2BGR}
    return cv2.cvtColor(image.data, codes[image.encoding]) if image.encoding in codes else image.data[..., :3]


def run(tracker: BoxTracker, frames, init_box: np.ndarray) -> np.ndarray:
    """One pass over frame pairs: `N x 4` boxes, the first of them `init_box`."""
    boxes = []
    for pair in frames:
        if boxes:
            boxes.append(tracker.update(pair))
        else:
            tracker.init(pair, init_box)
            boxes.append(np.asarray(init_box, float))
    return np.stack(boxes)
