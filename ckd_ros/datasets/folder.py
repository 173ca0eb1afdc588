"""One RGB-T sequence as a folder of images, in the layout of any of the benchmarks.

| layout | colour | thermal | truth | boxes |
|---|---|---|---|---|
| LasHeR, RGBT234 | `visible/` | `infrared/` | `visible.txt`, `infrared.txt` | `x,y,w,h` |
| RGBT210 | `visible/` | `infrared/` | `init.txt`, one truth for both | `x,y,w,h` |
| GTOT | `v/` | `i/` | `groundTruth_v.txt`, `groundTruth_i.txt` | `x1 y1 x2 y2` |
| VTUAV | `rgb/` | `ir/` | `rgb.txt`, `ir.txt` | `x y w h`, every tenth frame |

In all of them `init.txt` holds the first box as `x,y,w,h` (or repeats the whole truth), and images are paired in the
natural order of their names. `frames.csv`, written here and unknown to the benchmarks, holds `stamp,thermal_stamp` (ns)
per frame, empty for a lost image.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import fit_truth, read_boxes
from ckd_ros.datasets.images import IMAGE_SUFFIXES, check_not_unread, list_images, read_image
from ckd_ros.datasets.pairing import median_period
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair

DEFAULT_RATE = 30.0
INIT = "init.txt"


@dataclass(frozen=True)
class Layout:
    """Where a benchmark keeps what, inside one sequence's folder.

    Attributes:
        images: folders of the colour and the thermal images.
        truth: files of the colour and the thermal truth; None for one truth of both, in `init.txt`.
        corners: boxes are `x1,y1,x2,y2`.
        stride: line `k` of the truth belongs to frame `k * stride`.
    """

    images: tuple[str, str]
    truth: tuple[str, str] | None
    corners: bool = False
    stride: int = 1


LASHER = Layout(("visible", "infrared"), ("visible.txt", "infrared.txt"))
RGBT210 = Layout(("visible", "infrared"), None)
GTOT = Layout(("v", "i"), ("groundTruth_v.txt", "groundTruth_i.txt"), corners=True)
VTUAV = Layout(("rgb", "ir"), ("rgb.txt", "ir.txt"), stride=10)


def layout_of(folder: Path) -> Layout | None:
    """The layout of a sequence's folder, by the names of the folders in it; None if it is not a sequence.

    RGBT210 is told from LasHeR by its missing `visible.txt`.
    """
    for layout in (LASHER, GTOT, VTUAV):
        # `rgb/` beside `tir/` is a folder of registered pairs.
        if any((folder / name).is_dir() for name in layout.images) and not (folder / "tir").is_dir():
            if layout is LASHER and not any((folder / name).exists() for name in layout.truth or ()):
                return RGBT210
            return layout
    return None


class FolderSequence(FrameSequence):
    """One sequence folder; see the module. Without `frames.csv` the frames are `rate` (default 30) per second.

    `modality` is "rgb", "thermal" or "both". With thermal images only, boxes are those of the thermal truth.
    `layout` is found by looking at the folder if it is not given.
    Raises ValueError naming what was expected where. No image is opened before it is asked for.
    """

    def __init__(
        self, folder: Path, rate: float | None = None, modality: str = "both", layout: Layout | None = None
    ) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self.layout = layout or layout_of(self.folder) or LASHER
        used = (modality != "thermal", modality != "rgb")
        folders = [name for name, wanted in zip(self.layout.images, used, strict=True) if wanted]
        self._files = tuple(list_images(self.folder / name) if name in folders else [] for name in self.layout.images)
        for name, files in zip(self.layout.images, self._files, strict=True):
            if name in folders and not files:
                check_not_unread(self.folder / name)
        if not any(self._files):
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise ValueError(f"{self.folder} has no folder {' or '.join(folders)} with images ({suffixes})")
        self.modality = "both" if all(self._files) else "rgb" if self._files[0] else "thermal"
        # N x 2: which file shows each frame in colour and in thermal (-1: none does), and when (ns)
        self._index, self._stamps = self._timeline(rate)
        truth = self._read_truth(len(self._index))
        seen = (self._index >= 0).any(axis=1)
        self._index, self._stamps = self._index[seen], self._stamps[seen]
        self.boxes, self.thermal_boxes = (boxes if boxes is None else boxes[seen] for boxes in truth)

    def __len__(self) -> int:
        return len(self._index)

    def frames(self) -> Iterator[FramePair]:
        return map(self.pair, range(len(self)))  # unlike a generator, it goes on after an image that cannot be read

    def pair(self, index: int) -> FramePair:
        rgb, thermal = self.files(index)
        stamp, thermal_stamp = (int(stamp) for stamp in self._stamps[index])
        return FramePair(
            None if rgb is None else read_image(rgb, thermal=False),
            None if thermal is None else read_image(thermal, thermal=True),
            None if rgb is None else stamp,
            None if thermal is None else thermal_stamp,
        )

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """The colour and the thermal image file of frame `index`; None where it has none."""
        self._check_index(index)
        return self._file(index, 0), self._file(index, 1)

    def _file(self, index: int, side: int) -> Path | None:
        number = self._index[index, side]
        return self.folder / self.layout.images[side] / self._files[side][number] if number >= 0 else None

    def _timeline(self, rate: float | None) -> tuple[np.ndarray, np.ndarray]:
        times = self.folder / "frames.csv"
        if times.exists():
            return self._timed_frames(times, rate)
        rgb, thermal = (len(files) for files in self._files)
        if rgb and thermal and rgb != thermal:
            names = self.layout.images
            raise ValueError(f"{self.folder} has {rgb} images in {names[0]} and {thermal} in {names[1]}")
        self.rate = rate or DEFAULT_RATE
        numbers = np.arange(max(rgb, thermal))
        index = np.stack([numbers if files else np.full(len(numbers), -1) for files in self._files], axis=1)
        stamps = np.round(numbers * (1e9 / self.rate)).astype(np.int64)
        return index.astype(np.int32), np.stack([stamps, stamps], axis=1)

    def _timed_frames(self, path: Path, rate: float | None) -> tuple[np.ndarray, np.ndarray]:
        counts, numbered, stamped = [0, 0], [], []
        try:
            for row in csv.DictReader(path.read_text(errors="replace").splitlines()):
                texts = [row["stamp"], row["thermal_stamp"]]
                shown = [bool(text and files) for text, files in zip(texts, self._files, strict=True)]
                stamped.append([int(text) if there else -1 for text, there in zip(texts, shown, strict=True)])
                numbers = [count if there else -1 for count, there in zip(counts, shown, strict=True)]
                if any(number >= len(files) for number, files in zip(numbers, self._files, strict=True)):
                    raise ValueError("more rows than images")
                numbered.append(numbers)
                counts = [count + there for count, there in zip(counts, shown, strict=True)]
        except (KeyError, ValueError, csv.Error) as error:
            names = self.layout.images
            raise ValueError(
                f"{path}, line {len(numbered) + 2}: expected 'stamp,thermal_stamp' in nanoseconds, each empty where "
                f"the image is lost, for {len(self._files[0])} {names[0]} and {len(self._files[1])} {names[1]} images"
            ) from error
        index, stamps = np.array(numbered, np.int32).reshape(-1, 2), np.array(stamped, np.int64).reshape(-1, 2)
        if not (index >= 0).any():
            raise ValueError(f"{path} does not name any image")
        main = np.where(index[:, 0] >= 0, stamps[:, 0], stamps[:, 1])[(index >= 0).any(axis=1)]
        recorded = 1e9 / (median_period(main) or 1e9 / DEFAULT_RATE)
        self.rate = rate or round(recorded, 3)
        return index, np.round(stamps * (recorded / self.rate)).astype(np.int64) if rate else stamps

    def _read_truth(self, count: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Boxes of all `count` frames in the main image's and in thermal pixels; sets `init_box`."""
        rgb, thermal = (self._frame_boxes(name, count) for name in self.layout.truth or (None, None))
        boxes = rgb if self._files[0] else thermal
        init = self.folder / INIT
        if boxes is None and init.exists():
            start = read_boxes(init)
            # Some sequences repeat the whole truth here, others only say where to start.
            boxes = fit_truth(start, count, init) if len(start) > 1 else None
        else:
            start = np.zeros((0, 4)) if boxes is None else boxes
        if len(start) and np.isfinite(start[0]).all():
            self.init_box = start[0].copy()
        return boxes, thermal

    def _frame_boxes(self, name: str | None, count: int) -> np.ndarray | None:
        """The truth file `name` as one box a frame, NaN rows between annotated frames; None where there is no file."""
        if name is None or not (self.folder / name).exists():
            return None
        path, stride = self.folder / name, self.layout.stride
        boxes = read_boxes(path, self.layout.corners)
        if stride == 1 or len(boxes) == count:
            return fit_truth(boxes, count, path)
        if len(boxes) > -(-count // stride):
            raise ValueError(
                f"{path} has {len(boxes)} boxes for {count} frames: expected one for every {stride}th frame "
                f"({-(-count // stride)}) or one for each"
            )
        spread = np.full((count, 4), np.nan)
        spread[: len(boxes) * stride : stride] = boxes
        return spread
