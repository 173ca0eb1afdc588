"""RGB-T sequences as folders of images, in the form of the LasHeR benchmark.

In a sequence's folder lie

* `visible/*.jpg` and `infrared/*.jpg`: images, paired in the order of their names;
* `visible.txt` and `infrared.txt`: one `x,y,w,h` line per frame, in the pixels of each image;
* `init.txt`: the first box (the benchmark repeats the whole visible truth here);
* `frames.csv`: `stamp,thermal_stamp` (ns) per frame, empty for a lost image. Written here, unknown to the benchmark.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.datasets.boxes import fit_truth, read_boxes, write_boxes
from ckd_ros.datasets.pairing import period
from ckd_ros.datasets.sequence import Sequence
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}
DEFAULT_RATE = 30.0


def is_lasher(folder: Path) -> bool:
    return (folder / "visible").is_dir() or (folder / "infrared").is_dir()


def read_image(path: Path, thermal: bool) -> Image:
    """An image file as colour (bgr8) or thermal (mono8, mono16; bgr8 where the file's channels differ)."""
    data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED if thermal else cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path} is not an image that OpenCV reads: it may be empty or cut short")
    return thermal_image(data) if thermal else Image(data, "bgr8")


def thermal_image(data: np.ndarray) -> Image:
    """A decoded thermal image: one channel where it holds one (grey stored as colour), else bgr8."""
    if data.ndim == 3 and (data.shape[2] == 1 or (np.ptp(data[..., :3], axis=2) <= 2).all()):
        data = np.ascontiguousarray(data[..., 0])
    if data.ndim == 2:
        return Image(data, "mono16" if data.dtype == np.uint16 else "mono8")
    return Image(np.ascontiguousarray(data[..., :3]), "bgr8")


