"""Feature maps of two cameras in which a target and another object of its kind are seen."""

import numpy as np

from ckd_ros.tracking.first_look import FIRST_WINDOWS
from ckd_ros.tracking.target_classifier import View

G, CHANNELS, SIZE = 16, 40, np.full(2, 3.0)
TARGET, OTHER = np.array([5.0, 6.0]), np.array([11.0, 9.0])  # cells (x, y)
_RANDOM = np.random.default_rng(0)
KIND, OWN, OTHERS, GROUND = _RANDOM.normal(size=(4, 2, CHANNELS))  # of each camera


def features(target, other, seed=0):
    """Of two cameras: both objects share what makes their kind, and have something of their own."""
    noise = np.random.default_rng(seed).normal(0, 0.3, (2, CHANNELS, G, G))
    maps = GROUND[:, :, None, None] + noise
    y, x = np.mgrid[:G, :G]
    for centre, own in ((target, OWN), (other, OTHERS)):
        blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 3)
        maps += (2 * KIND + own)[:, :, None, None] * blob
    return tuple(maps.astype(np.float32))


def views():
    """The first image in windows moved as the tracker moves them; both objects move together."""
    moves = [-SIZE * shift for shift, _ in FIRST_WINDOWS]
    return [View(features(TARGET + m, OTHER + m, seed), TARGET + m, SIZE) for seed, m in enumerate(moves)]
