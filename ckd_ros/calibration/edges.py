"""What a colour and a thermal image of one scene share: where edges are and which way they run.

Which side of an edge is bright differs between the cameras, and so does the contrast. An edge is therefore a complex
number: its angle is twice the gradient's, so that bright-to-dark and dark-to-bright are the same, its length grows with
the contrast against the surroundings, up to 1. The product of one with the conjugate of another has a positive real
part where they run the same way, a negative one where they cross.
"""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.frames import Float32Array, Pixels

#: An edge as strong as the mean of its surroundings, this many times `sigma` wide, has half its length.
_SURROUNDINGS = 12
#: What counts as noise: a part of the image's mean contrast, and grey values a pixel.
_NOISE, _FAINT = 0.3, 0.25


def edge_field(grey: Pixels, sigma: float) -> Float32Array:
    """`H x W x 2` real and imaginary parts of the edges of an `H x W` image, smoothed by `sigma` pixels."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    contrast = np.sqrt(across * across + down * down) + np.float32(1e-6)
    around = cv2.GaussianBlur(contrast, (0, 0), _SURROUNDINGS * sigma)
    length = contrast / (contrast + around + np.float32(_NOISE * contrast.mean() + _FAINT))
    length /= contrast * contrast
    return np.dstack([(across * across - down * down) * length, 2 * across * down * length])
