"""People in real, registered colour and thermal video: the annotated part of M3SVD.

    ROOT/VIDEO_visible.mp4, VIDEO_infrared.mp4      the same frames in both
    ROOT/boxes/VIDEO_TARGET.csv                     `frame,x,y,w,h` of one person, frames from 1, `nan` where hidden

Several people of a video are annotated, each a sequence of its own; to each of them the others are look-alikes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import visible_or_nan
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.video import VideoSequence
from ckd_ros.files import is_stray
from ckd_ros.frames import FramePair


class M3svdSequence(FrameSequence):
    """One person of a video, from the first annotated frame to the last.

    Args:
        video: the whole video.
        tracks: frame number (from 0) -> `(4,)` box of each annotated person, by name.
        name: of the person to follow.
    """

    def __init__(self, video: VideoSequence, tracks: dict[str, dict[int, np.ndarray]], name: str) -> None:
        self.name, self.rate = name, video.rate
        self._video, self._first, last = video, min(tracks[name]), max(tracks[name])
        if last >= len(video):
            raise ValueError(f"{name} is annotated up to frame {last + 1}, but {video.name} has {len(video)} frames")
        frames = range(self._first, last + 1)
        boxes = {person: _rows(track, frames) for person, track in tracks.items()}
        self.boxes = boxes.pop(name)
        self.other_boxes = np.stack([*boxes.values()], axis=1) if boxes else None
        if np.isfinite(self.boxes[0]).all():
            self.init_box = self.boxes[0].copy()

    def __len__(self) -> int:
        return 0 if self.boxes is None else len(self.boxes)

    def frames(self) -> Iterator[FramePair]:
        return islice(self._video.frames(self._first), len(self))

    def pair(self, index: int) -> FramePair:
        self._check_index(index)
        return self._video.pair(self._first + index)


def open_m3svd(root: str | Path) -> list[M3svdSequence]:
    """All annotated people, by video and name.

    Raises FileNotFoundError without the folder of boxes, and ValueError for a file that cannot be used.
    """
    root = Path(root)
    files = sorted(file for file in (root / "boxes").glob("*_*.csv") if not is_stray(file.name))
    if not files:
        raise FileNotFoundError(f"there is no file {root / 'boxes' / 'VIDEO_TARGET.csv'} with frame,x,y,w,h lines")
    tracks: dict[str, dict[str, dict[int, np.ndarray]]] = defaultdict(dict)
    for file in files:
        tracks[file.stem.rpartition("_")[0]][file.stem] = _read_track(file)
    sequences = []
    for name, people in tracks.items():
        video = VideoSequence(root / f"{name}_visible.mp4", root / f"{name}_infrared.mp4")
        sequences += [M3svdSequence(video, people, person) for person in people]
    return sequences


def _read_track(file: Path) -> dict[int, np.ndarray]:
    """Frame number, from 0, -> `(4,)` box, NaN where the person is hidden."""
    try:
        rows = np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{file}: expected the header frame,x,y,w,h and numbers in each line ({error})") from error
    if rows.shape[1:] != (5,) or not len(rows) or not (rows[:, 0] >= 1).all():
        raise ValueError(f"{file}: expected lines of five numbers frame,x,y,w,h, with frames from 1")
    return dict(zip((rows[:, 0].astype(int) - 1).tolist(), visible_or_nan(rows[:, 1:]), strict=True))


def _rows(track: dict[int, np.ndarray], frames: range) -> np.ndarray:
    return np.array([track.get(frame, np.full(4, np.nan)) for frame in frames])
