"""The windows of a folder of videos as one file of compressed images, to be carried where the videos are too large."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from ckd_ros.files import replacing

#: Name of the file in the folder; where it lies, the videos are not needed.
PACK = "windows.npz"


def write_pack(path: Path, images: np.ndarray, boxes: np.ndarray, clips: np.ndarray, quality: int) -> None:
    """Write windows as a `VideoBank` holds them; `quality` of WebP, 1 to 100. Raises OSError where it cannot."""
    encoded = [cv2.imencode(".webp", _bgr(image), [cv2.IMWRITE_WEBP_QUALITY, quality])[1].ravel() for image in images]
    ends = np.cumsum([len(data) for data in encoded])
    with replacing(path) as temporary:
        np.savez(temporary, data=np.concatenate(encoded), ends=ends, boxes=boxes, clips=clips, thermal=images.ndim == 3)


def read_pack(path: Path, thermal: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, boxes and clips as they were, but for what the compression has changed.

    Raises ValueError for a file that is no such pack, or one of the other modality.
    """
    names = ("data", "ends", "boxes", "clips", "thermal")
    try:
        with np.load(path) as file:
            data, ends, boxes, clips, is_thermal = (file[name] for name in names)
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise ValueError(f"'{path}' is not a pack of windows ({error}): make it again") from error
    if bool(is_thermal) != thermal:
        kinds = ("colour", "thermal") if thermal else ("thermal", "colour")
        raise ValueError(f"'{path}' holds {kinds[0]} windows, expected were {kinds[1]} ones")
    flags = cv2.IMREAD_GRAYSCALE if thermal else cv2.IMREAD_COLOR
    images = []
    for number, one in enumerate(np.split(data, ends[:-1])):
        image = cv2.imdecode(one, flags)
        if image is None:
            raise ValueError(f"'{path}' is damaged, its window {number} cannot be decoded: make it again")
        images.append(_bgr(image))
    return np.stack(images), boxes, clips


def _bgr(image: np.ndarray) -> np.ndarray:
    """RGB to BGR or back; grey as it is."""
    return image if image.ndim == 2 else image[..., ::-1]
