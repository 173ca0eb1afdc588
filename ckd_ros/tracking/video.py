"""Videos of a track: the overlay of every frame, in one file. Needs PyAV, which is imported when one is written."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Pixels
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.overlay import Panels, draw_overlay, panel_size
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.tracker import TrackResult


class Codec(NamedTuple):
    """A codec by PyAV's name, how it stores pixels, and what it and the container are told."""

    name: str
    pixels: str
    options: dict[str, str]
    container: dict[str, str]


_H264 = Codec("libx264", "yuv420p", {"preset": "veryfast", "crf": "20"}, {})

#: By the file's suffix. H.264 of these pixels plays in browsers and on phones, whose players want the index first.
CODECS = {
    ".mp4": _H264._replace(container={"movflags": "faststart"}),
    ".mkv": _H264,
    ".avi": Codec("mjpeg", "yuvj420p", {"qmin": "2", "qmax": "4"}, {}),
}


class AnnotatedVideo:
    """Writes overlays to a video that appears, whole, when the context ends without an error.

    Args:
        path: the file; its suffix, one of `CODECS`, chooses the format.
        rate: frames per second.
        registration: brings the thermal image into the view of the colour image.
        width: most pixels across of each image.
        modality: whose images there are: both, rgb or thermal.

    Raises ValueError for another suffix, ModuleNotFoundError without PyAV, and OSError if the file cannot be written.
    """

    def __init__(
        self, path: Path, rate: float, registration: Registration, width: int = 640, modality: str = "both"
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in CODECS:
            raise ValueError(f"video '{path}' must end with {' or '.join(CODECS)}")
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise ModuleNotFoundError("a video is written with the package av (PyAV): pip install av") from error
        self._rate, self._registration, self._width, self._modality = rate, registration, width, modality
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None  # known in the context
        self._panels: Panels | None = None  # these two are known from the first frame on
        self._writer: _Writer | None = None

    def __enter__(self) -> AnnotatedVideo:
        self._temporary = self._stack.enter_context(replacing(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except OSError as failure:
            raise self._named(failure) from failure

    def add(
        self,
        pair: FramePair,
        result: TrackResult | None,
        truth: FloatArray | None = None,
        note: str = "",
        thermal_truth: FloatArray | None = None,
    ) -> None:
        """Append the overlay of one frame; see `draw_overlay`."""
        if self._panels is None:
            self._panels = Panels(*panel_size(pair, self._width), self._modality)
        frame = draw_overlay(pair, result, self._registration, self._panels, truth, note, thermal_truth)
        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]  # four pixels share their colour
        try:
            if self._writer is None:
                self._writer = self._open(frame.shape[1], frame.shape[0])
            self._writer.write(np.ascontiguousarray(frame))
        except OSError as failure:
            raise self._named(failure) from failure

    def _open(self, width: int, height: int) -> _Writer:
        if self._temporary is None:
            raise RuntimeError("a video is written in its context: with AnnotatedVideo(...) as video")
        codec = CODECS[self.path.suffix.lower()]
        return self._stack.enter_context(_Writer(self._temporary, codec, self._rate, (width, height)))

    def _named(self, failure: OSError) -> OSError:
        """The error of a full disk, or whatever it is, with the name of the file in place of the temporary one's."""
        return OSError(failure.errno, failure.strerror or str(failure), str(self.path))


class _Writer:
    """Encodes frames of one size into a file, which is finished when the context ends without an error."""

    def __init__(self, path: Path, codec: Codec, rate: float, size: Size) -> None:
        import av

        self._make = av.VideoFrame.from_ndarray
        self._container = av.open(str(path), "w", options=codec.container)
        exact = Fraction(rate).limit_denominator(1001)  # 30000/1001 and its like too
        try:
            stream: Any = self._container.add_stream(codec.name, rate=exact, options=codec.options)
        except ValueError as error:
            self._container.close()
            raise OSError(f"PyAV has no codec {codec.name} here: pip install av brings one that has") from error
        (stream.width, stream.height), stream.pix_fmt = size, codec.pixels
        self._stream = stream

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))  # what the codec holds back
        finally:
            self._container.close()

    def write(self, frame: Pixels) -> None:
        """Append a bgr8 frame."""
        self._container.mux(self._stream.encode(self._make(frame, format="bgr24")))
