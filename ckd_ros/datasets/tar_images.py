"""Images that stay packed in a tar archive: whole ones with labelled boxes, and objects with exact masks."""

from __future__ import annotations

import csv
import io
import os
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.boxes import visible_or_nan
from ckd_ros.datasets.images import decode_image
from ckd_ros.datasets.splits import subset_of
from ckd_ros.files import is_stray


class TarImages:
    """The files of an uncompressed tar archive, read one by one where they lie; forked processes may share it.

    Raises FileNotFoundError if there is no such file, ValueError if it is no uncompressed tar archive.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with tarfile.open(self.path, "r:") as archive:
                members = [member for member in archive if member.isfile()]
        except tarfile.ReadError as error:
            raise ValueError(f"'{path}' is not an uncompressed tar archive: {error}") from error
        places = {member.name.removeprefix("./"): (member.offset_data, member.size) for member in members}
        self._places = {name: place for name, place in places.items() if not any(map(is_stray, name.split("/")))}

    def stems(self, folder: str) -> dict[str, str]:
        """The files of a folder: stem -> name in the archive, sorted."""
        names = (name for name in self._places if name.startswith(f"{folder}/"))
        return {Path(name).stem: name for name in sorted(names)}

    def __iter__(self) -> Iterator[str]:
        """The names of all files."""
        return iter(self._places)

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError for a name that is not in the archive."""
        if name not in self._places:
            raise FileNotFoundError(f"no '{name}' in '{self.path}'")
        offset, size = self._places[name]
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), size, offset)

    def image(self, name: str, flags: int) -> np.ndarray:
        """A decoded image as OpenCV's `flags` ask for it. Raises ValueError for one that is damaged."""
        try:
            return decode_image(self.read(name), f"'{name}' in '{self.path}'", flags)
        except ValueError as error:
            raise ValueError(f"{error}; replace the archive") from error


class LabelledImages:
    """Thermal images `tir/NAME.jpg` with boxes of what they show, `boxes.csv` (name, class, x, y, w, h in pixels).

    Attributes:
        objects: `(image, row)` of every labelled object.

    Args:
        path: the tar file.
        subset: `all`, `train` or `held_out` of the images (see `splits.held_out`).

    Raises:
        FileNotFoundError: if there is no such archive, no `boxes.csv`, or no labelled image of the subset.
        ValueError: for an unknown subset, a file that is no tar archive, or labels that are none.
    """

    def __init__(self, path: str | Path, subset: str = "all") -> None:
        self._images = TarImages(path)
        files = self._images.stems("tir")
        wanted = set(subset_of(files, subset))
        rows: dict[str, list[tuple[str, np.ndarray]]] = {}
        text = io.StringIO(self._images.read("boxes.csv").decode("utf-8-sig"))
        for number, row in enumerate(csv.DictReader(text), start=2):
            try:
                name, box = Path(row["name"]).stem, np.array([float(row[key]) for key in "xywh"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"boxes.csv in '{path}', line {number}: expected name,class,x,y,w,h") from error
            if name in wanted and np.isfinite(visible_or_nan(box[None])).all():
                rows.setdefault(name, []).append((row["class"], box))
        if not rows:
            raise FileNotFoundError(f"no {subset} image tir/NAME.jpg with a box in '{path}'")
        self._files = {name: files[name] for name in rows}
        self._classes = {name: np.array([kind for kind, _ in labels]) for name, labels in rows.items()}
        self._boxes = {name: np.stack([box for _, box in labels]) for name, labels in rows.items()}
        self.objects = [(name, row) for name in sorted(rows) for row in range(len(rows[name]))]
        self._read = lru_cache(maxsize=None)(self._images.image)

    def image(self, name: str) -> np.ndarray:
        """`H x W` uint8; kept once decoded. Raises ValueError for a damaged image."""
        return self._read(self._files[name], cv2.IMREAD_GRAYSCALE)

    def boxes(self, name: str) -> np.ndarray:
        """`N x 4` boxes of an image."""
        return self._boxes[name]

    def same_class(self, name: str, row: int) -> np.ndarray:
        """Rows of the other objects of that object's class in its image."""
        same = self._classes[name] == self._classes[name][row]
        same[row] = False
        return np.flatnonzero(same)


class MaskedImages:
    """Colour images `rgb/NAME.*` with exact masks of their objects, `mask/NAME.png`.

    Attributes:
        names: sorted.

    Args and errors: as of `LabelledImages`.
    """

    def __init__(self, path: str | Path, subset: str = "all") -> None:
        self._images = TarImages(path)
        self._rgb, self._masks = self._images.stems("rgb"), self._images.stems("mask")
        self.names = subset_of(self._rgb.keys() & self._masks.keys(), subset)
        if not self.names:
            raise FileNotFoundError(f"no {subset} image of the same name in rgb/ and mask/ of '{path}'")

    def cutout(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Colour `H x W x 3` (RGB) and alpha `H x W`, uint8, of the largest object, cut tightly around it.

        Raises ValueError for a damaged image or an empty mask.
        """
        rgb = to_rgb(self._images.image(self._rgb[name], cv2.IMREAD_COLOR), "bgr8")
        mask = (self._images.image(self._masks[name], cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        if len(stats) < 2 or mask.shape != rgb.shape[:2]:
            raise ValueError(f"mask '{name}' in '{self._images.path}' is empty or not of its image's size")
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        x, y, w, h = stats[largest, :4].tolist()
        region = np.s_[y : y + h, x : x + w]
        return rgb[region].copy(), np.where(labels[region] == largest, np.uint8(255), np.uint8(0))
