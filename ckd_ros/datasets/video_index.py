"""Which frames a video file really holds, by its packets. Needs PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

try:
    import av
    from av.video.reformatter import VideoReformatter
except ImportError as error:
    raise ModuleNotFoundError("video files need the package av (PyAV): pip install av") from error

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoIndex:
    """What the packets of a file say.

    Attributes:
        pts: `(N,)` presentation times in the file's own units, rising; None where it has none that can be used.
        keys: `(K,)` numbers of the frames from which decoding can start, rising; the first is 0.
        dts: of these, the time of decoding where there is one.
        order: `(N,)` the place of each frame in the order in which they are decoded.
        cut: numbers of frames of which bytes are missing.
    """

    pts: np.ndarray | None
    keys: np.ndarray
    dts: list[int | None]
    order: np.ndarray
    cut: list[int]

    @property
    def count(self) -> int:
        return len(self.order)

    def group(self, number: int) -> int:
        """Which of the `keys` frame `number` is decoded from."""
        return int(np.searchsorted(self.keys, number, side="right")) - 1

    def number(self, pts: int | None) -> int | None:
        """The frame of that time; None where there is none."""
        if self.pts is None or pts is None:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < self.count and self.pts[number] == pts else None


def open_video(path: Path) -> av.container.InputContainer:
    """Raises ValueError for a file that is no video."""
    try:
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise ValueError(f"{path} is empty, cut short, or not a video: {error.strerror}") from error
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise ValueError(f"{path} holds no video stream that can be decoded")
    return container


def read_index(container: av.container.InputContainer, stream: av.VideoStream, name: str) -> VideoIndex:
    """Raises ValueError for a file without a frame."""
    packets: list[tuple[int | None, int | None, bool, bool]] = []
    started = False
    for packet in packets_of(container, stream):
        # Without the key frame before them frames at the start cannot be decoded: recordings of streams have some.
        started = started or packet.is_keyframe
        # What an edit list cuts off at the start is there to be decoded, not to be seen.
        if started and packet.size and not packet.is_discard:
            packets.append((packet.pts, packet.dts, packet.is_keyframe, packet.is_corrupt))
    if not packets:
        raise ValueError(f"{name} holds no frame: it is empty or cut short")
    pts = np.array([-1 if packet[0] is None else packet[0] for packet in packets], np.int64)
    if any(packet[0] is None for packet in packets) or len(np.unique(pts)) < len(pts):
        return VideoIndex(None, np.zeros(1, int), [None], np.arange(_decodable(name)), [])
    order = np.argsort(pts)
    is_key, is_cut = (np.array([packet[field] for packet in packets])[order] for field in (2, 3))
    keys = np.union1d(np.flatnonzero(is_key), [0])
    dts = [packets[order[key]][1] for key in keys]
    return VideoIndex(pts[order], keys, dts, order, np.flatnonzero(is_cut).tolist())


def _decodable(name: str) -> int:
    """Number of frames of a file, by decoding all of them."""
    with open_video(Path(name)) as container:
        decoded = [frames_of(packet) for packet in packets_of(container, container.streams.video[0])]
    damaged = decoded.count(None)
    if damaged:
        log.warning("%d frames of %s are damaged and left out: what follows them moves up", damaged, name)
    return sum(len(frames) for frames in decoded if frames)


def packets_of(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Packets up to where the file ends or cannot be read on: what is missing then is found by its time."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


def seek(container: av.container.InputContainer, stream: av.VideoStream, target: int) -> bool:
    """Go to a time in the stream's units; False where the container has no such place, or cannot be searched."""
    try:
        container.seek(target, stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def make_converter() -> VideoReformatter:
    """Converts the pixels of frames; one for all frames of a file spares its set-up."""
    return VideoReformatter()


def frames_of(packet: av.Packet) -> list[Any] | None:
    """Frames that are complete with a packet; None for a damaged one."""
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return None
