"""Image files of sequences: which ones a folder holds, in which order, and what is in them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import opencv_encoding
from ckd_ros.frames import Image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}
_DIGITS = re.compile(r"(\d+)")
_SAME_DIGIT = str.maketrans("123456789", "000000000")


def list_images(folder: Path) -> list[str]:
    """Names of a folder's image files in natural order (`v999.jpg` before `v1000.jpg`); none where there is no folder.

    No file is opened. Hidden files (`._x.jpg`, which some systems leave in archives) are not counted.
    """
    if not folder.is_dir():
        return []
    suffixes = tuple(IMAGE_SUFFIXES)
    names = [name for name in os.listdir(folder) if name.lower().endswith(suffixes) and not name.startswith(".")]
    # Numbers of equal width sort as text, many times faster; a benchmark has more than a million images.
    same_form = len({name.translate(_SAME_DIGIT) for name in names}) == 1
    return sorted(names, key=None if same_form else natural_key)


def natural_key(name: str) -> list:
    """A sorting key that compares the numbers in names as numbers."""
    return [int(part) if part.isdecimal() else part.lower() for part in _DIGITS.split(name)]


def read_image(path: Path, thermal: bool) -> Image:
    """An image file as colour (bgr8) or thermal (mono8, mono16; bgr8 where the file's channels differ).

    Raises ValueError that names a file which OpenCV cannot decode.
    """
    data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED if thermal else cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path} is not an image that OpenCV reads: it may be empty or cut short")
    return thermal_image(data) if thermal else Image(data, "bgr8")


def thermal_image(data: np.ndarray) -> Image:
    """A decoded thermal image: one channel where it holds one (grey stored as colour), else bgr8."""
    if data.ndim == 3 and (data.shape[2] == 1 or (np.ptp(data[..., :3], axis=2) <= 2).all()):
        data = np.ascontiguousarray(data[..., 0])
    if data.ndim == 3:
        data = np.ascontiguousarray(data[..., :3])
    return Image(data, opencv_encoding(data))
