"""Recorded ROS bags (MCAP or SQLite) as sequences, and sequences as MCAP bags. Needs `rosbags`, not ROS."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.datasets.boxes import visible_or_nan
from ckd_ros.datasets.pairing import median_period, pair_nearest
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.files import replacing, text_of
from ckd_ros.frames import FramePair, Image

try:
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    from ckd_ros.datasets.bag_images import RAW, decode, image_message
    from ckd_ros.datasets.track_bag import TRACK, TrackMessage, known_types, parse_track
except ImportError as error:
    raise ModuleNotFoundError("bags need the package rosbags: pip install rosbags") from error

COMPRESSED = "sensor_msgs/msg/CompressedImage"
_THERMAL_NAME = re.compile(r"(^|[/_])(t?ir|lwir|thermal|infrared|infra\w*|flir|boson|lepton|tau|seek)([/_\d]|$)", re.I)


class BagSequence(FrameSequence):
    """The image topics `rgb` and `thermal` of a bag (a folder, or an .mcap / .db3 file), paired by their stamps.

    Topics that are not given are found by their type, name and encoding. Every image becomes part of exactly one pair;
    two images belong together when their header stamps are nearest and at most `slop` seconds apart (default: half
    the period of the slower stream), less the `thermal_offset` by which those of the thermal camera are ahead at one
    moment. `rate` stretches the stamps to another frame rate.
    Truth is read from the file `BAG.csv` beside the bag: header `stamp,x,y,w,h`, the stamps (ns) of colour images.

    Raises ValueError for an unreadable bag, and naming the bag's image topics where the choice is not clear.
    """

    def __init__(
        self,
        path: Path,
        rgb: str | None = None,
        thermal: str | None = None,
        rate: float | None = None,
        modality: str = "both",
        slop: float | None = None,
        thermal_offset: float = 0.0,
    ) -> None:
        self._path = Path(path)
        self.name = self._path.stem
        with self._open() as reader:
            topics = _choose_topics(reader, self._path, rgb, thermal, modality)
            self._topics = {topic: side for side, topic in enumerate(topics) if topic}
            self.modality = "both" if all(topics) else "rgb" if topics[0] else "thermal"
            stamps = self._read_stamps(reader)
        if not any(len(known) for known in stamps):
            raise ValueError(f"{self._path} holds no image on {', '.join(self._topics)}")
        periods = [known for known in map(median_period, stamps) if known]
        tolerance = slop * 1e9 if slop is not None else max(periods, default=1e9) / 2
        self._pairs = pair_nearest(stamps[0], stamps[1] - round(thermal_offset * 1e9), tolerance)
        main = stamps[0] if len(stamps[0]) else stamps[1]
        recorded = 1e9 / (median_period(main) or 1e9)
        self.rate = rate or round(recorded, 3)
        start, stretch = int(min(known.min() for known in stamps if len(known))), recorded / self.rate if rate else 1.0
        self._stamps = [start + np.round((known - start) * stretch).astype(np.int64) for known in stamps]
        self._read_truth(truth_file(self._path), main)

    def __len__(self) -> int:
        return len(self._pairs)

    def frames(self) -> Iterator[FramePair]:
        waiting: dict[tuple[int, int], Any] = {}
        with self._open() as reader:
            messages = self._messages(reader)
            for pair in self._pairs:
                needed = [(side, index) for side, index in enumerate(pair) if index is not None]
                while not all(key in waiting for key in needed):
                    key, message = next(messages)
                    waiting[key] = message
                images = dict((key[0], self._decode(waiting.pop(key), thermal=key[0] == 1)) for key in needed)
                stamps = {side: int(self._stamps[side][index]) for side, index in needed}
                yield FramePair(images.get(0), images.get(1), stamps.get(0), stamps.get(1))

    def stamps(self) -> list[tuple[int | None, int | None]]:
        """Of each pair: the stamp (ns) of its colour and of its thermal image, None for one that is missing."""
        rgb, thermal = self._stamps
        return [(None if i is None else int(rgb[i]), None if j is None else int(thermal[j])) for i, j in self._pairs]

    def _open(self) -> AnyReader:
        return _CheckedReader(self._path)

    def _messages(self, reader: AnyReader) -> Iterator[tuple[tuple[int, int], Any]]:
        """((0 colour | 1 thermal, its number), message) in the order of recording."""
        counts: Counter[int] = Counter()
        connections = [known for known in reader.connections if known.topic in self._topics]
        try:
            for connection, logged, raw in reader.messages(connections=connections):
                side = self._topics[connection.topic]
                message: Any = reader.deserialize(raw, connection.msgtype)
                stamp = message.header.stamp
                if not (stamp.sec or stamp.nanosec):
                    stamp.sec, stamp.nanosec = divmod(logged, 10**9)
                yield (side, counts[side]), message
                counts[side] += 1
        except Exception as error:  # the storage libraries raise their own kinds on damaged files
            if isinstance(error, GeneratorExit):
                raise
            raise ValueError(f"{self._path} breaks off after {sum(counts.values())} images: {error}") from error

    def _read_stamps(self, reader: AnyReader) -> list[np.ndarray]:
        stamps: tuple[list[int], list[int]] = ([], [])
        for (side, _), message in self._messages(reader):
            stamps[side].append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        return [np.array(known, np.int64) for known in stamps]

    def _decode(self, message: Any, thermal: bool) -> Image:
        try:
            return decode(message, thermal)
        except ValueError as error:
            stamp = message.header.stamp
            raise ValueError(f"{self._path}: image of {stamp.sec}.{stamp.nanosec:09d} is unusable: {error}") from error

    def _read_truth(self, path: Path, main: np.ndarray) -> None:
        if not path.exists():
            return
        known = read_truth(path)
        doubt = stamps_of_no_image(path, known.keys() - set(main.tolist()), len(known))
        self.notes = (doubt,) if doubt else ()
        side = 0 if 0 in self._topics.values() else 1
        blank = [np.nan] * 4
        indices = [pair[side] for pair in self._pairs]
        boxes = [blank if index is None else known.get(int(main[index]), blank) for index in indices]
        self.boxes = visible_or_nan(np.array(boxes))
        if np.isfinite(self.boxes[0]).all():
            self.init_box = self.boxes[0].copy()


def has_images(path: Path) -> bool:
    """Whether a bag has any image topic. Raises ValueError for an unreadable bag."""
    with _CheckedReader(path) as reader:
        return any(known.msgtype in (RAW, COMPRESSED) for known in reader.connections)


def read_tracks(path: Path, topic: str) -> list[TrackMessage]:
    """What a tracker published on `topic`, in the order of recording.

    Raises ValueError for an unreadable bag, and naming what it has where it has no such topic.
    """
    path, found = Path(path), []
    with _CheckedReader(path) as reader:
        connections = [known for known in reader.connections if known.topic == topic]
        if not connections:
            others = sorted(known.topic for known in reader.connections if known.msgtype == TRACK)
            hint = f"its tracks are on {', '.join(others)}" if others else f"it has no topic of type {TRACK}"
            raise ValueError(f"{path} has no topic {topic}: {hint}")
        if connections[0].msgtype != TRACK:
            raise ValueError(f"{path}: {topic} is of type {connections[0].msgtype}, expected {TRACK}")
        try:
            for connection, logged, raw in reader.messages(connections=connections):
                found.append(parse_track(reader.deserialize(raw, connection.msgtype), logged))
        except Exception as error:  # the storage libraries raise their own kinds on damaged files
            raise ValueError(f"{path} breaks off after {len(found)} tracks: {error}") from error
    return found


class _CheckedReader(AnyReader):
    """A bag reader whose errors name the file that cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__([path], default_typestore=known_types())
        except (AnyReaderError, OSError) as error:
            raise ValueError(f"{path} is not a bag that can be read: {error}") from error

    def __enter__(self) -> _CheckedReader:
        try:
            return super().__enter__()
        except Exception as error:  # the storage libraries raise their own kinds on damaged files
            raise ValueError(f"{self.paths[0]} is not a bag that can be read: {error}") from error


