"""Live cameras: the newest image of each, and pairs of those that arrived nearest to one another. Needs PyAV."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.datasets.pairing import median_period
from ckd_ros.datasets.video_file import image_of
from ckd_ros.datasets.video_index import av, frames_of, make_converter
from ckd_ros.frames import FramePair, Image

#: Seconds without any image after which the cameras have stopped, and within which one must be opened.
SILENCE = 5.0
_PATIENCE = 2.0  # seconds that a thread may take to end; one that hangs in a driver ends with the process
_KEPT = 16  # newest images of a camera that are kept, and by whose arrival its rate is known
_USUAL = 1e9 / 30  # period of a camera, ns, as long as it is not known
_REACH = 60e6  # most ns between the arrivals of a pair
_ALONE = 1e9  # ns without any image of a camera, from the start on too, after which the other's are used alone
_DEVICES = Path("/dev")
#: Names of a colour and a thermal camera; of one that there is not: None.
Names = tuple[str | None, str | None]


def camera_names(source: str, modality: str = "both") -> Names | None:
    """The cameras that a source names: `0`, `/dev/video0`, `rtsp://...` and other addresses, or two (`0,2`: colour,
    then thermal; `,2`: thermal alone). None for a source of another kind.

    A single camera is a colour camera unless `modality` is thermal. Raises ValueError for one that is named twice, and
    for a modality that none of them has.

    >>> camera_names("0,2"), camera_names("rtsp://10.0.0.7/stream", "thermal"), camera_names("rgb.mp4,thermal.mp4")
    (('0', '2'), (None, 'rtsp://10.0.0.7/stream'), None)
    """
    names = [name.strip() for name in source.split(",")]
    if not any(names) or len(names) > 2 or not all(_is_camera(name) for name in names if name):
        return None
    if len(names) == 1:
        return (None, names[0]) if modality == "thermal" else (names[0], None)
    if _device(names[0]) == _device(names[1]):
        raise ValueError(f"'{source}' is the same camera twice: name the colour and the thermal one, or one alone")
    rgb, thermal = (name or None for name in names)
    chosen = (None if modality == "thermal" else rgb, None if modality == "rgb" else thermal)
    if not any(chosen):
        raise ValueError(f"'{source}' has no {modality} camera")
    return chosen


def _is_camera(name: str) -> bool:
    address = name.isdecimal() or name.startswith(str(_DEVICES / "video")) or re.match(r"\w+://", name)
    return bool(address) and not Path(name).is_file()


def _device(name: str) -> str:
    return str(_DEVICES / f"video{name}") if name.isdecimal() else name


def shown_name(name: str) -> str:
    """A camera's name for messages and files: an address without user and password.

    >>> shown_name("rtsp://operator:secret@10.0.0.7/stream")
    'rtsp://10.0.0.7/stream'
    """
    return re.sub(r"(?<=://)[^/]*@", "", name)


def open_camera(name: str) -> Any:
    """PyAV's container of a camera. Raises ValueError with the remedy where it cannot be opened."""
    place = _device(name)
    try:
        if "://" in place:
            options = {"fflags": "nobuffer"}  # what is not read yet is old
            if place.startswith("rtsp"):
                options["rtsp_transport"] = "tcp"
            return av.open(place, options=options, timeout=SILENCE)
        if not Path(place).exists():
            there = ", ".join(sorted(map(str, _DEVICES.glob("video*")))) or "no camera is connected"
            raise ValueError(f"there is no camera {place}: choose another one ({there})")
        if not os.access(place, os.R_OK | os.W_OK):
            raise ValueError(f"the camera {place} may not be read: add yourself to its group (`usermod -aG video`)")
        return av.open(place, format="v4l2")
    except (OSError, av.error.FFmpegError) as error:
        remedy = "is its address right, and is it reachable?" if "://" in place else "does another program use it?"
        raise ValueError(f"the camera {shown_name(place)} cannot be opened ({error.strerror}): {remedy}") from error


class _Camera:
    """A thread that reads a camera and keeps its newest images, by the times (ns) at which they arrived.

    `fault` says why it has stopped, and is empty as long as it runs. `news` is notified of both.
    """

    def __init__(self, name: str, thermal: bool, news: threading.Condition) -> None:
        self.name, self.fault = shown_name(name), ""
        self._thermal, self._news, self._stopped = thermal, news, False
        self._frames: deque[tuple[int, Any]] = deque(maxlen=_KEPT)
        self._convert = make_converter()
        self._container = open_camera(name)
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"the camera {self.name} sends no video")
        self._stream = self._container.streams.video[0]
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def arrivals(self) -> np.ndarray:
        """Of the images that are kept, the oldest first."""
        return np.array([arrival for arrival, _ in self._frames], np.int64)

    def frame(self, arrival: int) -> Any:
        """What arrived then, not converted yet."""
        return next(frame for known, frame in self._frames if known == arrival)

    def image(self, frame: Any) -> Image:
        return image_of(frame, self._convert, self._thermal)

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(_PATIENCE)

    def _read(self) -> None:
        fault = "has ended"
        try:
            for packet in self._container.demux(self._stream):
                for frame in frames_of(packet) or ():
                    with self._news:
                        self._frames.append((time.monotonic_ns(), frame))
                        self._news.notify()
                if self._stopped:
                    break
        except (OSError, av.error.FFmpegError) as error:
            fault = f"is lost ({error.strerror})"
        self._container.close()
        with self._news:
            self.fault = fault
            self._news.notify()


