"""One pass of a tracker over a sequence of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy.typing as npt

from ckd_ros.frames import FramePair
from ckd_ros.tracking.tracker import Tracker, TrackResult


def track_sequence(
    tracker: Tracker, frames: Iterable[FramePair], box: npt.ArrayLike
) -> Iterator[tuple[FramePair, TrackResult]]:
    """Every pair with the tracker's result; `box` `(x, y, w, h)` is the target in the first one, in RGB pixels.

    Raises what `Tracker.init` and the source of frames raise.
    """
    pairs = iter(frames)
    first = next(pairs)
    yield first, tracker.init(first, box)
    for pair in pairs:
        yield pair, tracker.update(pair)
