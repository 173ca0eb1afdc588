"""The frames of a recording, of live cameras or of topics that a calibration looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ckd_ros.app.live import pairs_of
from ckd_ros.calibration.images import GreyPair, grey_pair
from ckd_ros.datasets.cameras import LiveCameras, camera_names
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.sources import open_source
from ckd_ros.frames import FramePair

if TYPE_CHECKING:
    from ckd_ros.ros.live_topics import LiveTopics

    Source = FrameSequence | LiveCameras | LiveTopics

#: What begins the name of a source that is two topics.
_TOPICS = "topics:"
#: Time between frames of live cameras and of topics, ns: a person moves the cameras, or the pattern.
_PAUSE = 0.5e9


def open_frames(spec: str, thermal_offset: float = 0.0) -> AbstractContextManager[Source]:
    """What `spec` names: `topics:/COLOUR,/THERMAL`, live cameras (`camera_names`), or else a recording (`open_source`).

    `thermal_offset`: by how much thermal stamps of topics and bags are ahead of colour stamps, seconds.

    Raises what these raise, ModuleNotFoundError where topics cannot be received for want of ROS 2.
    """
    if spec.startswith(_TOPICS):
        topics = [topic.strip() for topic in spec.removeprefix(_TOPICS).split(",")]
        if len(topics) != 2 or not all(topics) or topics[0] == topics[1]:
            raise ValueError(f"'{spec}' does not name two topics: expected {_TOPICS}/COLOUR,/THERMAL")
        try:
            from ckd_ros.ros.live_topics import LiveTopics
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"topics need ROS 2 (there is no '{error.name}'): run it as `tools/env.sh ckd calibrate` after `make "
                "setup`, or source ROS 2"
            ) from error
        return LiveTopics(topics[0], topics[1], thermal_offset)
    cameras = camera_names(spec)
    return nullcontext(open_source(spec, thermal_offset=thermal_offset)) if cameras is None else LiveCameras(cameras)


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
        if isinstance(source, FrameSequence):
            yield number * count / len(source), pair
        else:
            stamp = pair.stamp or pair.thermal_stamp or 0
            begin = stamp if begin is None else begin
            yield (stamp - begin) / _PAUSE, pair
