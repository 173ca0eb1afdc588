"""One RGB-T sequence as a folder of images, in the layout of any of the benchmarks.

| layout | colour | thermal | truth | boxes |
|---|---|---|---|---|
| LasHeR, RGBT234 | `visible/` | `infrared/` | `visible.txt`, `infrared.txt` | `x,y,w,h` |
| RGBT210 | `visible/` | `infrared/` | `init.txt`, one truth for both | `x,y,w,h` |
| GTOT | `v/` | `i/` | `groundTruth_v.txt`, `groundTruth_i.txt` | `x1 y1 x2 y2` |
| VTUAV | `rgb/` | `ir/` | `rgb.txt`, `ir.txt` | `x y w h`, every tenth frame |

In all of them `init.txt` holds the first box as `x,y,w,h` (or repeats the whole truth). `frames.csv`, written here and
unknown to the benchmarks, holds `stamp,thermal_stamp` (ns) per frame, empty for a lost image.

Without it images are paired in the natural order of their names: the numbers in LasHeR's differ between its cameras. By
their numbers they are paired, and lost ones are known, in VTUAV, and where both cameras have as many images, begin and
end with the same number, and the truth has a line for each. Else, where the cameras' gaps differ, a note says so.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ckd_ros.datasets.box_forms import difference
from ckd_ros.datasets.folder_truth import TruthFile
from ckd_ros.datasets.frame_numbers import first_difference, frame_numbers, step_of, without_copies
from ckd_ros.datasets.images import IMAGE_SUFFIXES, check_not_unread, list_images, read_image
from ckd_ros.datasets.pairing import median_period
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.files import text_of
from ckd_ros.frames import FramePair

DEFAULT_RATE = 30.0
INIT = "init.txt"
TIMES = "frames.csv"
_SPARSEST = 20  # frames for each image: beyond that, numbers in names do not count frames


@dataclass(frozen=True)
class Layout:
    """Where a benchmark keeps what, inside one sequence's folder.

    Attributes:
        images: folders of the colour and the thermal images.
        truth: files of the colour and the thermal truth; None for one truth of both, in `init.txt`.
        corners: boxes are `x1,y1,x2,y2`.
        stride: line `k` of the truth belongs to frame `k * stride`.
        numbered: the images of a moment have the same number in both folders, by which the truth counts too.
        shorter: a camera or a truth that has one image or line more than the other is cut, as RGBT234's toolkit does.
    """

    images: tuple[str, str]
    truth: tuple[str, str] | None
    corners: bool = False
    stride: int = 1
    numbered: bool = False
    shorter: bool = False


LASHER = Layout(("visible", "infrared"), ("visible.txt", "infrared.txt"))
RGBT210 = Layout(("visible", "infrared"), None)
GTOT = Layout(("v", "i"), ("groundTruth_v.txt", "groundTruth_i.txt"), corners=True)
VTUAV = Layout(("rgb", "ir"), ("rgb.txt", "ir.txt"), stride=10, numbered=True)
RGBT234 = replace(LASHER, shorter=True)
_TRUTHS = [name for layout in (LASHER, GTOT, VTUAV) for name in layout.truth or ()]


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
        self.inputs = tuple(self.folder / name for name in (*self.layout.images, *_TRUTHS, INIT, TIMES))
        self._files = tuple(self._list(name) if name in folders else [] for name in self.layout.images)
        for name, files in zip(self.layout.images, self._files, strict=True):
            if name in folders and not files:
                check_not_unread(self.folder / name)
        if not any(self._files):
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise ValueError(f"{self.folder} has no folder {' or '.join(folders)} with images ({suffixes})")
        self.modality = "both" if all(self._files) else "rgb" if self._files[0] else "thermal"
        self._cut: int | None = None
        truths = self._read_truths()
        # N x 2: which file shows each frame in colour and in thermal (-1: none does), and when (ns)
        self._index, self._stamps = self._timeline(rate, truths[0])
        count, seen = len(self._index), (self._index >= 0).any(axis=1)
        self.boxes, self.thermal_boxes = (
            None if truth is None else self._spread(truth, count)[seen] for truth in truths
        )
        if self.annotated is not None:
            self.annotated = self.annotated[seen]
        self._index, self._stamps = self._index[seen], self._stamps[seen]
        start = self._start if self.boxes is None else self.boxes
        if start is not None and len(start) and np.isfinite(start[0]).all():
            self.init_box = start[0].copy()

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

    def _list(self, name: str) -> list[str]:
        """The image files of a folder in order, without copies of others."""
        files, copies = without_copies(list_images(self.folder / name))
        if copies:
            self._note(f"{self.folder / name} holds {len(copies)} copies of other images ({copies[0]}): left out")
        return files

    def _note(self, text: str) -> None:
        self.notes = tuple(dict.fromkeys((*self.notes, text)))

    def _timeline(self, rate: float | None, truth: TruthFile | None) -> tuple[np.ndarray, np.ndarray]:
        if (self.folder / TIMES).exists():
            return self._timed_frames(self.folder / TIMES, rate)
        self.rate = rate or DEFAULT_RATE
        places = self._counted(None if truth is None else len(truth.boxes)) or self._in_order()
        count = max(int(place[-1]) + 1 for place in places if len(place))
        if self._cut == count - 1:
            count = self._cut
        index = np.full((count, 2), -1, np.int32)
        for side, place in enumerate(places):
            place = place[place < count]
            index[place, side] = np.arange(len(place))
        stamps = np.round(np.arange(count) * (1e9 / self.rate)).astype(np.int64)
        return index, np.stack([stamps, stamps], axis=1)

    def _in_order(self) -> list[np.ndarray]:
        """The frame of each image, of each camera, where images are paired in their order."""
        names, (rgb, thermal) = self.layout.images, (len(files) for files in self._files)
        if rgb and thermal and rgb != thermal:
            if not (self.layout.shorter and abs(rgb - thermal) == 1):
                raise ValueError(f"{self.folder} has {rgb} images in {names[0]} and {thermal} in {names[1]}")
            self._note(f"{self.folder} has {rgb} images in {names[0]} and {thermal} in {names[1]}: cut to the shorter")
            rgb = thermal = min(rgb, thermal)
        return [np.arange(rgb), np.arange(thermal)]

    def _counted(self, lines: int | None) -> list[np.ndarray] | None:
        """The frame of each image, of each camera, by the numbers in names; None where these do not tell."""
        numbers = [frame_numbers(files) for files in self._files if files]
        known = [each for each in numbers if each is not None]
        if len(known) < len(numbers):
            return None
        first, last = min(int(each[0]) for each in known), max(int(each[-1]) for each in known)
        count = max(len(each) for each in known)
        if self.layout.numbered:
            base, step = self._first_number(first, last, lines), 1
            whole = all(len(each) == last - base + 1 for each in known)
            shared = len(known) == 1 or 2 * len(set(known[0]) & set(known[1])) >= count
            each_image = all(len(each) == lines for each in known)  # has a line of the truth
            by_number = shared and not whole and not each_image and last - base < _SPARSEST * count
        else:
            base, step = first, step_of(known[0])
            alike = all((each[0], each[-1], step_of(each), len(each)) == (first, last, step, count) for each in known)
            by_number = alike and (last - first) // step + 1 == lines != count
        if not by_number:
            self._compare_gaps(known)
            return None
        places = iter([(each - base) // step for each in known])
        frames = (last - base) // step + 1
        lost = frames - min(map(len, known))
        self._note(
            f"{self.folder} lacks up to {lost} of {frames} images of a camera: frames are counted by the numbers in "
            f"their names, from {base} on"
        )
        return [next(places) if files else np.zeros(0, int) for files in self._files]

    def _first_number(self, first: int, last: int, lines: int | None) -> int:
        """The number of the truth's first frame, where images begin with `first`: data sets count from 0 or 1."""
        stride = self.layout.stride
        return next((b for b in (0, 1) if b < first and first > 1 and -(-(last - b + 1) // stride) == lines), first)

    def _compare_gaps(self, numbers: list[np.ndarray]) -> None:
        place = first_difference(*numbers) if len(numbers) == 2 else None
        if place is not None:
            files = " and ".join(f"{n}/{f[place]}" for n, f in zip(self.layout.images, self._files, strict=True))
            self._note(
                f"{self.folder}: behind {files} the cameras lack different images: these are paired in their order, "
                f"and may be of different moments; {TIMES} can tell"
            )

    def _timed_frames(self, path: Path, rate: float | None) -> tuple[np.ndarray, np.ndarray]:
        counts, numbered, stamped = [0, 0], [], []
        try:
            for row in csv.DictReader(text_of(path).splitlines()):
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
        for name, files, used in zip(self.layout.images, self._files, counts, strict=True):
            if used < len(files):
                self._note(f"{path} names {used} of the {len(files)} images in {name}: the others are left out")
        main = np.where(index[:, 0] >= 0, stamps[:, 0], stamps[:, 1])[(index >= 0).any(axis=1)]
        recorded = 1e9 / (median_period(main) or 1e9 / DEFAULT_RATE)
        self.rate = rate or round(recorded, 3)
        return index, np.round(stamps * (recorded / self.rate)).astype(np.int64) if rate else stamps

    def _read_truths(self) -> tuple[TruthFile | None, TruthFile | None]:
        """The truth of the main image and the thermal one, as they stand in their files; sets `_start` and `_cut`."""
        paths = [self.folder / name for name in self.layout.truth or ()]
        rgb, thermal = [TruthFile.read(path, self.layout.corners) for path in paths] or (None, None)
        if self.layout.shorter and rgb and thermal and abs(len(rgb.boxes) - len(thermal.boxes)) == 1:
            counts = [len(rgb.boxes), len(thermal.boxes)]
            self._note(f"{rgb.path} has {counts[0]} boxes and {thermal.path.name} {counts[1]}: cut to the shorter")
            self._cut = min(counts)
            rgb, thermal = (replace(truth, boxes=truth.boxes[: self._cut]) for truth in (rgb, thermal))
        main, init = rgb if self._files[0] else thermal, TruthFile.read(self.folder / INIT)
        self._start = None if init is None else init.boxes
        # Some sequences repeat the whole truth there, others only say where to start.
        if main is None and init is not None and len(init.boxes) > 1:
            main = init
            if paths:
                missing = paths[0 if self._files[0] else 1]
                self._note(f"{missing} is missing: {init.path.name}, which has {len(init.boxes)} boxes, is used")
        elif main is rgb and main is not None and init is not None and len(main.boxes) and len(init.boxes):
            text = difference(main.boxes[0], [init.boxes[0]], f"that of {init.path.name},")
            if text:
                self._note(f"{main.path}: the first box {text}")
        return main, thermal

    def _spread(self, truth: TruthFile, count: int) -> np.ndarray:
        """A truth as one box for each of `count` frames, NaN rows between annotated frames."""
        boxes, notes = truth.spread(count, self.layout.stride, self.layout.shorter)
        for note in notes:
            self._note(note)
        if self.layout.stride > 1 and len(truth.boxes) != count:
            self.stride, self.annotated = self.layout.stride, np.arange(count) % self.layout.stride == 0
        return boxes
