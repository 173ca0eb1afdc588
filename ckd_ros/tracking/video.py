"""Videos of a track: the overlay of every frame, in one file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from ckd_ros.files import replacing
from ckd_ros.frames import FramePair
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.overlay import draw_overlay, panel_size
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.tracker import TrackResult

#: Codecs that OpenCV's wheels can encode, by the file's suffix.
CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class AnnotatedVideo:
    """Writes overlays to a video that appears, whole, when the context ends without an error.

    Args:
        path: the file; its suffix, one of `CODECS`, chooses the format.
        rate: frames per second.
        registration: brings the thermal image into the view of the colour image.
        width: most pixels across of each of the two images.

    Raises ValueError for another suffix, and OSError if OpenCV cannot encode.
    """

    def __init__(self, path: Path, rate: float, registration: Registration, width: int = 640) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in CODECS:
            raise ValueError(f"video '{path}' must end with {' or '.join(CODECS)}")
        self._rate, self._registration, self._width = rate, registration, width
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None  # known in the context
        self._panel: Size | None = None  # these two are known from the first frame on
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> AnnotatedVideo:
        self._temporary = self._stack.enter_context(replacing(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        self._stack.__exit__(kind, error, trace)

    def add(
        self,
        pair: FramePair,
        result: TrackResult | None,
        truth: FloatArray | None = None,
        note: str = "",
        thermal_truth: FloatArray | None = None,
    ) -> None:
        """Append the overlay of one frame; see `draw_overlay`."""
        if self._panel is None:
            self._panel = panel_size(pair, self._width)
        frame = draw_overlay(pair, result, self._registration, self._panel, truth, note, thermal_truth)
        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]  # codecs want even sides
        if self._writer is None:
            self._writer = self._open(frame.shape[1], frame.shape[0])
        self._writer.write(np.ascontiguousarray(frame))

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        if self._temporary is None:
            raise RuntimeError("a video is written in its context: with AnnotatedVideo(...) as video")
        codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._temporary), codec, self._rate, (width, height))
        if not writer.isOpened():
            raise OSError(f"OpenCV cannot write '{self.path}': try another suffix ({', '.join(CODECS)})")
        return writer