class LiveCameras:
    """One or two cameras as a source of pairs, while its context lasts; each has a thread that reads it.

    Attributes:
        name, rate, modality, inputs, notes: as those of a `FrameSequence`; `rate` is what the main camera says.
        fault: why no more pairs came, once `frames` has ended.

    Raises ValueError for a camera that cannot be opened.
    """

    inputs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, names: Names) -> None:
        self.name = "camera-" + "-".join(re.sub(r"\W+", "-", shown_name(name)).strip("-") for name in names if name)
        self.modality = "thermal" if names[0] is None else "rgb" if names[1] is None else "both"
        self.fault = ""
        self._news = threading.Condition()
        self._cameras: list[_Camera | None] = [None, None]
        self._first: FramePair | None = None
        try:
            for side, name in enumerate(names):
                if name is not None:
                    self._cameras[side] = _Camera(name, side == 1, self._news)
        except ValueError:
            self.__exit__()
            raise
        self._used = [time.monotonic_ns()] * 2  # arrivals of the newest images that were given
        self.rate = self._there[0].rate

    def __enter__(self) -> LiveCameras:
        return self

    def __exit__(self, *_: object) -> None:
        for camera in self._there:
            camera.stop()

    def pair(self, index: int) -> FramePair:
        """The pair with which `frames` will begin, `index` pairs having been passed over. Raises ValueError where none
        comes."""
        if self._first is None:
            self._first = next(islice(self.frames(), index, None), None)
        if self._first is None:
            raise ValueError(self.fault)
        return self._first

    def frames(self, start: int = 0) -> Iterator[FramePair]:
        """Pairs of the newest images, from number `start` on until the cameras stop, when `fault` says why. What comes
        while nobody asks is passed over."""
        if self._first is not None:
            yield self._first
            self._first, start = None, 0
        number = 0
        while (pair := self._wait()) is not None:
            if number >= start:
                yield pair
            number += 1

    @property
    def _there(self) -> list[_Camera]:
        return [camera for camera in self._cameras if camera is not None]

    def _wait(self) -> FramePair | None:
        """The next pair; None where no image comes any more."""
        begin = time.monotonic()
        with self._news:
            while True:
                rgb, thermal = (None if camera is None else camera.arrivals() for camera in self._cameras)
                chosen = choose(rgb, thermal, self._used, time.monotonic_ns())
                if chosen is not None:
                    break
                ended = [f"the camera {camera.name} {camera.fault}" for camera in self._there if camera.fault]
                if len(ended) == len(self._there) or time.monotonic() - begin > SILENCE:
                    names = " and ".join(camera.name for camera in self._there)
                    self.fault = "; ".join(ended) or f"no image has come from {names} for {SILENCE:g} s"
                    return None
                self._news.wait(0.005)
            frames: list[Any] = [None, None]
            for side, (camera, arrival) in enumerate(zip(self._cameras, chosen, strict=True)):
                if camera is not None and arrival is not None:
                    frames[side], self._used[side] = camera.frame(arrival), arrival
        # converted here, so that no camera waits for it
        both = zip(self._cameras, frames, strict=True)
        images = [camera.image(frame) if camera and frame else None for camera, frame in both]
        return FramePair(images[0], images[1], chosen[0], chosen[1])


def choose(
    rgb: np.ndarray | None, thermal: np.ndarray | None, used: Sequence[int], now: int
) -> tuple[int | None, int | None] | None:
    """The arrivals (ns) of the images that make the next pair; None: it is better to wait.

    The newest colour image, and of the thermal images the nearest, if that is no farther than half the period of the
    slower camera. A thermal image is waited for while it is due and would be nearer. Where one camera is silent, the
    images of the other are used alone.

    Args:
        rgb, thermal: arrivals of each camera's newest images, rising; None for a camera that there is not.
        used: arrivals up to which each camera's images have been used; before the first, when they were opened.
        now: the present.
    """
    new_rgb, new_thermal = (
        np.zeros(0, np.int64) if known is None else known[known > last]
        for known, last in zip((rgb, thermal), used, strict=True)
    )
    if not len(new_rgb):
        silent = rgb is None or now - used[0] > _ALONE
        return (None, int(new_thermal[-1])) if len(new_thermal) and silent else None
    newest = int(new_rgb[-1])
    if thermal is None or rgb is None or (not len(new_thermal) and now - used[1] > _ALONE):
        return newest, None
    if not len(thermal):
        return None
    period = median_period(thermal) or _USUAL
    reach = min(_REACH, max(period, median_period(rgb) or _USUAL) / 2)
    due = thermal[-1] + period  # when the next thermal image arrives
    overdue = now > due + period
    near = new_thermal[np.abs(new_thermal - newest) <= reach]
    if len(near):
        nearest = int(near[np.abs(near - newest).argmin()])
        settled = nearest >= newest or newest - nearest <= abs(due - newest) or overdue
        return (newest, nearest) if settled else None
    return None if abs(due - newest) <= reach and not overdue else (newest, None)
