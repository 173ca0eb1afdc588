"""Moving scenes with exact truth, for tests of whatever tracks."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.frames import FramePair, Image


class Scene:
    """A textured target moving before a textured background, seen by both cameras (thermal at half the size).

    Call with the target's centre in RGB pixels, or None for a scene without it. `brighter`: grey values by which the
    target is brighter, and warmer, than it usually is.
    """

    size = (320, 240)
    box_size = (40.0, 32.0)

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)

        def texture(height: int, width: int, channels: int, smooth: float) -> np.ndarray:
            noise = cv2.GaussianBlur(rng.standard_normal((height, width, channels)).astype(np.float32), (0, 0), smooth)
            return noise.reshape(height, width, channels) / noise.std()

        width, height = self.size
        # Coarser than a cell of the score map (8 / 32 of the target's side), which is as exact as the network answers.
        self._background = 110 + 12 * texture(height, width, 4, 9.0)
        self._target = 120 + 45 * texture(int(self.box_size[1]), int(self.box_size[0]), 4, 6.0)

    def box(self, centre: tuple[float, float]) -> np.ndarray:
        """The target's box around a centre."""
        w, h = self.box_size
        return np.array([round(centre[0] - w / 2), round(centre[1] - h / 2), w, h])

    def __call__(
        self,
        centre: tuple[float, float] | None,
        *,
        rgb: bool = True,
        thermal: bool = True,
        scale: float = 1.0,
        brighter: float = 0.0,
    ) -> FramePair:
        picture = self._background.copy()
        if centre is not None:
            x, y, w, h = self.box(centre).astype(int)
            x1, y1, x2, y2 = np.clip([x, y, x + w, y + h], 0, [*self.size, *self.size])
            picture[y1:y2, x1:x2] = self._target[y1 - y : y2 - y, x1 - x : x2 - x] + brighter
        picture = np.clip(picture, 0, 255)
        colour = cv2.resize(picture[..., :3], None, fx=scale, fy=scale).astype(np.uint8)
        warmth = cv2.resize(picture[..., 3], None, fx=scale / 2, fy=scale / 2)
        radiometric = (7000 + 4 * warmth).astype(np.uint16)
        return FramePair(Image(colour, "rgb8") if rgb else None, Image(radiometric, "mono16") if thermal else None)
