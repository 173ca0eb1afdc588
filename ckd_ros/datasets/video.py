"""One or two video files as a sequence, with truth from a `NAME.csv` beside the main one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.datasets.boxes import fit_truth, missing_rows, read_boxes
from ckd_ros.datasets.images import thermal_image
from ckd_ros.datasets.pairing import pair_nearest
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair, Image


class VideoSequence(FrameSequence):
    """A colour and a thermal video that start at the same moment; either may be None.

    Frames are paired by time, so the frame rates may differ; `rate` overrides that of the main video (colour, or
    thermal where it is alone). Boxes are read from the `NAME.csv` beside the main video, one row a frame.
    Raises ValueError for files that OpenCV does not read, and for truth that does not fit.
    """

    def __init__(self, rgb: Path | None, thermal: Path | None, rate: float | None = None) -> None:
        self._paths = (None if rgb is None else Path(rgb), None if thermal is None else Path(thermal))
        main = self._paths[0] or self._paths[1]
        if main is None:
            raise ValueError("a video sequence needs at least one video")
        self.modality = "thermal" if rgb is None else "rgb" if thermal is None else "both"
        self.name = main.stem
        videos = {side: probe(path) for side, path in enumerate(self._paths) if path is not None}
        side = min(videos)
        count, recorded = videos[side]
        self.rate = rate or recorded
        stamps = [_stamps(*videos[side]) if side in videos else np.zeros(0, np.int64) for side in (0, 1)]
        slop = 0.5e9 / min(known for _, known in videos.values())
        self._pairs = pair_nearest(stamps[0], stamps[1], slop)
        self._stamps = [np.round(known * (recorded / self.rate)).astype(np.int64) for known in stamps]
        truth = main.with_suffix(".csv")
        if truth.exists():
            boxes = read_boxes(truth)
            self.notes = missing_rows(boxes, count, truth)
            self._set_truth(fit_truth(boxes, count, truth), side)

    def __len__(self) -> int:
        return len(self._pairs)

    def frames(self) -> Iterator[FramePair]:
        streams: list[Iterator[np.ndarray]] = [iter(()) if path is None else _decoded(path) for path in self._paths]
        for pair in self._pairs:
            images = [None if index is None else next(stream) for index, stream in zip(pair, streams, strict=True)]
            yield self._assembled(pair, images)

    def pair(self, index: int) -> FramePair:
        """The pair of frame `index`; costs opening the files and decoding from the key frame before it."""
        self._check_index(index)
        pair = self._pairs[index]
        files = zip(pair, self._paths, strict=True)
        images = [None if number is None or path is None else _decoded_at(path, number) for number, path in files]
        return self._assembled(pair, images)

    def _assembled(self, pair: tuple[int | None, int | None], images: list[np.ndarray | None]) -> FramePair:
        stamps = [None if i is None else int(known[i]) for i, known in zip(pair, self._stamps, strict=True)]
        return FramePair(
            None if images[0] is None else Image(images[0], "bgr8"),
            None if images[1] is None else thermal_image(images[1]),
            *stamps,
        )

    def _set_truth(self, boxes: np.ndarray, side: int) -> None:
        indices = [pair[side] for pair in self._pairs]
        self.boxes = np.array([np.full(4, np.nan) if index is None else boxes[index] for index in indices])
        if np.isfinite(self.boxes[0]).all():
            self.init_box = self.boxes[0].copy()


def _stamps(count: int, rate: float) -> np.ndarray:
    """`(count,)` ns, from 0 on."""
    return np.round(np.arange(count) * 1e9 / rate).astype(np.int64)


def probe(path: Path) -> tuple[int, float]:
    """Number of frames and frames per second of a video. Raises ValueError if OpenCV reads no frame of it."""
    if not path.is_file():
        raise ValueError(f"there is no video {path}")
    capture = cv2.VideoCapture(str(path))
    count, rate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), float(capture.get(cv2.CAP_PROP_FPS))
    readable = capture.read()[0]
    capture.release()
    if not readable:
        raise ValueError(f"OpenCV reads no frame of {path}: it is empty, cut short, or not a video")
    if count <= 0 or not rate > 0:
        raise ValueError(f"{path} does not say how many frames it has: copy it into an .mp4 or .avi container")
    return count, rate


def _decoded(path: Path) -> Iterator[np.ndarray]:
    """Frames as bgr arrays. Raises ValueError if the file ends before the number of frames it announced."""
    capture = cv2.VideoCapture(str(path))
    try:
        number = 0
        while True:
            found, frame = capture.read()
            if not found:
                raise ValueError(f"{path} breaks off after {number} frames: the file is damaged or cut short")
            number += 1
            yield frame
    finally:
        capture.release()


def _decoded_at(path: Path, number: int) -> np.ndarray:
    """Frame `number` as a bgr array. Raises ValueError if the file has no such frame after all."""
    capture = cv2.VideoCapture(str(path))
    try:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        found, frame = capture.read()
    finally:
        capture.release()
    if not found:
        raise ValueError(f"frame {number} of {path} cannot be decoded: the file is damaged or cut short")
    return frame
