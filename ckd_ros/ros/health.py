"""Whether the images of a stream are what its topic should carry."""

from __future__ import annotations

import numpy as np

from ckd_ros.frames import Image
from ckd_ros.ros.sync.streams import RGB, THERMAL

#: Pixels of an image are looked at no more often than this, seconds.
PERIOD = 0.5
#: Mean difference between the strongest and the weakest channel of an image in colour, of 255.
COLOURFUL = 12.0


class StreamHealth:
    """Watches the decoded images of one stream (RGB or THERMAL)."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.image: tuple[int, int, str] | None = None  # width, height, encoding of the newest
        self._findings: dict[str, str] = {}
        self._looked = -np.inf

    def inspect(self, image: Image, now: float) -> dict[str, str]:
        """What is wrong with an image, key -> message; `now` in seconds of a monotonic clock."""
        findings = {}
        found = (image.width, image.height, image.encoding)
        if self.image is not None and found[:2] != self.image[:2]:
            findings[f"{self.stream} resolution"] = (
                f"{self.stream} images changed from {self.image[0]} x {self.image[1]} to {found[0]} x {found[1]}: "
                "taken as the same view, scaled"
            )
        if found != self.image or now - self._looked >= PERIOD:
            self._findings, self._looked = self._look(image), now
        self.image = found
        return {**findings, **self._findings}

    def _look(self, image: Image) -> dict[str, str]:
        pixels = image.data[:: max(1, image.height // 48), :: max(1, image.width // 48)]
        if self.stream == RGB and image.encoding == "mono16":
            return {
                "rgb topic": "rgb/image delivers 16-bit grey images, as a thermal camera does: are the topics swapped?"
            }
        if self.stream == THERMAL and pixels.ndim == 3 and _colourfulness(pixels) > COLOURFUL:
            return {
                "thermal topic": f"thermal/image delivers colour images ({image.encoding}): are the topics swapped, or "
                "does the camera colour its images? Switch it to white-hot grey"
            }
        if pixels.min() == pixels.max():
            return {
                f"{self.stream} content": f"every pixel of the {self.stream} image is {int(pixels.max())}: lens cap?"
            }
        return {}


def _colourfulness(pixels: np.ndarray) -> float:
    channels = pixels[..., :3]
    return float((channels.max(axis=-1).astype(int) - channels.min(axis=-1)).mean())
