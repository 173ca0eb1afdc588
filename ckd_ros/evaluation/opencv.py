"""OpenCV's trackers, and template matching, the plainest of all, on pairs of one image (see `one_modality`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from ckd_ros.evaluation.one_modality import Found
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import crop_window
from ckd_ros.tracking import ThermalNormalizer
from ckd_ros.tracking.decoding import visible_part

_NOTHING = np.full(4, np.nan)
_WITH_SCORE = (cv2.TrackerNano, cv2.TrackerVit)


class OpenCvTracker:
    """One of OpenCV's trackers; what it is given to start with is the box's part inside the image, in whole pixels.

    Args:
        create: makes the tracker, anew for every target, for they cannot be started twice.
    """

    def __init__(self, create: Callable[[], cv2.Tracker]) -> None:
        self._create = create

    def init(self, pair: FramePair, box: np.ndarray) -> Found:
        self._picture = Picture()
        image = self._picture(pair)
        inside = visible_part(box, (image.shape[1], image.shape[0]), 2.0)
        with _quiet():
            self.tracker = self._create()
        self.tracker.init(image, tuple(int(round(v)) for v in inside))
        return Found(np.array(box, float))

    def update(self, pair: FramePair) -> Found:
        found, box = self.tracker.update(self._picture(pair))
        score = self.tracker.getTrackingScore() if isinstance(self.tracker, _WITH_SCORE) else np.nan
        return Found(np.array(box, float) if found else _NOTHING, float(np.clip(score, 0.0, 1.0)))


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV 5 warns at every loading of a network that its default target is no news to it."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


class TemplateMatcher:
    """Normalised cross-correlation of the first frame's target in a window of four times its side."""

    def init(self, pair: FramePair, box: np.ndarray) -> Found:
        self._picture = Picture()
        image = self._picture(pair)
        self._box = np.array(box, float)
        x, y, w, h = self._box.round().astype(int)
        self._template = image[max(0, y) : y + max(h, 2), max(0, x) : x + max(w, 2)].copy()
        if not self._template.size:
            raise ValueError(f"the box {self._box.tolist()} lies outside the image of {image.shape[1::-1]} pixels")
        return Found(self._box.copy())

    def update(self, pair: FramePair) -> Found:
        image, score = self._picture(pair), float("nan")
        window = crop_window(self._box, 4.0)
        x1, y1 = max(0, int(window.x)), max(0, int(window.y))
        region = image[y1 : int(window.y + window.side), x1 : int(window.x + window.side)]
        if region.shape[0] >= self._template.shape[0] and region.shape[1] >= self._template.shape[1]:
            answer = np.nan_to_num(cv2.matchTemplate(region, self._template, cv2.TM_CCOEFF_NORMED))
            _, score, _, (x, y) = cv2.minMaxLoc(answer)
            self._box[:2] = x1 + x, y1 + y
        return Found(self._box.copy(), float(np.clip(score, 0.0, 1.0)))


class Picture:
    """The one image of a pair as OpenCV's trackers take it, `H x W x 3` BGR uint8.

    8-bit images keep their values; 16-bit ones are stretched as the thermal images of our tracker, over the stream.
    """

    def __init__(self) -> None:
        self._normalizer = ThermalNormalizer()

    def __call__(self, pair: FramePair) -> np.ndarray:
        image = pair.rgb or pair.thermal
        if image.encoding != "mono16":
            return to_bgr(image)
        self._normalizer.update(image)
        grey = self._normalizer.apply(image.data, image.encoding)
        return cv2.cvtColor((255.0 * grey).round().astype(np.uint8), cv2.COLOR_GRAY2BGR)


_CODES = {
    "rgb8": cv2.COLOR_RGB2BGR,
    "rgba8": cv2.COLOR_RGBA2BGR,
    "bgra8": cv2.COLOR_BGRA2BGR,
    "mono8": cv2.COLOR_GRAY2BGR,
}


def to_bgr(image: Image) -> np.ndarray:
    """An 8-bit image of any encoding as `H x W x 3` BGR."""
    return image.data if image.encoding == "bgr8" else cv2.cvtColor(image.data, _CODES[image.encoding])
