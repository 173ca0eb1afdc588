"""A run's record: everything that decides which weights it leaves. It lies in every checkpoint and in all weights.

It holds the settings, a fingerprint of the data, and the file that the run started from with that file's own record, so
that weights say what they were made from. A run goes on only where all of it is as it was: see `differences`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ckd_ros.files import sha256_of
from ckd_ros.network.checkpoint import read_record
from ckd_ros.training.config import TrainingConfig
from ckd_ros.training.samples.config import plain
from ckd_ros.training.samples.fingerprint import fingerprint, sample_fingerprints

Record = dict[str, Any]
#: How a run is carried out, not what comes of it: these settings may change whenever it is started again.
CARRIED_OUT = ("workers", "compile", "checkpoint_every", "checkpoint_minutes", "log_every")
#: What a weights file says beside the record of its run.
OF_WEIGHTS = ("stage", "samples_seen", "validation")
_SHOWN = 4  # differences that are spelled out


def run_record(settings: TrainingConfig) -> Record:
    """The record of a run that begins now, as JSON has it; folders and files by name only.

    Raises FileNotFoundError for missing data, and what `read_record` raises for the file to start from.
    """
    record: Record = plain(asdict(settings))
    for name in CARRIED_OUT:
        del record[name]
    del record["samples"]["cache"]
    record["data"] = sample_fingerprints(settings.samples)
    record["validated_by"] = record.pop("validation")
    if settings.validation is not None and settings.validation.pairs is not None:
        record["data"]["validation.pairs"] = fingerprint(settings.validation.pairs)
    if settings.start is not None:
        record["start"] = {
            "file": settings.start.name,
            **read_record(settings.start),
            "digest": sha256_of(settings.start)[:16],
        }
    return dict(json.loads(json.dumps(record)))


def up_to(record: Record, stages: int) -> Record:
    """The part of a run's record that its first stages have come from."""
    return {**record, "stages": record["stages"][:stages]}


def differences(before: Record, now: Record) -> str:
    """What differs between two records, for a person; empty where they are the same.

    >>> differences({"seed": 1, "stages": [{"steps": 9}]}, {"seed": 1, "stages": [{"steps": 10}], "ema": 0.9})
    'ema was not set, is 0.9; stages[0].steps was 9, is 10'
    """
    names = [[stage.get("name") for stage in record.get("stages", [])] for record in (before, now)]
    if names[0] != names[1]:
        return f"its stages were {', '.join(names[0])}, are {', '.join(names[1])}"
    flat = [_flat(record) for record in (before, now)]
    found = []
    for name in sorted(flat[0].keys() | flat[1].keys()):
        was, is_now = (values.get(name, _NOT_SET) for values in flat)
        if was != is_now:
            found.append(f"{name} was {_shown(was)}, is {_shown(is_now)}")
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


_NOT_SET = object()


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Single values by the way to them; a fingerprint is one value."""
    if isinstance(value, dict) and value and "digest" not in value:
        return {k: v for name, part in value.items() for k, v in _flat(part, f"{path}.{name}".lstrip(".")).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {k: v for number, part in enumerate(value) for k, v in _flat(part, f"{path}[{number}]").items()}
    return {path: value}


def _shown(value: Any) -> str:
    if value is _NOT_SET:
        return "not set"
    if isinstance(value, dict) and "digest" in value:
        what = f"{value['files']} files of {value['bytes']} bytes" if "files" in value else f"'{value.get('file')}'"
        return f"{what} ({value['digest']})"
    return json.dumps(value)
