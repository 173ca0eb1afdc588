"""From a camera image straight to a network input: one bilinear warp, then colour and normalisation of the crop only.

The image is read in place in its own encoding; nothing of full-frame size is ever made. For thermal images the warp is
composed with the registration, so its crop shows the same part of the scene as the colour crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.colour import rgb_planes
from ckd_ros.frames import ENCODINGS, Float32Array, Image, Pixels
from ckd_ros.geometry import CropWindow, FloatArray
from ckd_ros.tracking.thermal import ThermalNormalizer

_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
#: What is blotted out beside a box on each side, in its sides, and the pixels around that from which it is filled.
_MARGIN, _RING = 0.1, 8


@dataclass(frozen=True)
class Normalisation:
    """The network's `(value - mean) / std` per channel, for values in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def scale_bias(self, full: float) -> tuple[Float32Array, Float32Array]:
        """`(3,)` scale and bias so that `raw * scale + bias` normalises raw values of which `full` is white."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return 1.0 / (std * np.float32(full)), -mean / std


#: Leaves values in [0, 1] as they are.
AS_IT_IS = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def warp(image: Image, matrix: FloatArray, size: int, border: float = 0.0) -> Pixels:
    """`size x size (x C)` crop of raw pixel values, bilinear; outside the image `border`.

    Args:
        matrix: 3x3 transform from crop pixels to image pixels, continuous coordinates. Being the inverse of what
            `CropWindow.matrix` and `Registration.matrix` compose to, it exists even where a homography folds.
    """
    indices, shape, outside = geometry.index_matrix(matrix), (size, size), (border,) * 4
    if geometry.is_affine(indices):
        return cv2.warpAffine(image.data, indices[:2] / indices[2, 2], shape, flags=_WARP, borderValue=outside)
    return cv2.warpPerspective(image.data, indices, shape, flags=_WARP, borderValue=outside)


def crop_to_image(window: CropWindow, size: int) -> FloatArray:
    """3x3 transform from a `size` x `size` crop of a window to its image: the inverse of `CropWindow.matrix`."""
    across, down = window.width / size, window.height / size
    return np.array([[across, 0.0, window.x], [0.0, down, window.y], [0.0, 0.0, 1.0]])


def write_colour(crop: Pixels, encoding: str, normalisation: Normalisation, out: Float32Array) -> None:
    """Convert a raw crop `S x S (x C)` of any encoding to RGB and write it, normalised, to `out` `(3, S, S)` float32.

    Grey encodings fill all three channels; mono16 counts over its full 16-bit range.
    """
    scale, bias = normalisation.scale_bias(float(ENCODINGS[encoding].white))
    for channel, plane in enumerate(rgb_planes(crop, encoding)):
        np.multiply(plane, scale[channel], out=out[channel])
        out[channel] += bias[channel]


def write_grey(grey: Float32Array, normalisation: Normalisation, out: Float32Array) -> None:
    """Write a grey crop `S x S` in [0, 1] to all three channels of `out` `(3, S, S)` float32, normalised."""
    scale, bias = normalisation.scale_bias(1.0)
    for channel in range(3):
        np.multiply(grey, scale[channel], out=out[channel])
        out[channel] += bias[channel]


def blot_out(crop: Float32Array, box: FloatArray) -> None:
    """Fill a box `(x, y, w, h)` and a margin, in pixels of a crop `(3, S, S)`, with the median of what is around."""
    middle, half = box[:2] + box[2:] / 2, (0.5 + _MARGIN) * box[2:]
    x0, y0 = np.maximum(np.floor(middle - half), 0).astype(int)
    x1, y1 = np.maximum(np.ceil(middle + half), 0).astype(int)
    around = np.zeros(crop.shape[1:], bool)
    around[max(0, y0 - _RING) : y1 + _RING, max(0, x0 - _RING) : x1 + _RING] = True
    around[y0:y1, x0:x1] = False
    if around.any():
        crop[:, y0:y1, x0:x1] = np.median(crop[:, around], axis=1)[:, None, None]


def cut_colour(
    image: Image, window: CropWindow, normalisation: Normalisation, out: Float32Array, border: float = 0.0
) -> None:
    """The crop of a window of a colour image, normalised, into `out` `(3, S, S)` float32; `border`: see `ModelSpec`."""
    size = out.shape[-1]
    crop = warp(image, crop_to_image(window, size), size, border * ENCODINGS[image.encoding].white)
    write_colour(crop, image.encoding, normalisation, out)


def cut_thermal(
    image: Image,
    window: CropWindow,
    rgb_to_thermal: FloatArray,
    thermal: ThermalNormalizer,
    normalisation: Normalisation,
    out: Float32Array,
    border: float = 0.0,
) -> None:
    """The crop of a thermal image that shows what `window` of the RGB image shows, normalised, into `out`."""
    size = out.shape[-1]
    # Blended with the edge as raw counts, what is outside of the image must be the counts that become its grey.
    black, white = thermal.black_and_white()
    level = black + border * (white - black)
    raw = warp(image, rgb_to_thermal @ crop_to_image(window, size), size, level)
    write_grey(thermal.apply(raw, image.encoding), normalisation, out)
