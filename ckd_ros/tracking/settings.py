"""Settings with a description and an allowed range, stated once and checked wherever they come from."""

from __future__ import annotations

import math
from dataclasses import field, fields


def setting(default: float, low: float, high: float, description: str):
    """A dataclass field whose value must lie in `[low, high]`; whole if `default` is an int."""
    return field(default=default, metadata={"range": (low, high), "description": description})


def check_settings(settings) -> None:
    """Raise ValueError for the first field made by `setting` whose value is not a number of its kind and range."""
    for item in fields(settings):
        if "range" not in item.metadata:
            continue
        value, (low, high) = getattr(settings, item.name), item.metadata["range"]
        whole = isinstance(item.default, int)
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not numeric or not low <= value <= high or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise ValueError(
                f"{item.name} is {value!r}: expected {kind} from {low} to {high} ({item.metadata['description']})"
            )
