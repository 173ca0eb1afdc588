"""Image files of sequences: which ones a folder holds, in which order, and what is in them."""

from __future__ import annotations

import os
import re
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import gain_control, opencv_encoding, to_bgr, upper_bytes
from ckd_ros.datasets.frame_numbers import of_one_form
from ckd_ros.frames import Image
from ckd_ros.jpeg import SIGNATURE, JpegError, check_markers, is_whole_jpeg

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp"}
#: Grey stays grey and 16 bits stay 16; alpha is left out.
AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
#: Within what the channels of a grey pixel may differ, by bytes of each: lossy coding and its rounding.
_GREY_SPREAD = {1: 2, 2: 2 * 257}
#: What decoders take for the pixels of a JPEG that are missing.
_FILLED_IN = 128
_DIGITS = re.compile(r"(\d+)")


def list_images(folder: Path) -> list[str]:
    """Names of a folder's image files in natural order (`v999.jpg` before `v1000.jpg`); none where there is no folder.

    No file is opened. Hidden files (`._x.jpg`, which some systems leave in archives) are not counted.
    """
    if not folder.is_dir():
        return []
    suffixes = tuple(IMAGE_SUFFIXES)
    names = [name for name in os.listdir(folder) if name.lower().endswith(suffixes) and not name.startswith(".")]
    # Numbers of equal width sort as text, many times faster; a benchmark has more than a million images.
    return sorted(names, key=None if of_one_form(names) else natural_key)


def check_not_unread(folder: Path) -> None:
    """Raises ValueError for a folder that is there and holds no image that is read: it was meant to hold some."""
    if not folder.is_dir():
        return
    others = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    found = f"{len(others)} other files, such as {others[0]}: convert them" if others else "nothing: unpack it again"
    raise ValueError(
        f"{folder} has no images that are read ({', '.join(sorted(IMAGE_SUFFIXES))}); it holds {found}, or choose the "
        f"modality of the other camera"
    )


def natural_key(name: str) -> list:
    """A sorting key that compares the numbers in names as numbers."""
    return [int(part) if part.isdecimal() else part.lower() for part in _DIGITS.split(name)]


def read_image(path: Path, thermal: bool) -> Image:
    """An image file as colour (bgr8) or thermal (mono8, mono16; bgr8 where the file's channels differ).

    Both are turned upright as their EXIF data say. Raises ValueError that names a file which cannot be decoded, is cut
    short, or holds numbers that are not pixels of 8 or 16 bits.
    """
    data = decode_file(path)
    try:
        return thermal_image(data) if thermal else colour_image(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def decode_file(path: Path, flags: int = AS_STORED) -> np.ndarray:
    """The pixels of an image file, see `decode_image`. Raises OSError for a file that cannot be opened."""
    return decode_image(Path(path).read_bytes(), str(path), flags)


def decode_image(data: bytes, name: str, flags: int = AS_STORED) -> np.ndarray:
    """The pixels of a file's content as OpenCV's `flags` ask for them, by default of the file's own type and upright:
    `H x W`, or `H x W x 3` with blue first.

    Raises ValueError that begins with `name` for what cannot be decoded, and for an image of which a part is missing.
    """
    jpeg = data.startswith(SIGNATURE)
    try:
        if jpeg:
            check_markers(data)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except JpegError as error:
        raise ValueError(f"{name} is damaged: {error}") from error
    except cv2.error:  # some decoders raise, others return nothing
        pixels = None
    if pixels is None:
        raise ValueError(f"{name} is not an image that OpenCV reads: it may be empty or cut short")
    # The pixels of a JPEG that are missing are grey in one of its corners, however it was turned.
    corners = pixels[:: max(1, len(pixels) - 1), :: max(1, pixels.shape[1] - 1)].reshape(-1, pixels[0, 0].size)
    if jpeg and (corners == _FILLED_IN).all(axis=1).any() and not is_whole_jpeg(data):
        raise ValueError(f"{name} is damaged: its last rows are missing")
    return pixels


def colour_image(data: np.ndarray) -> Image:
    """Decoded pixels as bgr8: of 16-bit colours the upper 8 bits, 16-bit grey by gain control.

    Raises ValueError for numbers that are not pixels of 8 or 16 bits.
    """
    check_depth(data)
    if data.ndim == 2:
        data = gain_control(Image(data, opencv_encoding(data)))
    return Image(_eight_bits(to_bgr(data, "mono8") if data.ndim == 2 else data), "bgr8")


def thermal_image(data: np.ndarray) -> Image:
    """A decoded thermal image: one channel where it holds one (grey stored as colour), else bgr8.

    Raises ValueError for numbers that are not pixels of 8 or 16 bits.
    """
    check_depth(data)
    if data.ndim == 3:
        planes = cv2.split(data)
        apart = (cv2.norm(one, other, cv2.NORM_INF) for one, other in combinations(planes, 2))
        data = planes[0] if max(apart) <= _GREY_SPREAD[data.dtype.itemsize] else _eight_bits(data)
    return Image(data, opencv_encoding(data))


def check_depth(data: np.ndarray) -> None:
    """Raises ValueError, with the remedy, for numbers that are not pixels of 8 or 16 bits."""
    if data.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"its pixels are {data.dtype}: store them as whole numbers of 8 or 16 bits without sign, temperatures for "
            f"example as kelvins times 100 in a 16-bit PNG or TIFF"
        )


def _eight_bits(data: np.ndarray) -> np.ndarray:
    return data if data.dtype == np.uint8 else upper_bytes(data)
