"""Where a sample's crops are cut: the template around the target, the search region off it by chance."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.geometry import CropWindow, centre, crop_window, index_matrix, translation
from ckd_ros.training.samples.config import SampleConfig

#: Target sides by which a search region is moved to leave the target out.
_AWAY = 3.2


class Cropper:
    """Windows of one network's crop sizes and of one set of jitters (paper, section "Implementation details").

    Attributes:
        template_size, search_size: side of the crops in pixels.
    """

    def __init__(self, config: SampleConfig, network):
        self.config = config
        self.template_size, self.search_size = network.template_size, network.search_size
        self.template_factor, self.search_factor = network.template_factor, network.search_factor

    def template_window(self, box: np.ndarray) -> CropWindow:
        """As at inference, without jitter."""
        return crop_window(box, self.template_factor)

    def search_window(self, rng: np.random.Generator, box: np.ndarray) -> CropWindow:
        """A window whose centre and scale are off the target's."""
        config = self.config
        side = float(np.sqrt(box[2] * box[3]))
        reach = config.centre_jitter / 2 * (config.narrow_jitter if rng.random() < config.narrow else 1.0)
        x, y = centre(box) + rng.uniform(-reach, reach, 2) * side
        side = max(1.0, side * float(np.exp(rng.normal(0, config.scale_jitter))) * self.search_factor)
        return CropWindow(float(x - side / 2), float(y - side / 2), side)

    def maybe_away(self, rng: np.random.Generator, window: CropWindow, box: np.ndarray) -> tuple[CropWindow, bool]:
        """The window, or a share of times one of the surroundings; and whether the target's centre is in it."""
        if rng.random() >= self.config.negatives:
            return window, True
        angle = rng.uniform(0, 2 * np.pi)
        shift = _AWAY * np.sqrt(box[2] * box[3]) * np.array([np.cos(angle), np.sin(angle)])
        window = CropWindow(window.x + shift[0], window.y + shift[1], window.side)
        middle = centre(window.to_fraction(box))
        return window, bool(((middle > 0.0) & (middle < 1.0)).all())

    def misregistration(self, rng: np.random.Generator, window: CropWindow) -> np.ndarray:
        """3x3 shift in image pixels: what the thermal camera's registration is wrong by in a search region."""
        spread = self.config.augmentation.registration * window.side / self.search_factor
        return translation(*rng.normal(0, spread, 2))


def cut(image: np.ndarray, view: np.ndarray, size: int) -> np.ndarray:
    """`size` x `size` crop through a 3x3 view, bilinear, black outside the image, as at inference."""
    return cv2.warpAffine(image, index_matrix(view)[:2], (size, size), flags=cv2.INTER_LINEAR)
