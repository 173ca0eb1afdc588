"""A tar archive of tight, registered colour and thermal crops of people, cars and bicycles.

rgb/LIGHT_..._CLASS_IMAGE_NUMBER.jpg, tir/ the same       `day_train_person_02573_17`; LIGHT is day or night
"""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.splits import held_out

_MEMBER = re.compile(r"(?:.*/)?(rgb|tir)/((?:.+_)?([a-z]+)_\d+_\d+)\.\w+")


class CropArchive:
    """The pairs of an archive, read one by one where they lie: nothing is unpacked, and forked processes may share it.

    Attributes:
        names: class (`person`, `car`, ...) -> sorted names of its pairs.

    Args:
        path: the tar file, not compressed.
        subset: `all`, `train` or `held_out` (see `splits.held_out`).

    Raises:
        FileNotFoundError: if there is no such file, or no pair of the subset in it.
        ValueError: for an unknown subset, or a file that is no tar archive.
    """

    def __init__(self, path: str | Path, subset: str = "all") -> None:
        if subset not in ("all", "train", "held_out"):
            raise ValueError(f"subset '{subset}' is unknown: expected all, train or held_out")
        self.path = Path(path)
        self._places: dict[str, dict[str, tuple[int, int]]] = {"rgb": {}, "tir": {}}
        classes = {}
        for member in _members(self.path):
            match = _MEMBER.fullmatch(member.name)
            if match and member.isfile():
                modality, name, kind = match.groups()
                self._places[modality][name] = member.offset_data, member.size
                classes[name] = kind
        paired = self._places["rgb"].keys() & self._places["tir"].keys()
        kept_out = held_out(paired)
        wanted = {"all": paired, "train": paired - kept_out, "held_out": kept_out}[subset]
        self.names: dict[str, list[str]] = {}
        for name in sorted(wanted):
            self.names.setdefault(classes[name], []).append(name)
        if not self.names:
            raise FileNotFoundError(f"no {subset} pair rgb/NAME.jpg and tir/NAME.jpg in '{self.path}'")

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Colour `H x W x 3` (RGB) and thermal `H x W` of one pair, uint8, of one size.

        Raises KeyError for a name that is not in the archive and ValueError for a damaged image.
        """
        rgb = to_rgb(self._read("rgb", name, cv2.IMREAD_COLOR), "bgr8")
        thermal = self._read("tir", name, cv2.IMREAD_GRAYSCALE)
        if thermal.shape != rgb.shape[:2]:
            thermal = cv2.resize(thermal, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
        return rgb, thermal

    def _read(self, modality: str, name: str, flags: int) -> np.ndarray:
        offset, size = self._places[modality][name]
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), size, offset)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
        if image is None:
            raise ValueError(f"'{modality}/{name}' in '{self.path}' is not a readable image: replace the archive")
        return image


def _members(path: Path) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as archive:
            return archive.getmembers()
    except tarfile.ReadError as error:
        raise ValueError(f"'{path}' is not an uncompressed tar archive: {error}") from error
