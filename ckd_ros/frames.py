"""What flows into a tracker: images with an encoding, and pairs of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: Encodings of `Image.data`, in ROS's names: dtype and channels.
ENCODINGS: dict[str, tuple[np.dtype, int]] = {
    "rgb8": (np.dtype(np.uint8), 3),
    "bgr8": (np.dtype(np.uint8), 3),
    "rgba8": (np.dtype(np.uint8), 4),
    "bgra8": (np.dtype(np.uint8), 4),
    "mono8": (np.dtype(np.uint8), 1),
    "mono16": (np.dtype(np.uint16), 1),
}


@dataclass(frozen=True)
class Image:
    """An image as the camera gave it: `data` is `H x W` (mono) or `H x W x C`, `encoding` one of `ENCODINGS`.

    `data` may be a view with row padding; nothing is converted until a crop is cut.
    Raises ValueError if shape or dtype do not fit the encoding.
    """

    data: np.ndarray
    encoding: str

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"unknown encoding '{self.encoding}': expected one of {', '.join(ENCODINGS)}")
        dtype, channels = ENCODINGS[self.encoding]
        found = 1 if self.data.ndim == 2 else self.data.shape[2] if self.data.ndim == 3 else 0
        if self.data.dtype != dtype or found != channels or self.data.size == 0:
            raise ValueError(
                f"an image of encoding {self.encoding} needs {channels} channel(s) of {dtype} and at least one pixel, "
                f"not shape {self.data.shape} of {self.data.dtype}"
            )

    @property
    def width(self) -> int:
        return self.data.shape[1]

    @property
    def height(self) -> int:
        return self.data.shape[0]


@dataclass(frozen=True)
class FramePair:
    """One colour and one thermal image of (nearly) the same moment; either may be missing, not both.

    `stamp` and `thermal_stamp` are nanoseconds since the epoch of the camera's clock (the stamp of a missing
    image is None).
    """

    rgb: Image | None
    thermal: Image | None
    stamp: int | None = field(default=0)
    thermal_stamp: int | None = field(default=0)

    def __post_init__(self) -> None:
        if self.rgb is None and self.thermal is None:
            raise ValueError("a frame pair needs at least one image")

    @property
    def reference(self) -> Image:
        """The RGB image, or the thermal image where there is no other."""
        image = self.rgb or self.thermal
        assert image is not None, "checked when the pair was made"
        return image
