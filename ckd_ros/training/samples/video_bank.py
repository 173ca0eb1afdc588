"""Windows around the target of single-modality videos, cut once and kept in memory-mapped arrays.

A folder of videos holds `NAME.mp4` and `NAME.csv` (header `x,y,w,h`, one row a frame in pixels, `nan` where the target
is not visible), or the windows themselves, packed (`window_pack`).
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ckd_ros.colour import gain_control, opencv_encoding, to_grey, to_rgb
from ckd_ros.datasets.boxes import read_boxes
from ckd_ros.datasets.splits import held_out
from ckd_ros.datasets.video_file import VideoFile
from ckd_ros.files import replacing
from ckd_ros.geometry import crop_window, index_matrix
from ckd_ros.training.samples.window_pack import PACK, read_pack

log = logging.getLogger(__name__)

WINDOW_FACTOR = 7.0
SIZE = 192
STRIDE = 4


class Windows(NamedTuple):
    """What a `VideoBank` holds, and what was wrong with the videos it was cut from, a line each."""

    images: np.ndarray
    boxes: np.ndarray
    clips: np.ndarray
    faults: Sequence[str] = ()


class VideoBank:
    """Every `STRIDE`-th visible target of a folder's training videos, with its surroundings.

    Each window spans `WINDOW_FACTOR` times the target's side, at `SIZE` x `SIZE` pixels (small targets are kept at
    their native scale, never enlarged more than twice).

    Attributes:
        images: `N x SIZE x SIZE x 3` uint8 RGB, or `N x SIZE x SIZE` for thermal.
        boxes: `N x 4` boxes in window pixels.
        clips: `N` index of the video each window comes from; windows of one video are consecutive, in time order.

    Raises:
        FileNotFoundError: if the folder holds no labelled video.
        ValueError: if no video can be read and shows its target; one that cannot is named in a warning at every start
            and left out.
            For a pack that cannot be read.
    """

    def __init__(self, folder: str | Path, thermal: bool, cache: str | Path):
        folder = Path(folder)
        pack = folder / PACK
        sources = [pack] if pack.is_file() else _training_videos(folder)
        recipe = repr([_state(file) for file in sources] + [WINDOW_FACTOR, SIZE, STRIDE, thermal])
        store = Path(cache) / f"videos-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        if not store.exists():
            log.info("windows of %s are put into %s", folder, store)
            _save(store, Windows(*read_pack(pack, thermal)) if sources == [pack] else _cut(sources, thermal))
        for fault in (store / "faults.txt").read_text().splitlines():
            log.warning("%s", fault)
        self.images = np.load(store / "images.npy", mmap_mode="r")
        self.boxes = np.load(store / "boxes.npy")
        self.clips = np.load(store / "clips.npy")
        starts = np.flatnonzero(np.diff(self.clips, prepend=-1))
        self.spans = list(zip(starts, np.append(starts[1:], len(self.clips)), strict=True))
        self.thermal = thermal


def _state(file: Path) -> tuple[str, int, int, str]:
    """What changes when a video or a pack does, or a video's labels, which may be corrected in place."""
    found, labels = file.stat(), file.with_suffix(".csv")
    label = hashlib.sha256(labels.read_bytes()).hexdigest() if labels.is_file() else ""
    return file.name, found.st_size, found.st_mtime_ns, label


def _training_videos(folder: Path) -> list[Path]:
    found = (file for file in folder.glob("*.mp4") if not file.name.startswith("."))
    videos = sorted(file for file in found if file.with_suffix(".csv").exists())
    kept_out = held_out(f.stem for f in videos)
    videos = [f for f in videos if f.stem not in kept_out]
    if not videos:
        raise FileNotFoundError(f"no labelled video (NAME.mp4 with NAME.csv) in '{folder}'")
    return videos


def _cut(videos: list[Path], thermal: bool) -> Windows:
    """The windows of videos."""
    images, boxes, clips = [], [], []
    faults: list[str] = []
    for clip, file in enumerate(videos):
        try:
            windows = list(_windows(file, thermal, faults))
        except ValueError as error:
            faults.append(f"left out: {error}")
            continue
        images += [image for image, _ in windows]
        boxes += [box for _, box in windows]
        clips += [clip] * len(windows)
    if not images:
        for fault in faults:
            log.warning("%s", fault)
        raise ValueError(
            f"none of the {len(videos)} videos in '{videos[0].parent}' can be read and shows its target: expected "
            f"NAME.mp4 with NAME.csv, a header x,y,w,h and one box a frame"
        )
    return Windows(np.stack(images), np.stack(boxes), np.array(clips), faults)


def _save(store: Path, windows: Windows) -> None:
    try:
        with replacing(store) as draft:
            draft.mkdir()
            np.save(draft / "images.npy", windows.images)
            np.save(draft / "boxes.npy", windows.boxes)
            np.save(draft / "clips.npy", windows.clips)
            (draft / "faults.txt").write_text("\n".join(windows.faults))
    except OSError as error:
        # Another process that cut the same windows was quicker: what it stored is the same.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _windows(file: Path, thermal: bool, faults: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows and boxes of one video; what is wrong with it is added to `faults`.

    Raises ValueError naming a file that cannot be read.
    """
    truth, video = read_boxes(file.with_suffix(".csv")), VideoFile(file, thermal)
    if len(truth) != len(video):
        faults.append(f"'{file}' has {len(video)} frames, its truth {len(truth)} lines: the rest is left out")
    with video.reader() as reader:
        for number in range(0, min(len(truth), len(video)), STRIDE):
            box = truth[number]
            if not (np.isfinite(box).all() and min(box[2:]) >= 3):
                continue
            try:
                frame = reader.read(number)
            except ValueError as error:
                faults.append(f"left out: {error}")
                continue
            window = crop_window(box, max(WINDOW_FACTOR, SIZE / 2 / np.sqrt(box[2] * box[3])))
            matrix = index_matrix(window.matrix(SIZE))[:2]
            flags = cv2.INTER_AREA if window.side > SIZE else cv2.INTER_LINEAR
            image = cv2.warpAffine(gain_control(frame), matrix, (SIZE, SIZE), flags=flags)
            encoding = opencv_encoding(image)
            yield to_grey(image, encoding) if thermal else to_rgb(image, encoding), window.to_fraction(box) * SIZE
