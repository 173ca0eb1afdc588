"""Box files: one line of numbers per frame."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ckd_ros.files import replacing, text_of

_BLANKS = str.maketrans(",;\t", "   ")
_EMPTY_LINE = re.compile(r"^[^\S\n]*\n", re.MULTILINE)
_BETWEEN = re.compile(r"\s*[;\t]\s*")  # numbers that may have decimal commas
_DECIMAL = re.compile(r"[-+]?\d+(,\d+)?|nan", re.IGNORECASE)
#: By how much of its size the diagonals of four corners may halve one another at different points.
_SKEW = 0.3


def parse_box(text: str) -> np.ndarray:
    """`x,y,w,h` as `(4,)` floats. Raises ValueError for anything else, or a box without area."""
    try:
        box = np.array([float(value) for value in text.split(",")])
    except ValueError:
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > 0).all():
        raise ValueError(f"box '{text}' is not possible: expected x,y,w,h in pixels, w and h positive")
    return box


def read_boxes(path: Path, corners: bool = False) -> np.ndarray:
    """`N x 4` boxes `(x, y, w, h)` of a text file, one line a frame, separated by commas, blanks, tabs or semicolons.

    Each line holds `x,y,w,h` (with `corners`: two opposite corners `x1,y1,x2,y2`), or the four corners of a polygon as
    eight numbers, which become the upright box around it. An `x,y,w,h` header and a byte order mark are allowed, and
    behind semicolons or tabs decimal commas (`40,5;90,0;30,0;20,0`).
    Rows with a `nan` or without area become NaN rows: not visible. So does an empty line before the last box.
    Raises ValueError that names the file and the line for anything else.
    """
    rows = read_rows(path, "x1,y1,x2,y2" if corners else "x,y,w,h")
    return visible_or_nan(axis_aligned(rows) if corners or rows.shape[1] == 8 else rows)


def read_rows(path: Path, form: str = "x,y,w,h") -> np.ndarray:
    """`N x 4` or `N x 8` numbers as they stand in a box file (see `read_boxes`); `form` names what four of them mean.

    Raises ValueError that names the file and the line at fault, and for eight numbers that are not four corners.
    """
    text = text_of(path).rstrip()
    rows = _decimal_rows(text.split("\n")) if "," in text and (";" in text or "\t" in text) else None
    if rows is None and text and not _EMPTY_LINE.search(text):  # one call reads what nearly all files hold
        try:
            rows = np.loadtxt(text.translate(_BLANKS).split("\n"), comments=None, ndmin=2)
        except ValueError:
            rows = None
    if rows is None or rows.shape[1] not in (4, 8):
        rows = _careful_rows(path, [line.split() for line in text.translate(_BLANKS).split("\n")], form)
    if rows.shape[1] == 8:
        _check_corners(path, rows, text.split("\n"))
    return rows


def axis_aligned(corners: np.ndarray) -> np.ndarray:
    """`N x 4` boxes around the corners `x1,y1,x2,y2,...` of each row.

    >>> axis_aligned(np.array([[10.0, 20.0, 30.0, 60.0]])).tolist()
    [[10.0, 20.0, 20.0, 40.0]]
    >>> axis_aligned(np.array([[5.0, 0.0, 10.0, 5.0, 5.0, 10.0, 0.0, 5.0]])).tolist()  # a square on its corner
    [[0.0, 0.0, 10.0, 10.0]]
    """
    x, y = corners[:, ::2], corners[:, 1::2]
    return np.stack([x.min(axis=1), y.min(axis=1), np.ptp(x, axis=1), np.ptp(y, axis=1)], axis=1)


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


def missing_rows(boxes: np.ndarray, frames: int, path: Path) -> tuple[str, ...]:
    """A note where a truth speaks of fewer frames than there are; none where it does not.

    >>> missing_rows(np.array([[1.0, 2.0, 3.0, 4.0]]), 3, Path("truth.txt"))
    ('truth.txt has 1 boxes for 3 frames: in the last 2 the target counts as not visible',)
    """
    missing = frames - len(boxes)
    note = f"{path} has {len(boxes)} boxes for {frames} frames: in the last {missing} the target counts as not visible"
    return (note,) if missing > 0 else ()


def _careful_rows(path: Path, rows_of_fields: list[list[str]], form: str) -> np.ndarray:
    """What one call cannot read: a header before the rows, empty lines, or the line at fault."""
    header = [field.lower() for field in rows_of_fields[0]] == ["x", "y", "w", "h"]
    rows: list[list[float]] = []
    width = 0
    for number, fields in enumerate(rows_of_fields[header:], start=1 + header):
        try:
            row = [float(field) for field in fields]
        except ValueError:
            row = [0.0]
        if row and (len(row) not in (4, 8) or len(row) != (width or len(row))):
            raise ValueError(
                f"{path}, line {number}: expected the four numbers {form}, found '{','.join(fields)[:60]}'"
            )
        width = width or len(row)
        rows.append(row)
    return np.array([row or [np.nan] * width for row in rows], float).reshape(-1, width) if width else np.zeros((0, 4))


def _decimal_rows(lines: list[str]) -> np.ndarray | None:
    """`N x 4` or `N x 8` numbers with decimal commas between semicolons or tabs; None where there are none.

    `1,2;3,2;3,4;1,4` may be four points as well: it is, where they are the corners of something.
    """
    fields = [_BETWEEN.split(line.strip()) if line.strip() else [] for line in lines]
    width = max(map(len, fields))
    known = [row for row in fields if row]
    if width not in (4, 8) or not all(len(row) == width and all(map(_DECIMAL.fullmatch, row)) for row in known):
        return None
    if width == 4 and all("," in field for row in known for field in row):
        points = np.array([[float(number) for field in row for number in field.split(",")] for row in known])
        has_area = (axis_aligned(points)[:, 2:] > 0).all(axis=1)
        if (_are_corners(points) & has_area).mean() > 0.5:
            return None
    blank = ["nan"] * width
    return np.array([[float(field.replace(",", ".")) for field in row or blank] for row in fields])


def _are_corners(rows: np.ndarray) -> np.ndarray:
    """`(N,)` whether each of `N x 8` rows may hold the corners of a quadrilateral; so may rows without a box around."""
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    points, boxes = rows.reshape(-1, 4, 2), axis_aligned(rows)
    sides = np.roll(points, -1, axis=1) - points
    after = np.roll(sides, -1, axis=1)
    turns = sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0]
    area = boxes[:, 2] * boxes[:, 3]
    rounding = 0.05 * area[:, None]
    convex = ((turns >= -rounding).all(axis=1) | (turns <= rounding).all(axis=1)) & (np.abs(turns.sum(axis=1)) > 0)
    gap = np.linalg.norm(points[:, 0] + points[:, 2] - points[:, 1] - points[:, 3], axis=1)
    at_end = points == points.max(axis=1, keepdims=True)
    on_edge = (at_end | (points == points.min(axis=1, keepdims=True))).all(axis=(1, 2))
    upright = on_edge & (np.sort(2 * at_end[..., 0] + at_end[..., 1], axis=1) == np.arange(4)).all(axis=1)
    corners: np.ndarray = upright | (convex & (gap <= _SKEW * np.linalg.norm(boxes[:, 2:], axis=1))) | ~(area > 0)
    return corners


def _check_corners(path: Path, rows: np.ndarray, lines: list[str]) -> None:
    """Raises ValueError if most of `N x 8` rows with a box around them are not four corners."""
    boxes = visible_or_nan(axis_aligned(rows))
    wrong, known = ~_are_corners(rows), np.isfinite(boxes).all(axis=1)
    if wrong.sum() > known.sum() / 2:
        first = int(np.argmax(wrong))
        line = first + len(lines) - len(rows)
        raise ValueError(
            f"{path}, line {line + 1}: the eight numbers '{lines[line].strip()[:60]}' are not the four corners of a "
            "box: give one box a line, with decimal points"
        )
