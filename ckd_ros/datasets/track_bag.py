"""The `ckd_ros/Track` messages of a bag, read and written without ROS. Needs `rosbags`.

The message's definition is repeated here (a test compares it with `msg/`): a SQLite bag of an older distribution does
not hold it, and `pip install` generates no messages.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ckd_ros.files import replacing

TRACK, BOX = "ckd_ros/msg/Track", "ckd_ros/msg/BoundingBox"
#: Where the node publishes, by default.
TOPIC = "/ckd/track"
DEFINITIONS = {
    BOX: "float64 x\nfloat64 y\nfloat64 width\nfloat64 height\n",
    TRACK: """std_msgs/Header header
uint32 target_id
uint8 IDLE=0
uint8 TRACKING=1
uint8 UNCERTAIN=2
uint8 LOST=3
uint8 state
float32 confidence
float32 score
float32 position_stddev
BoundingBox box
BoundingBox thermal_box
builtin_interfaces/Time thermal_stamp
bool rgb_used
bool thermal_used
float32 rgb_weight
float32 thermal_weight
float32 registration_offset_x
float32 registration_offset_y
float32 inference_time
float32 processing_time
float32 latency
""",
}


@dataclass(frozen=True, eq=False)
class TrackMessage:
    """One message of the tracker.

    Attributes:
        stamp: of its image, ns.
        logged: when it was recorded, ns of the recorder's clock.
        target: which target, 0 for none.
        state: number of the tracker's state; 0: IDLE, 3: LOST.
        box, thermal_box: `(4,)` in pixels of the colour and of the thermal image, NaN where there is none.
        confidence: in [0, 1].
        latency: seconds from the image's stamp to publication by the node's clock.
    """

    stamp: int
    logged: int
    target: int
    state: int
    box: np.ndarray
    thermal_box: np.ndarray
    confidence: float
    latency: float


def known_types() -> Typestore:
    """Those of ROS and our own."""
    types = get_typestore(Stores.LATEST)
    for name, text in DEFINITIONS.items():
        types.register(get_types_from_msg(text, name))
    return types


def parse_track(message: Any, logged: int) -> TrackMessage:
    """A deserialised `ckd_ros/Track`. Raises ValueError where a field is missing."""
    try:
        return TrackMessage(
            stamp=message.header.stamp.sec * 10**9 + message.header.stamp.nanosec,
            logged=logged,
            target=int(message.target_id),
            state=int(message.state),
            box=_box(message.box),
            thermal_box=_box(message.thermal_box),
            confidence=float(message.confidence),
            latency=float(message.latency),
        )
    except AttributeError as error:
        raise ValueError(f"its {TRACK} is of another version: {error}") from error


def _box(box: Any) -> np.ndarray:
    values = np.array([box.x, box.y, box.width, box.height], np.float64)
    return values if np.isfinite(values).all() and (values[2:] > 0).all() else np.full(4, np.nan)


def write_tracks(path: Path, messages: Iterable[tuple[int, bytes]], topic: str = TOPIC) -> None:
    """Write serialised messages (time of arrival in ns, CDR) to the MCAP file `path`, whole or not at all."""
    types = known_types()
    with replacing(path) as temporary:
        folder = temporary.parent / "bag"
        with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            connection = writer.add_connection(topic, TRACK, typestore=types)
            for logged, data in messages:
                writer.write(connection, logged, data)
        os.replace(folder / "bag.mcap", temporary)
