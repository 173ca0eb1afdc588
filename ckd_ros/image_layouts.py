"""How the encodings of `sensor_msgs/Image` lie in memory, and how those that `frames.Image` cannot view are converted.

OpenCV converts them, here and not in `cv_bridge`, which knows fewer of them and answers an image that it cannot convert
with an assertion of OpenCV's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros.colour import OPENCV_LAYOUTS, counts_of_signed, counts_of_temperatures, upper_bytes
from ckd_ros.frames import ENCODINGS, Pixels


@dataclass(frozen=True)
class Layout:
    """An encoding in memory.

    Attributes:
        sample: type of one value, of this machine's byte order.
        samples: values of a pixel in a row.
        encoding: that of the `frames.Image` it becomes.
        convert: makes that image's pixels of `H x W x samples` values; None where they are viewed in place. Raises
            ValueError or cv2.error for values that it cannot convert.
        multiple: width and height must be multiples of these.
        half_rows: rows of data for every two rows of the image; 3 where a plane of half as many rows follows.
    """

    sample: np.dtype
    samples: int
    encoding: str
    convert: Callable[[Pixels], Pixels] | None = None
    multiple: tuple[int, int] = (1, 1)
    half_rows: int = 2

    @property
    def pixel(self) -> int:
        """Bytes of a pixel in a row."""
        return self.samples * self.sample.itemsize

    def rows(self, height: int) -> int:
        """Rows of data of an image."""
        return height * self.half_rows // 2


_BYTE, _WORD = np.dtype(np.uint8), np.dtype(np.uint16)


def _packed(encoding: str) -> Layout:
    return Layout(ENCODINGS[encoding].dtype, ENCODINGS[encoding].channels, encoding)


def _opencv(code: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: cv2.cvtColor(np.ascontiguousarray(pixels), code)


def _yuv422(code: int) -> Layout:
    return Layout(_BYTE, 2, "bgr8", _opencv(code), multiple=(2, 1))


def _yuv420(code: int) -> Layout:
    return Layout(_BYTE, 1, "bgr8", _opencv(code), multiple=(2, 2), half_rows=3)


def _bayer16(code: int) -> Layout:
    demosaic = _opencv(code)
    return Layout(_WORD, 1, "bgr8", lambda pixels: upper_bytes(demosaic(pixels)))


#: ROS names a mosaic by its first two rows, these codes by the second and third pixel of the second row.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2BGR,
    "bggr": cv2.COLOR_BayerRG2BGR,
    "gbrg": cv2.COLOR_BayerGR2BGR,
    "grbg": cv2.COLOR_BayerGB2BGR,
}

#: Layouts by the names that `sensor_msgs/Image` has for them.
LAYOUTS: dict[str, Layout] = {
    **{name: _packed(name) for name in ENCODINGS},
    **{name: _packed(encoding) for name, encoding in OPENCV_LAYOUTS.items()},  # as cv_bridge reads them
    **{name: _yuv422(cv2.COLOR_YUV2BGR_UYVY) for name in ("yuv422", "uyvy")},
    **{name: _yuv422(cv2.COLOR_YUV2BGR_YUY2) for name in ("yuv422_yuy2", "yuyv")},
    "nv12": _yuv420(cv2.COLOR_YUV2BGR_NV12),
    "nv21": _yuv420(cv2.COLOR_YUV2BGR_NV21),
    **{f"bayer_{name}8": Layout(_BYTE, 1, "bgr8", _opencv(code)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": _bayer16(code) for name, code in _BAYER.items()},
    **{f"{order}16": Layout(_WORD, len(order), f"{order}8", upper_bytes) for order in ("rgb", "bgr", "rgba", "bgra")},
    "16SC1": Layout(np.dtype(np.int16), 1, "mono16", counts_of_signed),
    "32FC1": Layout(np.dtype(np.float32), 1, "mono16", counts_of_temperatures),
}
