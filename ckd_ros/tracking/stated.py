"""Numbers as a person or a calibration states them, checked and shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ckd_ros.geometry import FloatArray


def numbers(name: str, values: npt.ArrayLike, counts: tuple[int, ...], meaning: str) -> FloatArray:
    """`(N,)` finite numbers, as many as one of `counts`. Raises ValueError naming `name`, the values and the remedy."""
    try:
        array = np.asarray(values, float).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {values!r}: expected numbers ({meaning})") from None
    if array.size not in counts:
        expected = " or ".join(map(str, counts))
        raise ValueError(f"{name} has {array.size} number(s), {shown(values)}: expected {expected} ({meaning})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is {shown(values)}: every number must be finite ({meaning})")
    return array


def shown(values: npt.ArrayLike) -> str:
    """Numbers in a message."""
    return "[" + ", ".join(f"{float(v):g}" for v in np.ravel(values)) + "]"
