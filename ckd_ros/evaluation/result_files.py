"""Box files of trackers: ours are written in each benchmark's own format, any tracker's are read.

A tracker's folder holds one box file a sequence, and what is known beside it:

| file | what it holds |
|---|---|
| `NAME.txt`, `LABEL_NAME.txt` | one box a frame, in the format of the benchmark (`BOX_FORMATS`); zeros: no box |
| `NAME_time.txt` | seconds the tracker took, one line a frame; `nan` where it was not asked |
| `NAME_confidence.txt` | one line a frame; `nan` where it gave none |
| `NAME_faults.txt` | what went wrong, one line a fault; only where something did |
| `settings.json` | how the boxes were made |

The box file is written last and whole: where it lies, the rest of its sequence lies too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import axis_aligned, read_rows, visible_or_nan
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.files import is_stray, replacing, text_of

SETTINGS = "settings.json"
#: Last line of the faults of a pass that failed.
FAILED = "the pass ends here: this sequence is run again"
_BESIDE = ("_time", "_confidence", "_faults")
_PREFIX_ENDS = "_-. "  # of foreign prefixes, or `redcar.txt` would be taken for the sequence `car`


@dataclass(frozen=True)
class BoxFormat:
    """How a benchmark writes boxes, with two decimals.

    Attributes:
        separator: between numbers.
        corners: whether a line holds four corners `x1 y1 x2 y1 x2 y2 x1 y2`, and not `x y w h`.
        labelled: whether a file's name begins with the tracker's label.
    """

    separator: str = ","
    corners: bool = False
    labelled: bool = False

    def file(self, label: str, name: str) -> str:
        """Name of the box file of one sequence."""
        return f"{label}_{name}.txt" if self.labelled else f"{name}.txt"

    def rows(self, boxes: np.ndarray) -> np.ndarray:
        """`N x 4` or `N x 8` numbers that stand for `N x 4` boxes; zeros for NaN."""
        rows = np.nan_to_num(visible_or_nan(np.asarray(boxes, float).reshape(-1, 4)))
        if self.corners:
            x1, y1 = rows[:, 0], rows[:, 1]
            x2, y2 = x1 + rows[:, 2], y1 + rows[:, 3]
            rows = np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1)
        return np.round(rows, 2)


_CORNERS = BoxFormat(" ", corners=True, labelled=True)
#: By the data sets of `open_dataset`; `runs` are recorded robot runs.
BOX_FORMATS = {
    "gtot": _CORNERS,
    "rgbt210": _CORNERS,
    "rgbt234": _CORNERS,
    "lasher": BoxFormat("\t"),
    "vtuav": BoxFormat(" "),
    "folder": BoxFormat(),
    "simulator": BoxFormat(),
    "videos": BoxFormat(),
    "runs": BoxFormat(),
}


@dataclass(frozen=True)
class TrackerResults:
    """The results of one tracker on a data set.

    Attributes:
        label: its name in tables.
        passes: sequence -> its result, as long as was asked for: a box file that is shorter is filled up with NaN, one
            that is longer is cut.
        faults: sequence -> why it has no result; '' -> what concerns the tracker as a whole.
        settings: contents of `settings.json`; empty where there is none.
        rows: sequence -> `M x 4` or `M x 8` numbers of its box file as they stand there, M its own length, which is
            what a benchmark's toolkit goes by. Where it is missing, `passes` has all there is.
    """

    label: str
    passes: dict[str, OnePassResult]
    faults: dict[str, str] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    rows: dict[str, np.ndarray] = field(default_factory=dict)


def write_result(folder: Path, label: str, name: str, result: OnePassResult, box_format: BoxFormat) -> None:
    """Write the result of the tracker `label` on the sequence `name` to its folder, the boxes last.

    A process that is killed in between leaves no box file, so that the sequence counts as not run.
    """
    folder = Path(folder)
    boxes, faults = folder / box_format.file(label, name), folder / f"{name}_faults.txt"
    boxes.unlink(missing_ok=True)  # an older one must not vouch for what is written now
    _write_numbers(folder / f"{name}_time.txt", result.seconds, "%.6f")
    _write_numbers(folder / f"{name}_confidence.txt", result.confidences, "%.4f")
    lines = [*result.faults, *([FAILED] if result.failed else [])]
    if lines:
        with replacing(faults) as temporary:
            temporary.write_text("".join(f"{' '.join(line.split())}\n" for line in lines))
    else:
        faults.unlink(missing_ok=True)
    _write_numbers(boxes, box_format.rows(result.boxes), "%.2f", box_format.separator)


def finished(folder: Path, names: Iterable[str]) -> set[str]:
    """Those of the sequences `names` that need not be run again: boxes are there, and the pass did not fail.

    Damaged images are a fault of the data: a sequence that has some after the first one is finished.
    """
    folder, names = Path(folder), list(names)
    files = _box_files(folder, names)
    return {name for name in files if FAILED not in _fault_lines(folder / f"{name}_faults.txt")}


def read_results(folder: Path, lengths: Mapping[str, int], label: str | None = None) -> TrackerResults:
    """The results of one tracker on the sequences of `lengths` (name -> frames), own or another's.

    Files are `PREFIXNAME.txt`, with one prefix for all: the one that fits most names. Lines are `x y w h` or four
    corners, separated as `read_rows` says; an empty one is a frame without an answer. `label` is the folder's name if
    it is not given.
    A file that is missing, empty or cannot be read is named in `faults`; one with too many or too few lines is used,
    with a fault in its result. Raises FileNotFoundError if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}' to read results from")
    results = TrackerResults(label or folder.resolve().name, {})
    files = _box_files(folder, lengths)
    prefix = next((files[name].stem.removesuffix(name) for name in files), "")
    for name, length in lengths.items():
        path = files.get(name)
        if path is None:
            results.faults[name] = f"no result: expected {folder / f'{prefix}{name}.txt'} with one box a frame"
            continue
        try:
            rows = read_rows(path)
        except (ValueError, OSError) as error:
            results.faults[name] = str(error)
            continue
        if len(rows) == 0:
            results.faults[name] = f"{path} is empty: expected {length} lines with a box each"
            continue
        results.rows[name] = rows
        results.passes[name] = _read_result(path, name, rows, length)
    if not results.passes and results.faults:
        results.faults[""] = f"{folder} has a result for none of the {len(lengths)} sequences"
    results.settings.update(_read_settings(folder / SETTINGS, results.faults))
    return results


