"""Sequences written in the form of the LasHeR benchmark, with stamps (`folder.py` says what lies where)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2

from ckd_ros.colour import as_opencv
from ckd_ros.datasets.boxes import write_boxes
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image


def write_lasher(sequence: FrameSequence, folder: Path, frames: Iterator[FramePair] | None = None) -> None:
    """Write a sequence as `visible/`, `infrared/`, their truth and `frames.csv`; the folder appears whole or never.

    `frames` are the sequence's pairs, possibly counted by a progress bar. Thermal 16-bit images become PNG, the others
    JPEG of quality 95. Raises ValueError if the folder exists and is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty: name a new folder")
    with replacing(folder) as temporary:
        temporary.mkdir()
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
        if sequence.thermal_boxes is not None:
            write_boxes(temporary / "infrared.txt", sequence.thermal_boxes)
        if sequence.init_box is not None:
            write_boxes(temporary / "init.txt", sequence.init_box)


def _write_image(stem: Path, image: Image) -> None:
    stem.parent.mkdir(exist_ok=True)  # of a camera without an image no folder is left
    suffix, options = (".png", []) if image.encoding == "mono16" else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not cv2.imwrite(str(stem.with_suffix(suffix)), as_opencv(image), options):
        raise OSError(f"could not write {stem.with_suffix(suffix)}")
