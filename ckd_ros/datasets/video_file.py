"""One video file: each of its frames by number, and when it was taken. Needs PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.datasets.images import colour_image, thermal_image
from ckd_ros.datasets.video_index import (
    VideoIndex,
    VideoReformatter,
    frames_of,
    make_converter,
    open_video,
    packets_of,
    read_index,
    seek,
)
from ckd_ros.frames import Image

log = logging.getLogger(__name__)

#: Seconds by which a container may always last longer than its frames: headers are rounded.
_END_MARGIN = 0.25


class VideoFile:
    """The frames of a video file, counted, at the times that its container gives them.

    Neither the frame count nor the frame rate of a header is believed: the packets are gone through once, undecoded.
    A file without usable times (a raw stream) is decoded once instead, and is given even times.

    Attributes:
        stamps: `(N,)` int64 ns of each frame, the first 0, rising.
        rate: mean frames per second.

    Raises ValueError for a file that is missing, is no video, or has no frame that can be decoded. What is odd but
    leaves frames to use (a header that announces more, an end cut off) is a warning of the log.
    """

    def __init__(self, path: Path, thermal: bool) -> None:
        self.path, self._thermal = Path(path), thermal
        if not self.path.is_file():
            raise ValueError(f"there is no video {path}")
        with open_video(self.path) as container:
            stream = container.streams.video[0]
            self._index = read_index(container, stream, str(path))
            guessed, unit = float(stream.guessed_rate or 25), float(stream.time_base or 0)
            # An mp4 counts what an edit list hides too, and a duration is of the longest stream, also of sound.
            counted = container.format.name == "avi" or self._index.count - 1 in self._index.cut
            announced = int(stream.frames) if counted else 0
            duration = (container.duration or 0) / 1e6 if len(container.streams) == 1 and not stream.frames else 0.0
        if self._index.pts is None:
            self.stamps = np.round(np.arange(self._index.count) * 1e9 / guessed).astype(np.int64)
            log.warning("%s has no usable time stamps: taken as %g frames per second", path, guessed)
        else:
            self.stamps = np.round((self._index.pts - self._index.pts[0]) * (unit * 1e9)).astype(np.int64)
        self.rate = _mean_rate(self.stamps, guessed)
        self._check_end(announced, duration)
        with self.reader() as reader:
            if not reader.can_decode():
                raise ValueError(f"no frame of {path} can be decoded: it is damaged, cut short, or of an unknown codec")

    def __len__(self) -> int:
        return len(self.stamps)

    def reader(self) -> VideoReader:
        """Opens the file; to be used as a context. Each reader has a position of its own."""
        return VideoReader(self.path, self._index, self._thermal)

    def _check_end(self, announced: int, duration: float) -> None:
        """Warn of a header that announces more frames, or where it counts none a longer time, than there is."""
        last, gap = self.stamps[-1] / 1e9, float(np.diff(self.stamps, prepend=0).max()) / 1e9
        wanted = f"{announced} frames" if announced else f"{duration:.1f} s"
        if announced > len(self) or (not announced and duration > last + max(2 * gap, _END_MARGIN)):
            log.warning(
                "%s is to hold %s and ends with frame number %d at %.1f s: its end was cut off, or its header is wrong",
                *(self.path, wanted, len(self) - 1, last),
            )


class VideoReader:
    """Reads frames of one file by number: in order without a jump, else from the key frame before.

    A frame that is damaged, or was made from one, raises ValueError; from the next key frame on they can be read again.
    """

    def __init__(self, path: Path, index: VideoIndex, thermal: bool) -> None:
        self._path, self._index, self._thermal = path, index, thermal
        self._convert = make_converter()
        # by group: of its damaged frames, the one that is decoded first
        self._damaged: dict[int, int] = {}
        for number in index.cut:
            self._note_damage(number)
        self._open()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def can_decode(self) -> bool:
        """Whether a frame is left from here on that can be decoded; goes on to it."""
        self._step()
        return self._at < self._index.count

    def read(self, number: int) -> Image:
        """Frame `number`, from 0. Raises ValueError naming the file where it cannot be decoded."""
        self._go_to(number)
        group, order = self._index.group(number), self._index.order
        damaged = self._damaged.get(group)
        if damaged is not None and order[damaged] <= order[number]:
            following = self._index.keys[group + 1 : group + 2]
            remedy = f"the next whole one is {following[0]}" if len(following) else "no whole one follows"
            made = "" if damaged == number else f" is made from frame {damaged}, which"
            raise ValueError(f"frame {number} of {self._path}{made} is damaged or cut short: {remedy}")
        try:
            return self._image()
        except ValueError as error:
            raise ValueError(f"frame {number} of {self._path}: {error}") from error

    def _open(self) -> None:
        self._container = open_video(self._path)
        self._stream = self._container.streams.video[0]
        if len(self._index.keys) == self._index.count:
            # Where no frame is made from another one, take none that is not whole.
            self._stream.codec_context.options = {"err_detect": "explode"}
        self._start(0)

    def _start(self, number: int) -> None:
        """Frames from `number` on are what is decoded next."""
        self._before, self._at = number - 1, number - 1  # number of the frame before the newest one, and of that one
        self._frame: Any = None
        self._frames = self._decoded(number)

    def _go_to(self, number: int) -> None:
        """Decode up to frame `number`, or to the first one after it where it does not come."""
        group = self._index.group(number)
        if number <= self._before or self._index.keys[group] > self._at + 1:
            self._seek(group)
        while self._at < number:
            self._step()

    def _seek(self, group: int) -> None:
        number, damaged = int(self._index.keys[group]), dict(self._damaged)
        if self._index.pts is not None and group > 0:
            # Some containers are searched by times of decoding, some by those of presentation, some stop too late.
            for target in (int(self._index.pts[number]), self._index.dts[group], self._index.dts[group - 1]):
                if target is None or not seek(self._container, self._stream, target):
                    continue
                self._start(number)
                self._step()
                if self._at == number:
                    return
                self._damaged = dict(damaged)  # what was jumped over is not damaged
        self._container.close()
        self._open()

    def _step(self) -> None:
        """Go on to the next frame that can be decoded; those left out on the way are damaged."""
        self._before = self._at
        self._at, self._frame = next(self._frames, (self._index.count, None))
        for number in range(self._before + 1, self._at):
            self._note_damage(number)

    def _note_damage(self, number: int) -> None:
        group = self._index.group(number)
        self._damaged[group] = min(number, self._damaged.get(group, number), key=self._index.order.__getitem__)

    def _decoded(self, first: int) -> Iterator[tuple[int, Any]]:
        """Numbers, rising, and frames from the file's position and `first` on, but for what cannot be decoded."""
        count = 0
        for packet in packets_of(self._container, self._stream):
            frames = frames_of(packet)
            for frame in frames or []:
                number = count if self._index.pts is None else self._index.number(frame.pts)
                count += 1
                if number is not None and number >= first and not frame.is_corrupt:
                    first = number + 1
                    yield number, frame
            damaged = self._index.number(packet.pts) if frames is None else None
            if damaged is not None and damaged >= first:
                self._note_damage(damaged)

    def _image(self) -> Image:
        return image_of(self._frame, self._convert, self._thermal)


