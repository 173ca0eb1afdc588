"""Scenes of which a colour and a thermal camera show the same edges and nothing else alike."""

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.images import GreyPair

SIZE = (720, 540)


def scene(seed):
    """`H x W` grey: shapes of all sizes, each of its own brightness."""
    random = np.random.default_rng(seed)
    image = np.full(SIZE[::-1], 128, np.uint8)
    for side in np.geomspace(180, 12, 160):
        centre = random.uniform(0, SIZE)
        corners = centre + side * random.uniform(-0.6, 0.6, (random.integers(3, 6), 2))
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), int(random.integers(20, 235)), cv2.LINE_AA)
    return image


def pair_of(image, matrix, size, thermal_size, seed=0):
    """What two cameras of these (width, height) see of it, the thermal one by a 3x3 matrix from colour pixels.

    Each grey value is as warm as it happens to be, so that some edges turn about and some vanish; both are noisy.
    """
    random = np.random.default_rng([seed, 1])
    middle = geometry.translation((SIZE[0] - size[0]) / 2, (SIZE[1] - size[1]) / 2)
    to_colour = np.linalg.inv(middle)
    warmth = np.interp(np.arange(256), np.linspace(0, 255, 9), random.uniform(40, 215, 9)).astype(np.uint8)
    seen = [(image, to_colour, size), (warmth[image], matrix @ to_colour, thermal_size)]
    views = []
    for picture, onto, (width, height) in seen:
        view = cv2.warpPerspective(picture, geometry.index_matrix(onto), (width, height), borderMode=cv2.BORDER_REFLECT)
        noisy = cv2.GaussianBlur(view, (0, 0), 0.7) + random.normal(0, 2, (height, width))
        views.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return GreyPair(*views)
