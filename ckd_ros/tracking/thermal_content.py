"""Thermal images that hold more than the scene, or less of it than they could: telemetry, two images in one, coarse
counts. Each is tracked on, badly, without a sign of it; here it is named, with the remedy."""

from __future__ import annotations

import numpy as np

from ckd_ros.colour import to_grey
from ckd_ros.frames import Image, Pixels

#: Rows at an edge that may be telemetry.
_EDGE_ROWS = 8
#: Times as rough as rows of the scene, or as far from the next row, as telemetry is at least.
_ROUGHER = 8.0
#: Two images, one above the other: at least as high as this times the width.
_STACKED = 1.2
#: Rows before and after a place between which a jump is measured, and times a usual one that it is at least.
_JUMP_ROWS, _JUMP = 4, 3.0
#: Counts are coarse where a scene has so many levels (fewer are no scene, but a shutter), and this share of neighbours
#: have the same.
_FEW_LEVELS, _SAME_NEIGHBOURS = range(4, 41), 0.5
#: Columns that are looked at.
_COLUMNS = 256


def thermal_faults(image: Image, crop: tuple[int, int] = (0, 0)) -> dict[str, str]:
    """What is wrong with the content of a thermal image: kind (`rows`, `halves`, `levels`) -> message with the remedy.

    Args:
        image: the image, of which `crop` rows (above, below) were taken off already.
    """
    rows = np.ascontiguousarray(image.data[:, :_COLUMNS])
    grey: Pixels = to_grey(rows, image.encoding).astype(np.int32)
    faults = {}
    if image.height >= _STACKED * image.width and _jumps_in_the_middle(rows):
        half, last = image.height // 2, image.height - 1
        faults["halves"] = (
            f"the thermal image is two images, rows 0 to {half - 1} and rows {half} to {last} (a picture above raw "
            f"data?): keep one of them (thermal.crop of the node: {_crop(crop, 0, half)} keeps the upper one, "
            f"{_crop(crop, half, 0)} the lower one)"
        )
        return faults
    above, below = _telemetry_rows(grey), _telemetry_rows(grey[::-1])
    if above or below:
        where = " and ".join(f"the {end} {n} row(s)" for end, n in (("first", above), ("last", below)) if n)
        faults["rows"] = (
            f"{where} of the thermal image are no picture (telemetry?) and spoil the range of its grey values: take "
            f"them off (thermal.crop of the node: {_crop(crop, above, below)})"
        )
    elif image.encoding == "mono16" and (levels := _coarse_levels(grey)):
        faults["levels"] = (
            f"the thermal scene has only {levels} different counts, as of whole degrees: use finer ones (raw counts, "
            "hundredths of a degree); where there are none, set thermal.min_span to about as much"
        )
    return faults


def cropped(image: Image, crop: tuple[int, int]) -> Image:
    """An image without its first and last rows, a view. Raises ValueError where nothing would be left."""
    above, below = crop
    if above + below >= image.height:
        raise ValueError(
            f"thermal.crop is {[above, below]}, but the image has only {image.height} rows: make it smaller"
        )
    return Image(image.data[above : image.height - below], image.encoding) if above or below else image


def _crop(crop: tuple[int, int], above: int, below: int) -> str:
    return str([crop[0] + above, crop[1] + below])


def _telemetry_rows(grey: Pixels) -> int:
    """How many rows at the beginning are no picture: all before an abrupt step, if one of them is noise or all zero.

    Picture changes little from row to row; where it does, at a straight edge, its rows are still smooth. Telemetry
    stands out against the rows that follow it, since an image may be textured at one end only.
    """
    if grey.shape[0] < 4 * _EDGE_ROWS or grey.shape[1] < 2:
        return 0
    edge = grey[: 4 * _EDGE_ROWS]
    steps, rough = np.abs(np.diff(edge, axis=0)).mean(axis=1), np.abs(np.diff(edge, axis=1)).mean(axis=1)
    blank = (edge == 0).all(axis=1)
    found = 0
    for n in range(1, _EDGE_ROWS + 1):
        following = slice(n, n + 2 * _EDGE_ROWS)
        strange = (rough[:n] > _ROUGHER * (np.median(rough[following]) + 1.0)) | blank[:n]
        if strange.any() and steps[n - 1] > _ROUGHER * (np.median(steps[following]) + 1.0):
            found = n
    return found


def _jumps_in_the_middle(rows: Pixels) -> bool:
    """Whether the mean of the rows jumps in the very middle as nowhere else."""
    height, width = rows.shape[:2]
    if height % 2 or height < 8 * _JUMP_ROWS:
        return False
    means = rows.reshape(height, width, -1).mean(axis=1)
    total = np.concatenate([np.zeros((1, means.shape[1])), np.cumsum(means, axis=0)]) / _JUMP_ROWS
    sums = total[_JUMP_ROWS:] - total[:-_JUMP_ROWS]  # mean of the rows n ... n + 3
    jumps = np.abs(sums[_JUMP_ROWS:] - sums[:-_JUMP_ROWS]).max(axis=1)  # between rows n + 3 and n + 4
    middle = height // 2 - _JUMP_ROWS
    elsewhere = np.delete(jumps, slice(middle - _JUMP_ROWS, middle + _JUMP_ROWS + 1))
    return bool(jumps[middle] > 1.0 + _JUMP * np.percentile(elsewhere, 98) and jumps[middle] == jumps.max())


def _coarse_levels(grey: Pixels) -> int:
    """The number of levels of a scene with coarse counts; 0 where they are fine."""
    rows = grey[:: max(1, grey.shape[0] // 64)]
    low, high = np.percentile(rows, [1, 99])
    levels = np.unique(rows[(rows >= low) & (rows <= high)]).size
    same = float((np.diff(rows, axis=1) == 0).mean()) if rows.shape[1] > 1 else 0.0
    return levels if levels in _FEW_LEVELS and same > _SAME_NEIGHBOURS else 0
