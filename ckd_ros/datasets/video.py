"""One or two video files as a sequence, with truth from a `NAME.csv` beside the main one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import fit_truth, missing_rows, read_boxes
from ckd_ros.datasets.pairing import median_period, pair_nearest
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.video_file import VideoFile, VideoReader
from ckd_ros.frames import FramePair, Image


class VideoSequence(FrameSequence):
    """A colour and a thermal video that start at the same moment; either may be None.

    Frames are paired by the times of their containers, so that the frame rates may differ and vary; `rate` overrides
    the mean rate of the main video (colour, or thermal where it is alone). Boxes are read from the `NAME.csv` beside
    the main video, one row a frame. A frame that cannot be decoded raises ValueError where it is asked for.
    Raises ValueError for files that cannot be read, and for truth that does not fit.
    """

    def __init__(self, rgb: Path | None, thermal: Path | None, rate: float | None = None) -> None:
        self._videos = (
            None if rgb is None else VideoFile(Path(rgb), thermal=False),
            None if thermal is None else VideoFile(Path(thermal), thermal=True),
        )
        main = self._videos[0] or self._videos[1]
        if main is None:
            raise ValueError("a video sequence needs at least one video")
        self.modality = "thermal" if rgb is None else "rgb" if thermal is None else "both"
        self.name = main.path.stem
        self.rate = rate or main.rate
        stamps = [np.zeros(0, np.int64) if video is None else video.stamps for video in self._videos]
        periods = [median_period(video.stamps) or 1e9 / video.rate for video in self._videos if video is not None]
        self._pairs = pair_nearest(stamps[0], stamps[1], max(periods) / 2)
        self._stamps = [np.round(known * (main.rate / self.rate)).astype(np.int64) for known in stamps]
        truth = main.path.with_suffix(".csv")
        if truth.exists():
            boxes = read_boxes(truth)
            self.notes = missing_rows(boxes, len(main), truth)
            self._set_truth(fit_truth(boxes, len(main), truth), 0 if main is self._videos[0] else 1)

    def __len__(self) -> int:
        return len(self._pairs)

    def frames(self, first: int = 0) -> Iterator[FramePair]:
        """The pairs from frame `first` on; goes on after one that cannot be decoded."""
        readers = [None if video is None else video.reader() for video in self._videos]
        # unlike a generator, it goes on after an error; the files are closed with the readers
        return map(partial(self._read, readers), range(first, len(self)))

    def pair(self, index: int) -> FramePair:
        """The pair of frame `index`; costs opening the files and decoding from the key frame before it."""
        self._check_index(index)
        with ExitStack() as stack:
            return self._read([None if v is None else stack.enter_context(v.reader()) for v in self._videos], index)

    def _read(self, readers: Sequence[VideoReader | None], index: int) -> FramePair:
        images: list[Image | None] = [None, None]
        stamps: list[int | None] = [None, None]
        for side, (number, reader) in enumerate(zip(self._pairs[index], readers, strict=True)):
            if number is not None and reader is not None:
                images[side], stamps[side] = reader.read(number), int(self._stamps[side][number])
        return FramePair(images[0], images[1], stamps[0], stamps[1])

    def _set_truth(self, boxes: np.ndarray, side: int) -> None:
        indices = [pair[side] for pair in self._pairs]
        self.boxes = np.array([np.full(4, np.nan) if index is None else boxes[index] for index in indices])
        if np.isfinite(self.boxes[0]).all():
            self.init_box = self.boxes[0].copy()