def result_folders(folder: Path) -> list[Path]:
    """`folder` itself if box files lie in it, else those folders in it that hold some, in order of their names.

    Raises FileNotFoundError if there is no such folder, and ValueError if there is no text file in it or below.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}' to read results from")
    own = _texts(folder)
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_stray(path.name) and _texts(path)]
    if own and (not inside or any(map(_holds_boxes, own))):  # beside folders of results a README.txt is none
        return [folder]
    if not inside:
        raise ValueError(f"'{folder}' holds no results: expected box files SEQUENCE.txt in it, or in its folders")
    return inside


def _texts(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.txt")) if not is_stray(path.name)]


def _holds_boxes(path: Path) -> bool:
    try:
        return len(read_rows(path)) > 0
    except (ValueError, OSError):
        return False


def _box_files(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Name -> box file, for those that are there: all with the one prefix that fits most names."""
    stems = {path.stem for path in _texts(Path(folder))}
    names = set(names)
    fits: Counter[str] = Counter({"": len(names & stems)})
    beside = {name + ending for name in names for ending in _BESIDE}
    for stem in stems - names - beside:
        # Every place where a name may begin: names can be endings of one another.
        cuts = (at + 1 for at, letter in enumerate(stem) if letter in _PREFIX_ENDS)
        fits.update(stem[:cut] for cut in cuts if stem[cut:] in names)
    prefix = max(fits, key=lambda prefix: (fits[prefix], -len(prefix)))
    return {name: Path(folder) / f"{prefix}{name}.txt" for name in sorted(names) if prefix + name in stems}


def _read_result(path: Path, name: str, rows: np.ndarray, length: int) -> OnePassResult:
    """The result whose box file is `path`, with what lies beside it, as `length` frames."""
    faults = _fault_lines(path.with_name(f"{name}_faults.txt"))
    failed = FAILED in faults
    faults = [fault for fault in faults if fault != FAILED]
    if len(rows) != length:
        faults.append(f"{path} has {len(rows)} boxes for {length} frames of truth")
    boxes = visible_or_nan(axis_aligned(rows) if rows.shape[1] == 8 else rows)
    if np.isnan(boxes).any(axis=1).all():
        faults.append(f"{path} holds no box with a width and a height above 0 in any of its {len(rows)} lines")
    columns: list[np.ndarray] = []
    for ending in ("_time", "_confidence"):
        # Beside the boxes of others, with their prefix (`our_NAME_time.txt`) or without.
        candidates = (path.with_name(f"{name}{ending}.txt"), path.with_name(f"{path.stem}{ending}.txt"))
        values = np.zeros(0)
        for candidate in dict.fromkeys(candidates):
            if candidate.exists():
                values = _read_numbers(candidate, length, faults)
                break
        columns.append(fit_rows(values, length))
    seconds, confidences = columns
    return OnePassResult(fit_rows(boxes, length), seconds, confidences, tuple(faults), failed)


def fit_rows(values: np.ndarray, length: int) -> np.ndarray:
    """The first `length` rows, filled up with NaN."""
    fitted = np.full((length, *values.shape[1:]), np.nan)
    fitted[: len(values)] = values[:length]
    return fitted


def _read_numbers(path: Path, length: int, faults: list[str]) -> np.ndarray:
    """One number a line; none, and a fault that says why, if the file cannot be read so."""
    try:
        lines = text_of(path).split("\n")
        values = np.array([float(line) for line in lines if line.strip()])
    except (ValueError, OSError) as error:
        faults.append(f"{path} is left out: expected one number a line ({error})")
        return np.zeros(0)
    if len(values) != length:
        faults.append(f"{path} has {len(values)} lines for {length} frames")
    return values


def _fault_lines(path: Path) -> list[str]:
    return text_of(path).splitlines() if path.exists() else []


def _read_settings(path: Path, faults: dict[str, str]) -> dict:
    if not path.exists():
        return {}
    try:
        settings = json.loads(text_of(path))
        if isinstance(settings, dict):
            return settings
        reason = "expected an object"
    except (ValueError, OSError) as error:
        reason = str(error)
    faults[""] = "; ".join(filter(None, [faults.get("", ""), f"{path} cannot be read: {reason}"]))
    return {}


def _write_numbers(path: Path, values: np.ndarray, number_format: str, separator: str = " ") -> None:
    with replacing(path) as temporary:
        np.savetxt(temporary, values, fmt=number_format, delimiter=separator)
