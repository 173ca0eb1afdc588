"""How an image moves from one to the next, measured on a small grey copy: enough to compare two cameras in time."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ckd_ros.frames import Float32Array, Image, Pixels

#: Motion x + iy of each part of an image, in pixels of its small copy.
Motion = npt.NDArray[np.complex128]
#: Size of the copy, and the parts each way whose motion is measured.
_SIZE, _ACROSS, _DOWN = (128, 96), 4, 3
#: Columns that are averaged for it, at least, of which an image mostly has several times as many.
_COLUMNS = 320
#: Detail finer than the first (noise) and coarser than the second (light, the gain) is left out, pixels of the copy.
_FINEST, _COARSEST = 1.2, 13
#: What a part without texture is taken to have, of the mean texture: its motion then counts for little.
_TEXTURE = 0.02


class ImageMotion:
    """Motion of the images of one camera."""

    def __init__(self) -> None:
        self._last: Float32Array | None = None

    def of(self, image: Image) -> Motion | None:
        """`(12,)` motion of the parts of an image since the one before.

        One step of Lucas and Kanade's for each part: of a camera that moves the motion of the scene, of one that stands
        still that of what moves in it, as far as it fills the part. None for the first image, an even one, and one that
        repeats the one before.
        """
        last, now = self._last, _small(image)
        self._last = now
        if last is None:
            return None
        change = now - last
        if not change.any():
            return None
        x, y = (cv2.Sobel(now + last, cv2.CV_32F, *order, ksize=1) / 4 for order in ((1, 0), (0, 1)))
        xx, xy, yy, xt, yt = (_sums(one) for one in (x * x, x * y, y * y, x * change, y * change))
        least = _TEXTURE * (xx + yy).mean()
        if not least > 0:
            return None
        xx, yy = xx + least, yy + least
        motion: Motion = ((xy * yt - yy * xt) + 1j * (xy * xt - xx * yt)) / (xx * yy - xy * xy)
        return motion


def _small(image: Image) -> Float32Array:
    step, pixels = max(1, image.width // _COLUMNS), image.data
    if pixels.ndim == 3:
        pixels = pixels[..., min(1, pixels.shape[2] - 1)]  # green, which is nearly all of the light
    grey = cv2.resize(np.ascontiguousarray(pixels[::step, ::step]), _SIZE, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _FINEST)
    return np.asarray(smooth - cv2.blur(smooth, (_COARSEST, _COARSEST)), np.float32)


def _sums(values: Pixels) -> npt.NDArray[np.float64]:
    height, width = values.shape
    return values.reshape(_DOWN, height // _DOWN, _ACROSS, width // _ACROSS).sum((1, 3), dtype=float).ravel()
