"""`settings.json` of a tracker's folder: how its boxes are made, so that nothing else is ever mixed with them."""

from __future__ import annotations

import json
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.result_files import SETTINGS
from ckd_ros.files import is_stray, replacing

#: What may change from one run to the next one without changing the boxes.
_HARMLESS = {"label", "tracker", "machine", "file", "runs", "sequences"}


def keep_settings(folder: Path, settings: dict, data: dict, sequences: Mapping[str, FrameSequence], run: dict) -> None:
    """Write down in `folder` how the boxes there are made, or find out that they were made in the same way.

    Args:
        settings: of the tracker, see `TrackerSpec.settings`.
        data: what was asked for of which data set.
        sequences: those that are going to be run; the truth of each is remembered by a checksum.
        run: what times depend on: processes, machine, version of the code. Every kind of run is listed.

    Raises ValueError that says which setting differs from that of the boxes that lie there.
    """
    path = Path(folder) / SETTINGS
    sums = {name: checksum(sequence) for name, sequence in sequences.items()}
    wanted = json.loads(json.dumps({**settings, "data": data, "sequences": sums, "runs": [run]}, default=str))
    if not path.exists():
        if any(not is_stray(path.name) for path in Path(folder).glob("*.txt")):
            raise ValueError(f"'{folder}' holds boxes, but no {SETTINGS} that says how they were made: {_REMEDY}")
        _write(path, wanted)
        return
    try:
        kept = json.loads(path.read_text())
        known, runs = dict(kept["sequences"]), list(kept["runs"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is damaged ({error!r}): {_REMEDY}") from error
    for place, before, now in _differences(kept, wanted):
        raise ValueError(f"the boxes in '{folder}' were made with {place} {before}, and now it is {now}: {_REMEDY}")
    for name, checksum_ in wanted["sequences"].items():
        if known.setdefault(name, checksum_) != checksum_:
            raise ValueError(f"the boxes in '{folder}' belong to another truth of the sequence {name}: {_REMEDY}")
    runs += [run for run in wanted["runs"] if run not in runs]
    if (known, runs) != (kept["sequences"], kept["runs"]):
        _write(path, {**kept, "sequences": known, "runs": runs})


_REMEDY = "name another --out, give the tracker another label (LABEL=...), or remove that folder"


def checksum(sequence: FrameSequence) -> str:
    """Of its length and truth: enough to tell one sequence from another of the same name."""
    truths = [boxes for boxes in (sequence.boxes, sequence.thermal_boxes, sequence.init_box) if boxes is not None]
    digits = b"".join(np.round(np.nan_to_num(boxes, nan=-1.0), 2).astype("<f8").tobytes() for boxes in truths)
    return f"{len(sequence)}-{zlib.crc32(digits):08x}"


def git_commit() -> str | None:
    """Of the checkout that this package is in, `-dirty` where it was changed; None outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _differences(before: object, now: object, place: str = ""):
    """`(place, before, now)` of everything that is not the same and matters."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            if key not in _HARMLESS:
                yield from _differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, f"{place}.{number}")
    elif before != now:
        yield place, json.dumps(before), json.dumps(now)


def _write(path: Path, record: dict) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