def truth_file(bag: Path) -> Path:
    """Where the truth of a bag lies: beside its folder, also when one of the folder's files is named."""
    if bag.is_file() and not (bag.parent / "metadata.yaml").exists():
        return bag.with_suffix(".csv")
    folder = bag.parent if bag.is_file() else bag
    return folder.parent / f"{folder.name}.csv"


def read_truth(path: Path) -> dict[int, list[float]]:
    """Stamp (ns) -> `x, y, w, h`, of a file with the header `stamp,x,y,w,h`. Raises ValueError for another one."""
    rows = list(csv.DictReader(text_of(path).splitlines()))
    try:
        return {int(row["stamp"]): [float(row[field]) for field in "xywh"] for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the columns stamp,x,y,w,h (stamp: whole nanoseconds)") from error


def stamps_of_no_image(path: Path, unknown: Set[int], count: int) -> str:
    """What is said of a truth of `count` boxes that has `unknown` stamps; empty where a few images were lost."""
    if 10 * len(unknown) <= count:
        return ""
    return f"{path}: {len(unknown)} of its {count} stamps are of no image and count for nothing, as {min(unknown)}"


def write_truth(path: Path, stamps: Iterable[int | None], boxes: np.ndarray) -> None:
    """Write the truth of a bag, which `read_truth` reads; frames without a stamp are left out."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["stamp", "x", "y", "w", "h"])
        for stamp, box in zip(stamps, boxes, strict=True):
            if stamp is not None:
                table.writerow([stamp, *(f"{value:.2f}" for value in box)])


def _choose_topics(
    reader: AnyReader, path: Path, rgb: str | None, thermal: str | None, modality: str
) -> tuple[str | None, str | None]:
    """Topics of the colour and the thermal images; None for a modality that is absent or not wanted."""
    images = {known.topic: known.msgtype for known in reader.connections if known.msgtype in (RAW, COMPRESSED)}
    listing = ", ".join(f"{topic} ({kind.rsplit('/', 1)[1]})" for topic, kind in sorted(images.items())) or "none"
    remedy = f"name them as '{path}?rgb=/TOPIC&thermal=/TOPIC'"
    for topic in (rgb, thermal):
        if topic and topic not in images:
            raise ValueError(f"{path} has no image topic {topic}; its image topics: {listing}")
    if rgb is None and thermal is None:
        raw = {topic for topic, kind in images.items() if kind == RAW}
        # A compressed copy of a raw topic holds nothing new.
        found = sorted(t for t in images if t in raw or t.rsplit("/", 1)[0] not in raw)
        warm = [topic for topic in found if _THERMAL_NAME.search(topic)]
        if len(found) == 2 and len(warm) != 1:
            warm = [topic for topic in found if _is_grey(reader, topic)]
        cold = [topic for topic in found if topic not in warm]
        if not found or len(warm) > 1 or len(cold) > 1:
            raise ValueError(
                f"it is not clear which topics of {path} are colour and thermal; {remedy}; it has: {listing}"
            )
        rgb, thermal = next(iter(cold), None), next(iter(warm), None)
    rgb, thermal = None if modality == "thermal" else rgb, None if modality == "rgb" else thermal
    if rgb is None and thermal is None:
        raise ValueError(f"{path} has no {modality} images; {remedy}; it has: {listing}")
    return rgb, thermal


def _is_grey(reader: AnyReader, topic: str) -> bool:
    """Whether the first image of a topic has one channel."""
    connections = [known for known in reader.connections if known.topic == topic]
    for connection, _, raw in reader.messages(connections=connections):
        message = reader.deserialize(raw, connection.msgtype)
        return decode(message, thermal=True).data.ndim == 2
    return False


def write_bag(
    sequence: FrameSequence,
    path: Path,
    rgb: str = "/camera/rgb/image",
    thermal: str = "/camera/thermal/image",
    frames: Iterator[FramePair] | None = None,
) -> None:
    """Write a sequence's images to a new MCAP bag folder `path`, and its truth beside it (`truth_file`).

    Images are recorded in the order of their stamps. `frames` are the sequence's pairs, possibly watched by a progress
    bar. Raises ValueError if the bag exists.
    """
    path = Path(path)
    if path.exists():
        raise ValueError(f"{path} exists: name a new bag")
    types = get_typestore(Stores.LATEST)
    stamps = []
    with replacing(path) as temporary, Writer(temporary, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = [writer.add_connection(topic, RAW, typestore=types) for topic in (rgb, thermal)]
        for pair in sequence.frames() if frames is None else frames:
            stamps.append(None if pair.rgb is None else pair.stamp)
            sides = ((pair.stamp, pair.rgb, "rgb", 0), (pair.thermal_stamp, pair.thermal, "thermal", 1))
            shown = [(s, image, frame, side) for s, image, frame, side in sides if image is not None and s is not None]
            for stamp, image, frame, side in sorted(shown, key=lambda image: image[0]):
                message = image_message(types, image, stamp, f"{frame}_optical_frame")
                writer.write(topics[side], stamp, types.serialize_cdr(message, RAW))
    if sequence.boxes is not None:
        write_truth(truth_file(path), stamps, sequence.boxes)
