"""Thermal images of any range as steady grey values in [0, 1].

A radiometric camera gives 14 to 16 bits of which a scene uses a few hundred counts; an 8-bit camera's own gain control
may use all or little of its range. The 1st and 99th percentile of the frame say what to stretch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.colour import to_grey
from ckd_ros.frames import Float32Array, Image, Pixels
from ckd_ros.settings import check, setting

#: Percentiles are taken over about this many pixels, on a regular grid.
_SAMPLES = 4096


@dataclass(frozen=True)
class ThermalConfig:
    """How thermal counts of any range become grey values.

    Raises ValueError for a value out of range.
    """

    low_percentile: float = setting(1.0, "percentile of the frame that becomes black", 0.0, 49.0)
    high_percentile: float = setting(99.0, "percentile of the frame that becomes white", 51.0, 100.0)
    smoothing: float = setting(0.9, "weight of the range so far against the present frame's; 0: none", 0.0, 0.999)
    min_span: float = setting(
        64.0, "smallest range in counts, so that the noise of an even scene is not blown up", 1.0, 65535.0
    )
    jump_overlap: float = setting(
        0.5, "a range whose overlap (intersection over union) with the one so far is less is taken at once", 0.0, 1.0
    )

    def __post_init__(self) -> None:
        check(self)


class ThermalNormalizer:
    """Follows the range of a thermal stream; `update` once a frame, then `apply` to any crop of it.

    The range is an exponential mean of the frames' percentiles, so that a warm object at the edge of the frame does not
    make the target flicker. A range that has jumped (see `ThermalConfig.jump_overlap`) is taken at once: after a
    shutter (NUC) event or a switch of the camera's gain the old range shows black or white only, and the target would
    be lost before a mean has followed. A blank shutter frame costs that frame alone: the range jumps there and back.
    """

    def __init__(self, config: ThermalConfig | None = None) -> None:
        self.config = config or ThermalConfig()
        self.range: tuple[float, float] | None = None

    def update(self, image: Image) -> tuple[float, float]:
        """Take a frame's range into account. Returns the counts that are now black and white."""
        low, high = self._measure(image)
        if self.range is not None:
            old_low, old_high = self.range
            overlap = min(high, old_high) - max(low, old_low)
            if overlap >= self.config.jump_overlap * (max(high, old_high) - min(low, old_low)):
                keep = self.config.smoothing
                low, high = keep * old_low + (1 - keep) * low, keep * old_high + (1 - keep) * high
        self.range = (low, high)
        return self.range

    def restart(self) -> None:
        """Take the range of the next frame at once, as where the gain of the camera has changed."""
        self.range = None

    def black_and_white(self) -> tuple[float, float]:
        """The counts that are black and white. Raises RuntimeError before the first `update`."""
        if self.range is None:
            raise RuntimeError("no thermal frame has been seen yet: call update(image) before apply()")
        return self.range

    def apply(self, pixels: Pixels, encoding: str) -> Float32Array:
        """Raw pixels `H x W (x C)` -> grey `H x W` float32 in [0, 1]. Raises RuntimeError before the first `update`."""
        low, high = self.black_and_white()
        grey: Float32Array = to_grey(pixels, encoding) * np.float32(1.0 / (high - low))
        grey -= np.float32(low / (high - low))
        return np.clip(grey, 0.0, 1.0, out=grey)

    def _measure(self, image: Image) -> tuple[float, float]:
        step = max(1, int(np.sqrt(image.width * image.height / _SAMPLES)))
        pixels = to_grey(np.ascontiguousarray(image.data[::step, ::step]), image.encoding).ravel()
        last = pixels.size - 1
        ranks = [round(last * p / 100.0) for p in (self.config.low_percentile, self.config.high_percentile)]
        low, high = (float(v) for v in np.partition(pixels, ranks)[ranks])
        missing = self.config.min_span - (high - low)
        if missing > 0:
            # Widened about its middle, but within the dtype: an all-black frame stays black, a saturated one white.
            low = min(low - missing / 2, float(np.iinfo(pixels.dtype).max) - self.config.min_span)
            low = max(low, 0.0)
            high = low + self.config.min_span
        return low, high
