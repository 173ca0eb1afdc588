"""Where a sample's crops are cut: the template around the target, the search region at a random offset from it."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

from ckd_ros.geometry import CropWindow, centre, crop_window, index_matrix, translation
from ckd_ros.training.samples.config import SampleConfig

#: A sample by name, see `dataset.SampleDataset`.
Sample = dict[str, Any]
#: Distance of a negative search region from the target, in sides of the target.
_NEGATIVE_DISTANCE = 3.2


class CropSizes(Protocol):
    """What is needed of a network's configuration, `CKDConfig`: sides in pixels, and in sides of the target."""

    @property
    def template_size(self) -> int: ...
    @property
    def search_size(self) -> int: ...
    @property
    def template_factor(self) -> float: ...
    @property
    def search_factor(self) -> float: ...
    @property
    def stretched(self) -> bool: ...
    @property
    def border(self) -> float: ...


class Cropper:
    """Crop windows of one network's sizes, with one set of jitters (paper, section "Implementation details").

    Attributes:
        template_size, search_size: side of the crops in pixels.
    """

    def __init__(self, config: SampleConfig, network: CropSizes):
        self.config = config
        self.template_size, self.search_size = network.template_size, network.search_size
        self.template_factor, self.search_factor = network.template_factor, network.search_factor
        self.stretched, self._border = network.stretched, round(255 * network.border)

    def template_window(self, box: np.ndarray) -> CropWindow:
        """As at inference, without jitter."""
        return crop_window(box, self.template_factor, self.stretched)

    def search_window(self, rng: np.random.Generator, box: np.ndarray) -> CropWindow:
        """A window with jittered centre and scale."""
        config = self.config
        side = float(np.sqrt(box[2] * box[3]))
        jitter = config.centre_jitter / 2 * (config.narrow_jitter if rng.random() < config.narrow else 1.0)
        x, y = centre(box) + rng.uniform(-jitter, jitter, 2) * side
        scale = float(np.exp(rng.normal(0, config.scale_jitter))) * self.search_factor
        if self.stretched:  # as much as the tracker's own box has another shape than the target
            shape = float(np.exp(rng.normal(0, config.scale_jitter / 2)))
            width, height = max(1.0, box[2] * scale * shape), max(1.0, box[3] * scale / shape)
        else:
            width = height = max(1.0, side * scale)
        return CropWindow(float(x - width / 2), float(y - height / 2), width, height)

    def sample_negative(self, rng: np.random.Generator, window: CropWindow, box: np.ndarray) -> tuple[CropWindow, bool]:
        """The window or, by chance, one beside the target; and whether the target's centre is in it."""
        if rng.random() >= self.config.negatives:
            return window, True
        angle = rng.uniform(0, 2 * np.pi)
        shift = _NEGATIVE_DISTANCE * np.sqrt(box[2] * box[3]) * np.array([np.cos(angle), np.sin(angle)])
        window = CropWindow(window.x + shift[0], window.y + shift[1], window.width, window.height)
        middle = centre(window.to_fraction(box))
        return window, bool(((middle > 0.0) & (middle < 1.0)).all())

    def misregistration(self, rng: np.random.Generator, window: CropWindow) -> np.ndarray:
        """A random error of the thermal camera's registration in a search region: a 3x3 shift in image pixels."""
        deviation = self.config.augmentation.registration * window.side / self.search_factor
        return translation(*rng.normal(0, deviation, 2))

    def template_misregistration(self, rng: np.random.Generator, window: CropWindow) -> np.ndarray:
        """The same of the template; none, and no random number, where the setting is 0."""
        share = self.config.augmentation.template_registration
        if not share:
            return np.eye(3)
        return translation(*rng.normal(0, share * window.side / self.template_factor, 2))

    def cut(self, image: np.ndarray, view: np.ndarray, size: int) -> np.ndarray:
        """`size` x `size` crop of an 8-bit image through a 3x3 view, bilinear; outside the image as at inference."""
        matrix, outside = index_matrix(view)[:2], (self._border,) * 4
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=outside)
