"""How far the camera's own motion has moved the picture from one pair to the next, from the images alone."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import FramePair, Image, Pixels
from ckd_ros.geometry import FloatArray
from ckd_ros.tracking.pair_geometry import PairGeometry

#: Size of the copies that are compared, and the columns at least from which they are made.
_SIZE, _COLUMNS = (160, 128), 320
#: Corners that are followed, how far they are apart, and how many must go the same way; all in pixels of a copy.
_CORNERS, _APART, _ENOUGH = 60, 8, 12
#: How far the way of a corner may be from that of most, pixels of a copy.
_AGREEING = 0.5


class CameraMotion:
    """The shift of the whole picture: what stands in the world moves by it.

    It is that of most corners, so that what passes close to the camera does not count. A camera that turns moves all
    that is far by the same; of one that drives, this is the middle. It is asked for only while a target is not seen,
    and remembers the pair before.
    """

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._last: dict[str, Pixels] = {}

    def forget(self) -> None:
        """The next pair is a first one."""
        self._images, self._last = {}, {}

    def step(self, pair: FramePair, pair_geometry: PairGeometry, place: FloatArray) -> FloatArray | None:
        """`(2,)` pixels, of the image that boxes are in, by which what is at `(2,)` `place` has moved since the pair
        before; None for a first pair, and where the images do not tell. Of two cameras the clearer one counts, of
        two that are equally clear colour, but none whose image is not new: how long ago it moved is not known.
        """
        images = {name: image for name, image in (("rgb", pair.rgb), ("thermal", pair.thermal)) if image is not None}
        copies = {name: _small(image) for name, image in images.items() if image is not self._images.get(name)}
        most, step = _ENOUGH - 1, None
        for name in [one for one in copies if one in self._last]:  # colour first: a set's order changes from run to run
            shift, count = _shift(self._last[name], copies[name])
            if count > most:
                pixels = shift * images[name].size / _SIZE
                most, step = count, _in_box_pixels(pixels, name, pair_geometry, place)
        self._images, self._last = images, copies
        return step


def _shift(before: Pixels, now: Pixels) -> tuple[FloatArray, int]:
    """`(2,)` the median way of the corners of one copy to those of the next, and how many agree with it."""
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, _APART)
    if corners is None:
        return np.zeros(2), 0
    found, known, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, corners.copy(), winSize=(15, 15), maxLevel=2)
    ways = (found - corners)[known.ravel() == 1].reshape(-1, 2)
    if not len(ways):
        return np.zeros(2), 0
    middle = np.median(ways, axis=0)
    return middle, int((np.abs(ways - middle).max(axis=1) < _AGREEING).sum())


def _in_box_pixels(shift: FloatArray, name: str, pair_geometry: PairGeometry, place: FloatArray) -> FloatArray:
    """A shift in pixels of an image, in those of the image that boxes are in."""
    if name == "rgb" or not pair_geometry.check.usable:
        return shift
    to_thermal = pair_geometry.rgb_to_thermal
    moved = geometry.transform_points(to_thermal, place[None]) + shift
    back: FloatArray = geometry.transform_points(np.linalg.inv(to_thermal), moved)[0] - place
    return back


def _small(image: Image) -> Pixels:
    """A grey copy whose contrast does not depend on the gain."""
    step, pixels = max(1, image.width // _COLUMNS), image.data
    if pixels.ndim == 3:
        pixels = pixels[..., min(1, pixels.shape[2] - 1)]  # green, which is nearly all of the light
    small = cv2.resize(np.ascontiguousarray(pixels[::step, ::step]), _SIZE, interpolation=cv2.INTER_AREA)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(small))
    scale = 50 / max(deviation, 1e-3)
    grey: Pixels = np.clip((small - mean) * scale + 128, 0, 255).astype(np.uint8)
    return grey
