"""The frames of a recording, or of live cameras, that a calibration looks at."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_ros.app.live import Source, pairs_of
from ckd_ros.calibration.images import GreyPair, grey_pair
from ckd_ros.datasets.cameras import LiveCameras
from ckd_ros.frames import FramePair

#: Time between frames of live cameras, ns: a person moves the cameras, or the pattern.
_PAUSE = 0.5e9


def frames_of(source: Source, count: int, crop: tuple[int, int]) -> Iterator[GreyPair]:
    """At most `count` pairs that have both images, spread over the recording, of the same sizes as the first of them.

    Thermal images lose `crop` rows above and below. Raises ValueError where there is none.
    """
    sizes, due = None, 0.0
    for moment, pair in _moments(source, count, crop):
        grey = grey_pair(pair)
        if moment < due or grey is None or sizes not in (None, grey.sizes):
            continue
        sizes, due = grey.sizes, max(due + 1, moment)
        yield grey
        if due >= count:
            break
    if sizes is None:
        raise ValueError(f"{source.name} has no frame with both images: a calibration needs a colour and a thermal one")


def _moments(source: Source, count: int, crop: tuple[int, int]) -> Iterator[tuple[float, FramePair]]:
    """Pairs that could be read, and when they are: the first at 0, the first of all at or after 1 is the second, ..."""
    begin = None
    for number, pair in enumerate(pairs_of(source, 0, crop)):
        if isinstance(pair, str):
            continue
        if isinstance(source, LiveCameras):
            stamp = pair.stamp or pair.thermal_stamp or 0
            begin = stamp if begin is None else begin
            yield (stamp - begin) / _PAUSE, pair
        else:
            yield number * count / len(source), pair