class LasherSequence(Sequence):
    """One sequence folder; see the module. Without `frames.csv` the frames are `rate` (default 30) per second.

    `modality` is "rgb", "thermal" or "both". With thermal images only, boxes are those of `infrared.txt`.
    `thermal_boxes` is the truth in thermal pixels, or None.
    Raises ValueError naming what was expected where.
    """

    def __init__(self, folder: Path, rate: float | None = None, modality: str = "both") -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        use_rgb, use_thermal = modality != "thermal", modality != "rgb"
        self._rgb = self._listed("visible") if use_rgb else None
        self._thermal = self._listed("infrared") if use_thermal else None
        if self._rgb is None and self._thermal is None:
            wanted = " or ".join(name for name, used in (("visible", use_rgb), ("infrared", use_thermal)) if used)
            raise ValueError(f"{self.folder} has no folder {wanted} with images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        frames = self._read_frames(rate)
        truth = self._read_truth(len(frames))
        seen = np.array([rgb is not None or thermal is not None for rgb, thermal, _, _ in frames])
        self._frames = [frame for frame, kept in zip(frames, seen, strict=True) if kept]
        self.boxes, self.thermal_boxes = (boxes if boxes is None else boxes[seen] for boxes in truth)

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self) -> Iterator[FramePair]:
        for rgb, thermal, stamp, thermal_stamp in self._frames:
            yield FramePair(
                read_image(rgb, thermal=False) if rgb else None,
                read_image(thermal, thermal=True) if thermal else None,
                stamp,
                thermal_stamp,
            )

    def _listed(self, name: str) -> list[Path] | None:
        folder = self.folder / name
        found = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        return found or None

    def _read_frames(self, rate: float | None) -> list[tuple[Path | None, Path | None, int | None, int | None]]:
        """(RGB file, thermal file, stamp, thermal stamp) of every frame."""
        times = self.folder / "frames.csv"
        if times.exists():
            return self._timed_frames(times, rate)
        rgb, thermal = self._rgb or [], self._thermal or []
        if rgb and thermal and len(rgb) != len(thermal):
            raise ValueError(f"{self.folder} has {len(rgb)} images in visible and {len(thermal)} in infrared")
        self.rate = rate or DEFAULT_RATE
        stamps = [round(i * 1e9 / self.rate) for i in range(max(len(rgb), len(thermal)))]
        return [(a, b, t if a else None, t if b else None) for a, b, t in zip_longest(rgb, thermal, stamps)]

    def _timed_frames(self, path: Path, rate: float | None) -> list[tuple]:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        rgb, thermal = iter(self._rgb or []), iter(self._thermal or [])
        frames = []
        try:
            for row in rows:
                stamp = int(row["stamp"]) if row["stamp"] and self._rgb else None
                thermal_stamp = int(row["thermal_stamp"]) if row["thermal_stamp"] and self._thermal else None
                files = (None if stamp is None else next(rgb), None if thermal_stamp is None else next(thermal))
                frames.append((*files, stamp, thermal_stamp))
        except (KeyError, ValueError, StopIteration) as error:
            raise ValueError(
                f"{path}, line {len(frames) + 2}: expected 'stamp,thermal_stamp' in nanoseconds, each empty where the "
                f"image is lost, for {len(self._rgb or [])} visible and {len(self._thermal or [])} infrared images"
            ) from error
        if all(frame[0] is None and frame[1] is None for frame in frames):
            raise ValueError(f"{path} names no image")
        stamps = [frame[3] if frame[2] is None else frame[2] for frame in frames]
        recorded = 1e9 / (period(np.array([s for s in stamps if s is not None])) or 1e9 / DEFAULT_RATE)
        self.rate = rate or round(recorded, 3)
        stretch = recorded / self.rate if rate else 1.0
        return [(a, b, _scaled(s, stretch), _scaled(t, stretch)) for a, b, s, t in frames]

    def _read_truth(self, count: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Boxes of all `count` frames in the main image's and in thermal pixels; sets `init_box`."""
        visible, infrared, init = (self._boxes(f"{name}.txt") for name in ("visible", "infrared", "init"))
        boxes = visible if self._rgb else infrared
        if boxes is None and init is not None and len(init) > 1:
            boxes = init
        first = init if boxes is None else boxes
        if first is not None and len(first) and np.isfinite(first[0]).all():
            self.init_box = first[0].copy()
        return tuple(known if known is None else fit_truth(known, count, self.folder) for known in (boxes, infrared))

    def _boxes(self, name: str) -> np.ndarray | None:
        path = self.folder / name
        return read_boxes(path) if path.exists() else None


def _scaled(stamp: int | None, factor: float) -> int | None:
    return None if stamp is None else round(stamp * factor)


def write_lasher(sequence: Sequence, folder: Path, frames: Iterator[FramePair] | None = None) -> None:
    """Write a sequence in the form above, with `frames.csv`; the folder appears whole or not at all.

    `frames` are the sequence's pairs, possibly watched by a progress bar. Thermal 16-bit images become PNG, the others
    JPEG of quality 95. Raises ValueError if the folder exists and is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty: name a new folder")
    with replacing(folder) as temporary:
        (temporary / "visible").mkdir(parents=True)
        (temporary / "infrared").mkdir()
        rows = []
        for number, pair in enumerate(sequence.frames() if frames is None else frames, start=1):
            if pair.rgb is not None:
                _write_image(temporary / "visible" / f"{number:06d}", pair.rgb)
            if pair.thermal is not None:
                _write_image(temporary / "infrared" / f"{number:06d}", pair.thermal)
            rows.append([pair.stamp if pair.rgb else "", pair.thermal_stamp if pair.thermal else ""])
        with open(temporary / "frames.csv", "w", newline="") as file:
            csv.writer(file).writerows([("stamp", "thermal_stamp"), *rows])
        if sequence.boxes is not None:
            write_boxes(temporary / "visible.txt", sequence.boxes)
        if getattr(sequence, "thermal_boxes", None) is not None:
            write_boxes(temporary / "infrared.txt", sequence.thermal_boxes)
        if sequence.init_box is not None:
            write_boxes(temporary / "init.txt", sequence.init_box)


_TO_FILE = {"rgb8": cv2.COLOR_RGB2BGR, "rgba8": cv2.COLOR_RGBA2BGR, "bgra8": cv2.COLOR_BGRA2BGR}


def _write_image(stem: Path, image: Image) -> None:
    data = cv2.cvtColor(image.data, _TO_FILE[image.encoding]) if image.encoding in _TO_FILE else image.data
    suffix, options = (".png", []) if image.encoding == "mono16" else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not cv2.imwrite(str(stem.with_suffix(suffix)), data, options):
        raise OSError(f"could not write {stem.with_suffix(suffix)}")
