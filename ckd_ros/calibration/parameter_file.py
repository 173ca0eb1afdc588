"""The file of parameters that the node and `ckd track --config` read, with a registration that was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsFloat

from ckd_ros.calibration.outcome import Outcome


def parameter_text(outcome: Outcome, thermal_crop: tuple[int, int] = (0, 0)) -> str:
    """The whole file. `thermal_crop`: rows that were taken off the thermal images above and below."""
    lines = ["# Where a colour pixel lies in the thermal image, by `ckd calibrate`:", f"# {outcome.summary}"]
    lines += ["", "/**:", "  ros__parameters:"]
    if any(thermal_crop):
        lines += ["    thermal:", f"      crop: {list(thermal_crop)}"]
    lines += ["    registration:", *(f"      {name}: {_yaml(value)}" for name, value in outcome.settings.items())]
    return "\n".join(lines) + "\n"


def _yaml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, SupportsFloat)
    text = repr(float(value))
    # YAML 1.1 takes 1.0e-05 for a number, and 1e-05 for a string.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
