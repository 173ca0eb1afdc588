"""Box files: one line of numbers per frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ckd_ros.files import replacing

_BLANKS = str.maketrans(",;\t", "   ")


def read_boxes(path: Path, corners: bool = False) -> np.ndarray:
    """`N x 4` boxes `(x, y, w, h)` of a text file, one line a frame, separated by commas, blanks or tabs.

    Each line holds `x,y,w,h` (with `corners`: two opposite corners `x1,y1,x2,y2`), or the four corners of a polygon as
    eight numbers, which become the upright box around it. An `x,y,w,h` header is allowed.
    Rows with a `nan` or without area become NaN rows: not visible.
    Raises ValueError that names the file and the line for anything else.
    """
    rows = read_rows(path, "x1,y1,x2,y2" if corners else "x,y,w,h")
    return visible_or_nan(upright(rows) if corners or rows.shape[1] == 8 else rows)


def read_rows(path: Path, form: str = "x,y,w,h") -> np.ndarray:
    """`N x 4` or `N x 8` numbers as they stand in a box file (see `read_boxes`); `form` names what four of them mean.

    Raises ValueError that names the file and the line at fault.
    """
    text = Path(path).read_text(errors="replace").translate(_BLANKS)
    try:
        rows = np.loadtxt(text.splitlines(), comments=None, ndmin=2) if text.strip() else np.zeros((0, 4))
    except ValueError:
        rows = None
    if rows is None or rows.shape[1] not in (4, 8):
        rows = _careful_rows(path, text, form)
    return rows


def upright(corners: np.ndarray) -> np.ndarray:
    """`N x 4` boxes around the corners `x1,y1,x2,y2,...` of each row.

    >>> upright(np.array([[10.0, 20.0, 30.0, 60.0]])).tolist()
    [[10.0, 20.0, 20.0, 40.0]]
    >>> upright(np.array([[5.0, 0.0, 10.0, 5.0, 5.0, 10.0, 0.0, 5.0]])).tolist()  # a square on its corner
    [[0.0, 0.0, 10.0, 10.0]]
    """
    x, y = corners[:, ::2], corners[:, 1::2]
    return np.stack([x.min(axis=1), y.min(axis=1), np.ptp(x, axis=1), np.ptp(y, axis=1)], axis=1)


def _careful_rows(path: Path, text: str, form: str) -> np.ndarray:
    """What one call cannot read: a header before the rows, or the line at fault."""
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or (number == 1 and [field.lower() for field in fields] == ["x", "y", "w", "h"]):
            continue
        try:
            row = [float(field) for field in fields]
        except ValueError:
            row = []
        if len(row) not in (4, 8) or (rows and len(row) != len(rows[0])):
            raise ValueError(
                f"{path}, line {number}: expected the four numbers {form}, found '{','.join(fields)[:60]}'"
            )
        rows.append(row)
    return np.array(rows, float) if rows else np.zeros((0, 4))


def visible_or_nan(boxes: np.ndarray) -> np.ndarray:
    """`N x 4` boxes with every row that is not finite or has no area replaced by NaN.

    >>> visible_or_nan(np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0], [nan, nan, nan, nan]]
    """
    usable = np.isfinite(boxes).all(axis=1) & (np.nan_to_num(boxes[:, 2:]) > 0).all(axis=1)
    return np.where(usable[:, None], boxes, np.nan)


def write_boxes(path: Path, boxes: np.ndarray) -> None:
    """Write `N x 4` boxes as `x,y,w,h` lines with a hundredth of a pixel; the file appears whole or not at all."""
    with replacing(Path(path)) as temporary:
        np.savetxt(temporary, np.asarray(boxes, float).reshape(-1, 4), fmt="%.2f", delimiter=",")


def fit_truth(boxes: np.ndarray, frames: int, path: Path) -> np.ndarray:
    """Truth of exactly `frames` rows: missing rows at the end are not visible.

    Raises ValueError when there are more boxes than frames: they belong to something else.

    >>> fit_truth(np.array([[1.0, 2.0, 3.0, 4.0]]), 2, Path("truth.txt")).tolist()
    [[1.0, 2.0, 3.0, 4.0], [nan, nan, nan, nan]]
    """
    if len(boxes) > frames:
        raise ValueError(f"{path} has {len(boxes)} boxes for {frames} frames: it belongs to another sequence")
    return np.concatenate([boxes, np.full((frames - len(boxes), 4), np.nan)])
