"""A picture in which a person sees whether a registration is right."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.calibration.edges import edge_field
from ckd_ros.calibration.images import GreyPair
from ckd_ros.frames import Pixels
from ckd_ros.tracking.registration import Registration

#: Blue, green, red of the thermal image's edges.
_EDGES = np.array([0.0, 140.0, 255.0], np.float32)
#: The colour image's brightness below them.
_DIMMED = 0.7
#: Edges fainter than this, of 1, are left out.
_FAINT = 0.4
_WIDTH, _GAP = 800, 8


def before_and_after(pair: GreyPair, before: Registration, after: Registration) -> Pixels:
    """The thermal image's edges on the colour image, `H x W x 3` bgr8: with one registration, and with another."""
    panels = [_edges_on_colour(pair, before), _edges_on_colour(pair, after)]
    gap = np.zeros((panels[0].shape[0], _GAP, 3), np.uint8)
    return np.hstack([panels[0], gap, panels[1]])


def _edges_on_colour(pair: GreyPair, registration: Registration) -> Pixels:
    size, thermal_size = pair.sizes
    factor = min(1.0, _WIDTH / size[0])
    shown = (round(size[0] * factor), round(size[1] * factor))
    to_panel = geometry.scaling(shown[0] / size[0], shown[1] / size[1])
    edges = np.sqrt((edge_field(pair.thermal, 1.0) ** 2).sum(axis=2))
    edges = np.clip((edges - _FAINT) / _FAINT, 0, 1)
    onto = to_panel @ np.linalg.inv(registration.matrix(size, thermal_size))
    drawn = cv2.warpPerspective(edges, geometry.index_matrix(onto), shown)[..., None]
    colour = cv2.resize(pair.colour, shown, interpolation=cv2.INTER_AREA)[..., None] * np.float32(_DIMMED)
    return np.clip(colour * (1 - drawn) + _EDGES * drawn, 0, 255).astype(np.uint8)
