"""What flows into a tracker: images with an encoding, and pairs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_ros.geometry import Size

#: Pixels of an image, `H x W` or `H x W x C`, of any dtype.
Pixels = npt.NDArray[Any]
#: Normalised pixels, and what goes into a network and comes out of it.
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoding:
    """How the pixels of an image are stored.

    Attributes:
        dtype: of every value, in this machine's byte order.
        order: what the channels hold, first to last: letters of `rgba`, or `y` for grey.
    """

    dtype: np.dtype[Any]
    order: str

    @property
    def channels(self) -> int:
        return len(self.order)

    @property
    def is_grey(self) -> bool:
        return self.order == "y"

    @property
    def white(self) -> int:
        """The largest value a channel can hold."""
        return int(np.iinfo(self.dtype).max)


#: Encodings of `Image.data` by their ROS names. `colour` converts between them.
ENCODINGS: dict[str, Encoding] = {
    "rgb8": Encoding(np.dtype(np.uint8), "rgb"),
    "bgr8": Encoding(np.dtype(np.uint8), "bgr"),
    "rgba8": Encoding(np.dtype(np.uint8), "rgba"),
    "bgra8": Encoding(np.dtype(np.uint8), "bgra"),
    "mono8": Encoding(np.dtype(np.uint8), "y"),
    "mono16": Encoding(np.dtype(np.uint16), "y"),
}


@dataclass(frozen=True)
class Image:
    """An image as the camera gave it: `data` is `H x W` (mono) or `H x W x C`, `encoding` one of `ENCODINGS`.

    `data` may be a view with row padding; nothing is converted until a crop is cut.
    Raises ValueError if shape or dtype do not fit the encoding.
    """

    data: Pixels
    encoding: str

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"unknown encoding '{self.encoding}': expected one of {', '.join(ENCODINGS)}")
        expected = ENCODINGS[self.encoding]
        found = 1 if self.data.ndim == 2 else self.data.shape[2] if self.data.ndim == 3 else 0
        if self.data.dtype != expected.dtype or found != expected.channels or self.data.size == 0:
            raise ValueError(
                f"an image of encoding {self.encoding} needs {expected.channels} channel(s) of {expected.dtype} and at "
                f"least one pixel, not shape {self.data.shape} of {self.data.dtype}"
            )

    @property
    def width(self) -> int:
        return int(self.data.shape[1])

    @property
    def height(self) -> int:
        return int(self.data.shape[0])

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.width, self.height


@dataclass(frozen=True)
class Timing:
    """When the images of a pair were taken, where that is known on one clock for both cameras.

    Attributes:
        moment: of the pair, nanoseconds: that of the image that drives, for which a box is wanted.
        rgb_age, thermal_age: seconds by which that image is older than the moment; negative: newer.
    """

    moment: int
    rgb_age: float = 0.0
    thermal_age: float = 0.0

    def at_image(self, name: str) -> Timing:
        """The same, at the moment of the `rgb` or the `thermal` image.

        >>> Timing(1_000_000_000, thermal_age=0.5).at_image("thermal")
        Timing(moment=500000000, rgb_age=-0.5, thermal_age=0.0)
        """
        age = self.rgb_age if name == "rgb" else self.thermal_age
        return Timing(self.moment - round(age * 1e9), self.rgb_age - age, self.thermal_age - age)


@dataclass(frozen=True)
class FramePair:
    """One colour and one thermal image of (nearly) the same moment; either may be missing, not both.

    `stamp` and `thermal_stamp` are nanoseconds since the epoch of the camera's clock (the stamp of a missing
    image is None). `timing` None: both are taken for images of one moment.
    """

    rgb: Image | None
    thermal: Image | None
    stamp: int | None = 0
    thermal_stamp: int | None = 0
    timing: Timing | None = None

    def __post_init__(self) -> None:
        if self.rgb is None and self.thermal is None:
            raise ValueError("a frame pair needs at least one image")

    @property
    def reference(self) -> Image:
        """The RGB image, or the thermal image where there is no other."""
        image = self.rgb or self.thermal
        assert image is not None, "checked when the pair was made"
        return image
