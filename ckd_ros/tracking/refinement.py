"""By how much the thermal image of the target is off from where the registration says, followed while it is tracked.

A registration holds for one distance, and for as long as nothing moves the cameras' mount. What is left at the target
is a shift, nearly the same from one frame to the next. It is found from what both cameras see of a thing, its edges:
where they are and which way they run, but not which side is the brighter one, which differs between colour and heat.

For each possible shift the edges around the target in the colour image are compared with those in the thermal image.
One such comparison can have its best place anywhere: clothes have edges that give no heat, and the other way round. So
they are evidence for a belief over all shifts (a histogram filter): it spreads a little from frame to frame, and is
drawn to where edges agree. A frame that shows nothing tells nothing, and leaves the belief as it is but for spreading.
The mean of the belief is the shift; its standard deviation says whether to use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.colour import to_grey
from ckd_ros.frames import ENCODINGS, Float32Array, Image, Pixels
from ckd_ros.geometry import CropWindow, FloatArray
from ckd_ros.tracking.crops import crop_to_image, warp

#: Pixels of a crop to a side of the target, and sides that a crop is wide. Side: the geometric mean of its box's.
_PIXELS, _SIDES = 32, 2.5
_LOOK = 0.2  # least shift that is looked for, sides: what is right stands out among many that are not
#: Edges count inside the box and a little more, each way: what lies beyond is at another distance.
_AROUND = 1.3
_SOFT = 1.5  # width of that limit, crop pixels
#: Standard deviations, crop pixels: of the smoothing before edges are taken, and of what they are held against.
_FINE, _COARSE = 0.5, 5.0
_FAINT = 1.0  # contrast of edges, grey values of 255 a pixel, that may as well be noise
#: Of the belief: its standard deviation before anything was seen, sides; what part of it moves on by a crop pixel, each
#: way, in a frame that tells something; what part of the first belief comes back in a frame; what agreement is worth.
_PRIOR, _SPREAD, _FORGET, _WEIGHT = 0.1, 0.016, 0.001, 6.0
#: By how much the best shift agrees better than the median one where that is chance, and where it is the right one in
#: nine frames of ten: a frame counts not at all, and fully.
_CHANCE, _CLEAR = 0.14, 0.2
#: Standard deviation up to which a shift is used as it is, and from which on not at all, sides.
_SURE, _DOUBTFUL = 0.04, 0.06
#: How many later frames the first one is worth: frames soon after one another err alike, so that each counts little.
FIRST = 4.0
_ENOUGH, _YOUNG = 20.0, 90  # frames: after which a shift is settled, and up to which it is still that of the first one


@dataclass(frozen=True)
class Views:
    """Crops of what both cameras show around a target, `S x S` grey values from 0 to 255.

    `thermal` shows the window of `colour` as the registration maps it.
    """

    colour: Float32Array
    thermal: Float32Array


class Refinement:
    """The shift of one target's thermal image, and how sure it is.

    Shifts are `(2,)`, x and y, in geometric mean sides of the target's box in the colour image: of a wrong distance,
    they stay the same while the target comes closer.

    Args:
        bound: the largest shift each way, sides.

    Attributes:
        deviation: standard deviation of the shift on either axis, sides.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._radius = int(np.ceil(max(bound, _LOOK) * _PIXELS))
        self._axis = np.arange(-self._radius, self._radius + 1) / _PIXELS
        row = np.exp(-0.5 * (self._axis / _PRIOR) ** 2)
        self._first: FloatArray = np.outer(row, row) / row.sum() ** 2
        self._seen, self._frames = 0.0, 0
        self._believe(self._first)

    @property
    def shift(self) -> FloatArray:
        """By how much the thermal image shows the target off from where it is mapped; zero while nobody can tell."""
        trust = np.clip((_DOUBTFUL - self.deviation) / (_DOUBTFUL - _SURE), 0.0, 1.0)
        shift: FloatArray = trust * np.clip(self._mean, -self._bound, self._bound)
        return shift

    def is_due(self) -> bool:
        """Whether to look at the next frame, asked once for each: at all until `settled`, then at every second one."""
        self._frames += 1
        return not self.settled or self._frames % 2 == 0

    @property
    def settled(self) -> bool:
        """Whether enough was seen to rely on the shift for as long as the target is followed."""
        return self._seen >= _ENOUGH and self.deviation <= _SURE

    @property
    def is_young(self) -> bool:
        """Whether the shift is still that of the first frame."""
        return self._frames <= _YOUNG

    def observe(self, views: Views, box: FloatArray, weight: float = 1.0) -> None:
        """Take a frame into account.

        Args:
            views: crops of `window_of(box)`.
            box: the target's, `(x, y, w, h)`.
            weight: how much the frame counts, 1: as much as any.
        """
        agreement = self._agreement(views, box)
        lead = float(agreement.max() - np.median(agreement))
        weight *= float(np.clip((lead - _CHANCE) / (_CLEAR - _CHANCE), 0.0, 1.0))
        part = _SPREAD * min(1.0, weight)
        kernel = np.array([part, 1 - 2 * part, part])
        spread = cv2.sepFilter2D(self._belief, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        spread = (1 - _FORGET) * spread + _FORGET * self._first
        self._seen += weight
        self._believe(spread * np.exp(_WEIGHT * weight * agreement))

    def _believe(self, belief: FloatArray) -> None:
        self._belief = belief / belief.sum()
        rows = np.stack([self._belief.sum(0), self._belief.sum(1)])  # of x and of y
        self._mean = rows @ self._axis
        self.deviation = float(np.sqrt((rows @ self._axis**2 - self._mean**2).mean()))

    def _agreement(self, views: Views, box: FloatArray) -> FloatArray:
        """Of the edges of both crops, from -1 to 1, for each shift."""
        inner = slice(self._radius, -self._radius)
        colour, thermal = edges(views.colour)[inner, inner], edges(views.thermal)
        weight = _weight(len(colour), box)
        weighted = colour * weight[..., None]
        product = cv2.matchTemplate(thermal, weighted, cv2.TM_CCORR)
        energy = cv2.matchTemplate((thermal**2).sum(2), weight, cv2.TM_CCORR)
        own = float((weighted * colour).sum())
        agreement: FloatArray = product / np.sqrt(own * np.maximum(energy, 1e-3 * energy.max()) + 1e-6)
        return agreement.astype(float)


def looked_at(box: FloatArray) -> FloatArray:
    """The box `(x, y, w, h)` whose edges count, larger than the target's: the images' own edges must stay out of it."""
    return np.concatenate([box[:2] - (_AROUND - 1) / 2 * box[2:], _AROUND * box[2:]])


def window_of(box: FloatArray) -> CropWindow:
    """The window of the crops for a box `(x, y, w, h)`: a square about its centre."""
    side = _SIDES * float(np.sqrt(box[2] * box[3]))
    x, y = geometry.centre(box) - side / 2
    return CropWindow(x, y, side, side)


def crop(image: Image, window: CropWindow, to_image: FloatArray) -> Pixels:
    """A window's raw pixels, `S x S (x C)`, from the image to whose pixels the 3x3 transform leads."""
    size = round(_SIDES * _PIXELS)
    return warp(image, to_image @ crop_to_image(window, size), size)


def grey_of_colour(pixels: Pixels, encoding: str) -> Float32Array:
    """Grey values, 0 to 255."""
    grey: Float32Array = to_grey(pixels, encoding) * np.float32(255 / ENCODINGS[encoding].white)
    return grey


def edges(grey: Float32Array) -> Float32Array:
    """`S x S x 2` edges of `S x S` grey values, in units of the contrast around.

    Of an edge across which brightness rises at an angle: cosine and sine of twice the angle. They stay the same where
    bright and dark change places.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), _FINE)
    x, y = (cv2.Scharr(smooth, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1)))
    squares = x * x + y * y
    contrast = np.sqrt(cv2.GaussianBlur(squares, (0, 0), _COARSE)) + np.float32(_FAINT)
    factor = 1 / (np.sqrt(squares) * contrast + np.float32(1e-6))
    return np.dstack([(x * x - y * y) * factor, 2 * x * y * factor])


def _weight(size: int, box: FloatArray) -> Float32Array:
    """`size x size` weights about the middle: 1 in the box and a little more, 0 beyond."""
    distance = np.abs(np.arange(size) - (size - 1) / 2)
    halves = _AROUND / 2 * _PIXELS * box[2:] / np.sqrt(box[2] * box[3])
    across, down = (1 / (1 + np.exp((distance - half) / _SOFT)) for half in halves)
    return np.outer(down, across).astype(np.float32)
