"""Two NanoTracks side by side on registered colour and thermal images, without any training: the peer to beat.

Both look at the same window; in each cell of their score maps the surer camera counts. It needs NanoTrack V2's
`backbone.onnx` and `head.onnx`. The arithmetic is that of OpenCV's `TrackerNano`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.evaluation.trackers.interface import BoxEstimate
from ckd_ros.evaluation.trackers.opencv import BgrImages
from ckd_ros.frames import FramePair
from ckd_ros.settings import REQUIRED, check, setting
from ckd_ros.tracking import Registration

TEMPLATE, SEARCH, CELLS, STRIDE = 127, 255, 16, 16
WINDOW_WEIGHT, SIZE_RATE, SIZE_PENALTY = 0.455, 0.37, 0.055
SMALLEST = 10.0  # pixels of a box


class TwoNanoTracks:
    """Follows a target in both images, or in the one that a pair holds. `models`: the folder with both files."""

    def __init__(self, models: Path) -> None:
        self._backbone, self._head = (cv2.dnn.readNet(str(models / name)) for name in ("backbone.onnx", "head.onnx"))
        axis = (np.arange(CELLS) - CELLS / 2) * STRIDE
        self._x, self._y = np.meshgrid(axis, axis)
        hann = np.hanning(CELLS)
        self._window = np.outer(hann, hann)

    def init(self, pair: FramePair, box: np.ndarray) -> BoxEstimate:
        self._images = {"rgb": BgrImages(), "thermal": BgrImages()}
        self._centre, self._size = np.array(box[:2]) + np.array(box[2:]) / 2, np.array(box[2:], float)
        side = self._template_side()
        self._templates = {name: self._features(image, side, TEMPLATE) for name, image in self._views(pair).items()}
        return BoxEstimate(np.array(box, float), 1.0)

    def update(self, pair: FramePair) -> BoxEstimate:
        side = self._template_side()
        maps = []
        for name, image in self._views(pair).items():
            if name in self._templates:
                self._head.setInput(self._templates[name], "input1")
                self._head.setInput(self._features(image, side * SEARCH / TEMPLATE, SEARCH), "input2")
                maps.append(self._head.forward(["output1", "output2"]))
        if maps:
            self._confidence = self._move(maps, TEMPLATE / side)
        return BoxEstimate(np.concatenate([self._centre - self._size / 2, self._size]), self._confidence)

    def _move(self, maps: list, scale: float) -> float:
        """Take the best cell of the surer camera. Returns its score."""
        scores = np.stack([_softmax(score[0])[1] for score, _ in maps])  # (cameras, cells, cells)
        surer = scores.argmax(axis=0)
        score = scores.max(axis=0)
        left, top, right, bottom = np.take_along_axis(
            np.stack([edges[0] for _, edges in maps]), surer[None, None], axis=0
        )[0]
        x1, y1, x2, y2 = self._x - left, self._y - top, self._x + right, self._y + bottom
        width, height = np.maximum(x2 - x1, 1e-3), np.maximum(y2 - y1, 1e-3)
        before = self._size * scale
        change = _larger(_padded_side(width, height) / _padded_side(*before))
        stretch = _larger((before[0] / before[1]) / (width / height))
        penalty = np.exp(-(change * stretch - 1) * SIZE_PENALTY)
        response = penalty * score * (1 - WINDOW_WEIGHT) + self._window * WINDOW_WEIGHT
        best = np.unravel_index(response.argmax(), response.shape)
        rate = penalty[best] * score[best] * SIZE_RATE
        centre = self._centre + np.array([x1[best] + x2[best], y1[best] + y2[best]]) / 2 / scale
        size = self._size * (1 - rate) + np.array([width[best], height[best]]) / scale * rate
        self._centre = np.clip(centre, 0, self._image_size)
        self._size = np.clip(size, SMALLEST, self._image_size)
        return float(score[best])

    def _views(self, pair: FramePair) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each image that is there as BGR, with the 2x3 scaling from the pixels of boxes to its own."""
        self._image_size = np.array(pair.reference.size, float)
        views = {}
        if pair.rgb is not None:
            views["rgb"] = self._images["rgb"](FramePair(pair.rgb, None)), np.eye(3)[:2]
        if pair.thermal is not None:
            to_thermal = Registration().matrix(pair.reference.size, pair.thermal.size)
            views["thermal"] = self._images["thermal"](FramePair(None, pair.thermal)), to_thermal[:2]
        return views

    def _template_side(self) -> float:
        return float(_padded_side(*self._size))

    def _features(self, view: tuple[np.ndarray, np.ndarray], side: float, size: int) -> np.ndarray:
        """Of the window `side` wide around the target, `size` x `size`; the mean colour outside the image."""
        image, to_image = view
        centre = to_image[:, :2] @ self._centre + to_image[:, 2]
        scale = size / (side * np.diag(to_image[:, :2]))
        matrix = np.column_stack([np.diag(scale), size / 2 - centre * scale])
        mean = tuple(float(value) for value in image.reshape(-1, 3).mean(axis=0))
        crop = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=mean)
        self._backbone.setInput(cv2.dnn.blobFromImage(crop, swapRB=True))
        return self._backbone.forward().copy()


@dataclass(frozen=True, kw_only=True)
class TwoNanoTracksKind:
    """`TwoNanoTracks` as a tracker that is compared. Raises ValueError for an impossible setting."""

    models: Path = setting(REQUIRED, "the folder that holds NanoTrack V2's backbone.onnx and head.onnx")
    threads: int = setting(1, "CPU threads of OpenCV", 1, 1024)

    def __post_init__(self) -> None:
        check(self)

    def label(self) -> str:
        return "two-nano"

    def files(self) -> list[Path]:
        return [self.models / name for name in ("backbone.onnx", "head.onnx")]

    def check(self) -> None:
        for path in self.files():
            if not path.is_file():
                raise FileNotFoundError(f"two NanoTracks need the model file '{path}', which does not exist")

    def make(self) -> TwoNanoTracks:
        cv2.setNumThreads(self.threads)
        return TwoNanoTracks(self.models)

    def settings(self) -> dict:
        return {
            "kind": "two-nano",
            "settings": {"threads": self.threads},
            "files": [fingerprint(path) for path in self.files()],
            "versions": versions(),
        }


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def _padded_side(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Side of the square with the area of a box to which half of the sum of its sides is added all round."""
    pad = (width + height) / 2
    return np.sqrt((width + pad) * (height + pad))


def _larger(ratio: np.ndarray) -> np.ndarray:
    """A ratio or its inverse, whichever is larger."""
    return np.maximum(ratio, 1 / np.maximum(ratio, 1e-6))
