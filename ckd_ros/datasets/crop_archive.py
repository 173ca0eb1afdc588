"""A tar archive of tight, registered colour and thermal crops of people, cars and bicycles.

rgb/LIGHT_..._CLASS_IMAGE_NUMBER.jpg, tir/ the same       `day_train_person_02573_17`; LIGHT is day or night
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.splits import subset_of
from ckd_ros.datasets.tar_images import TarImages

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
        self.path = Path(path)
        self._images = TarImages(path)
        self._files: dict[str, dict[str, str]] = {"rgb": {}, "tir": {}}
        classes = {}
        for file in self._images:
            if match := _MEMBER.fullmatch(file):
                modality, name, kind = match.groups()
                self._files[modality][name] = file
                classes[name] = kind
        self.names: dict[str, list[str]] = {}
        for name in subset_of(self._files["rgb"].keys() & self._files["tir"].keys(), subset):
            self.names.setdefault(classes[name], []).append(name)
        if not self.names:
            raise FileNotFoundError(f"no {subset} pair rgb/NAME.jpg and tir/NAME.jpg in '{self.path}'")

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Colour `H x W x 3` (RGB) and thermal `H x W` of one pair, uint8, of one size.

        Raises KeyError for a name that is not in the archive and ValueError for a damaged image.
        """
        rgb = to_rgb(self._images.image(self._files["rgb"][name], cv2.IMREAD_COLOR), "bgr8")
        thermal = self._images.image(self._files["tir"][name], cv2.IMREAD_GRAYSCALE)
        if thermal.shape != rgb.shape[:2]:
            thermal = cv2.resize(thermal, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
        return rgb, thermal
