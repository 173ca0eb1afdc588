"""Both images of a moment as grey values, whatever the cameras send."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ckd_ros.colour import stretch_for_display, to_grey
from ckd_ros.frames import FramePair, Image, Pixels
from ckd_ros.geometry import Size


class GreyPair(NamedTuple):
    """One moment: `colour` `H x W` and `thermal` `h x w`, uint8."""

    colour: Pixels
    thermal: Pixels

    @property
    def sizes(self) -> tuple[Size, Size]:
        """(width, height) of the colour and of the thermal image."""
        (height, width), (thermal_height, thermal_width) = self.colour.shape, self.thermal.shape
        return (width, height), (thermal_width, thermal_height)


def grey_pair(pair: FramePair) -> GreyPair | None:
    """The images of a pair, thermal ones stretched to fill 8 bits; None where one is missing."""
    if pair.rgb is None or pair.thermal is None:
        return None
    return GreyPair(_eight_bits(pair.rgb), stretch_for_display(to_grey(pair.thermal.data, pair.thermal.encoding)))


def _eight_bits(image: Image) -> Pixels:
    grey = to_grey(image.data, image.encoding)
    return grey if grey.dtype == np.uint8 else stretch_for_display(grey)