def image_of(frame: Any, converter: VideoReformatter, thermal: bool) -> Image:
    """A decoded frame as an upright image of a colour or thermal camera; ValueError for pixels of other kinds."""
    kind, bits = frame.format, max(component.bits for component in frame.format.components)
    if bits > 16:
        raise ValueError(f"pixels of {kind.name} are not read: convert them to 8 or 16 bits (gray16le)")
    if len(kind.components) <= 2 and not kind.has_palette:
        target = "gray16le" if bits > 8 else "gray"
    else:
        target = "rgb48le" if bits > 8 and thermal else "bgr24"
    data: np.ndarray = converter.reformat(frame, format=target).to_ndarray()
    if target == "rgb48le":
        data = data[..., ::-1]
    if frame.rotation % 90 == 0:
        data = np.rot90(data, frame.rotation // 90)
    data = np.ascontiguousarray(data)
    return thermal_image(data) if thermal else colour_image(data)


def _mean_rate(stamps: np.ndarray, announced: float) -> float:
    """Frames per second; the announced one where it fits the stamps, which are rounded in some containers."""
    if len(stamps) < 2:
        return announced
    rate = (len(stamps) - 1) * 1e9 / float(stamps[-1])
    rounding = 2e6 / float(stamps[-1])
    return announced if abs(rate / announced - 1) <= rounding else round(rate, 3)
