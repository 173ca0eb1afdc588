"""Two topics of images as a source of pairs, for a command that looks at a robot's cameras and does not track."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from ckd_ros.frames import FramePair
from ckd_ros.ros.background_node import BackgroundNode
from ckd_ros.ros.camera_pairs import CameraPairs
from ckd_ros.ros.fastdds import use_large_images
from ckd_ros.ros.sync.streams import RGB, THERMAL

#: So long a pair is waited for, and between looks at what is published and at what has come, seconds.
PATIENCE = 10.0
_PERIOD, _TICK = 0.5, 0.01


class LiveTopics:
    """Node `calibrate`, spinning in a thread of its own while its context lasts.

    Attributes:
        name, inputs: as those of a `FrameSequence`.

    Args:
        colour, thermal: topics of the raw images; where there are none, `/compressed` below them.
        thermal_offset: see `CameraPairs`.

    Raises ValueError for a name that no topic can have.
    """

    inputs: tuple[Path, ...] = ()

    def __init__(self, colour: str, thermal: str, thermal_offset: float = 0.0) -> None:
        for topic in (colour, thermal):
            try:
                validate_topic_name(topic)
            except InvalidTopicNameException as error:
                raise ValueError(" ".join(str(error).split())) from error
        self.name = "topics-" + "-".join(topic.strip("/").replace("/", "-") for topic in (colour, thermal))
        self._topics, self._thermal_offset = {RGB: colour, THERMAL: thermal}, thermal_offset

    def __enter__(self) -> LiveTopics:
        use_large_images()
        self._background = BackgroundNode("calibrate")
        node = self._background.node
        self._pairs = CameraPairs(node, self._topics, self._thermal_offset)
        node.create_timer(_PERIOD, self._pairs.look)
        self._background.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._background.end()

    def frames(self, start: int = 0) -> Iterator[FramePair]:
        """Pairs from number `start` on, stamped when they were taken, until none comes any more.

        Raises ValueError, which names what is not published, where none comes at all.
        """
        number, waited = 0, time.monotonic()
        while time.monotonic() - waited < PATIENCE:
            pair = self._pairs.take()
            if pair is None:
                time.sleep(_TICK)
                continue
            waited = time.monotonic()
            if number >= start:
                now = time.monotonic_ns()  # a bag that loops sets its stamps back
                yield replace(pair, stamp=now, thermal_stamp=now)
            number += 1
        if not number:
            raise ValueError(f"no pair of images has come for {PATIENCE:g} s: {self._pairs.missing()}")
