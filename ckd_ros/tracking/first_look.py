"""Where the target is looked at in the images it was marked in, to learn how the network sees it there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray
from ckd_ros.tracking.decoding import Detection

#: Displacement of each search window in sides of the target's box, and its scale: the target then lies in different
#: cells of the score map, as it does when it moves. The first is the window of the box itself.
FIRST_WINDOWS = (
    ((0.0, 0.0), 1.0),
    ((0.3, 0.2), 1.0),
    ((-0.25, 0.3), 1.0),
    ((0.2, -0.3), 1.0),
    ((-0.3, -0.2), 1.0),
    ((0.8, -0.8), 1.0),
    ((-0.8, 0.8), 1.0),
    ((0.0, 0.0), 1.15),
    ((0.0, 0.0), 0.87),
)
#: Those that differ from the window of the box itself in nothing but their scale.
_LARGER, _SMALLER = 7, 8
#: So many of them, the first, are of the target's own scale and near it: there the network's error is measured.
NEAR = 5


def first_boxes(box: FloatArray) -> list[FloatArray]:
    """The boxes `(x, y, w, h)` around which the network searches, one for each of `FIRST_WINDOWS`."""
    boxes = []
    for shift, scale in FIRST_WINDOWS:
        size = box[2:] * scale
        boxes.append(np.concatenate([geometry.centre(box) + box[2:] * shift - size / 2, size]))
    return boxes


def scale_dependence(sizes: Sequence[FloatArray]) -> float:
    """How much the size that is found follows the window's instead of the target's, from 0 to 1.

    Args:
        sizes: `(2,)` width and height found in each of `FIRST_WINDOWS`.
    """
    scales = [FIRST_WINDOWS[k][1] for k in (_LARGER, _SMALLER)]
    growth = np.log(sizes[_LARGER] / sizes[_SMALLER]) / np.log(scales[0] / scales[1])
    return float(growth.clip(0.0, 1.0).mean())


def sureness(found: Sequence[Detection | None], drawn: FloatArray) -> float:
    """How sure the network is of what was `drawn` `(x, y, w, h)`, [0, 1].

    The score of what it finds times the overlap of that with what was drawn, in the median of the windows: on the image
    in which it was drawn nearly everything is found again, but what has no edges of its own with other boxes.

    Args:
        found: in each of the windows near the target, in the image in which it was drawn; None: nothing.
    """
    return float(np.median([0.0 if one is None else one.score * geometry.iou(one.box, drawn) for one in found]))
