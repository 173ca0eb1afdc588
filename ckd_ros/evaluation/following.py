"""A tracker run over a whole sequence, without ROS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ckd_ros.datasets.sequence import Sequence
from ckd_ros.frames import FramePair
from ckd_ros.tracking import Tracker, TrackResult


def follow(tracker: Tracker, sequence: Sequence, box: np.ndarray) -> Iterator[tuple[FramePair, TrackResult]]:
    """Every pair of a sequence with the tracker's answer; `box` is the target in the first one."""
    frames = sequence.frames()
    first = next(frames)
    yield first, tracker.init(first, box)
    for pair in frames:
        yield pair, tracker.update(pair)
