"""Look-alikes of a simulated target: how they differ from it, how they cross its path, and when it is away.

They move with the path that the target takes (or would have taken, while it is away), cross it again and again, and
one of them is just there when the target goes. Moments are on the world's clock, tracks as in `trajectories.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.trajectories import fold, wander

LEAD = 1.0  # seconds before the clock shows the first frame
BETWEEN = 7.5  # about so many seconds from one absence to the next
SHORTEST = 2.0  # a sequence of fewer seconds has no absence
WALK = 3.0  # of its widths, by which the target leaves the picture or comes back in a second, if that is not too slow
EDGE = 0.4  # seconds in which the target comes to rest, and gets going again
PASS = 2.6  # seconds at least from one meeting to the next


@dataclass(frozen=True)
class Absence:
    """A time in which the target is not to be seen.

    Attributes:
        start, end: s, from when on and until when.
        covered: it stands still behind something that comes, stays and goes; else it leaves the picture.
        sides: where it, or what hides it, comes from or goes to first, and where last: -1 left, 1 right.
        height: at which it comes back into the picture, share of the picture's.
    """

    start: float
    end: float
    covered: bool
    sides: tuple[int, int]
    height: float


def draw_absences(rng: np.random.Generator, duration: float) -> list[Absence]:
    """Those of a sequence of `duration` seconds: behind something and out of the picture in turn, either one first."""
    if duration < SHORTEST:
        return []
    count = max(1, round(duration / BETWEEN))
    slot, covered_first = duration / count, int(rng.integers(2))
    absences = []
    for number in range(count):
        start = LEAD + (number + rng.uniform(0.3, 0.45)) * slot
        left, right = (int(side) for side in rng.choice([-1, 1], 2))
        covered = (number + covered_first) % 2 == 0
        absences.append(
            Absence(start, start + rng.uniform(0.24, 0.38) * slot, covered, (left, right), rng.uniform(0.3, 0.7))
        )
    return absences


def standing_still(clock: np.ndarray, absences: list[Absence]) -> np.ndarray:
    """`(N,)` moments of a clock that stops while the target is away."""
    speed = np.ones_like(clock)
    for absence in absences:
        speed -= _during(clock, absence.start - EDGE, absence.start, absence.end, absence.end + EDGE)
    return clock[0] + np.concatenate([[0.0], np.cumsum(speed[1:] * np.diff(clock))])


def leave_picture(track: np.ndarray, clock: np.ndarray, absences: list[Absence], size: tuple[int, int]) -> np.ndarray:
    """The track of the target, out of the picture of `size` `(width, height)` where it is not covered."""
    place, (width, height) = track[:, :2], size
    for absence in absences:
        if absence.covered:
            continue
        middle = (absence.start + absence.end) / 2
        at_start, at_middle = (np.searchsorted(clock, t) for t in (absence.start, middle))
        # Far below the picture from one side to the other, so that it is not seen on the way.
        reach, below = track[at_middle, 2], 2 * height + track[at_middle, 3]
        out, back = (-reach if side < 0 else width + reach for side in absence.sides)
        times = [absence.start, middle - 0.1, middle + 0.1, absence.end]
        outside = np.column_stack(
            [
                np.interp(clock, times, [out, out, back, back]),
                np.interp(clock, times, [place[at_start, 1], below, below, absence.height * height]),
            ]
        )
        walks = [float(np.clip(abs(x - place[at_start, 0]) / (WALK * reach), 0.5, 2.0)) for x in (out, back)]
        away = _during(clock, absence.start - walks[0], absence.start, absence.end, absence.end + walks[1])[:, None]
        place = place + (outside - place) * away
    return np.column_stack([place, track[:, 2:]])


def cover_track(track: np.ndarray, clock: np.ndarray, absence: Absence, width: int) -> np.ndarray:
    """Of what hides the target: it comes from beyond the side of a picture of `width`, stops before it, and goes."""
    middle = int(np.searchsorted(clock, (absence.start + absence.end) / 2))
    x, y, target_width, target_height, _ = track[middle]
    cover_height = 1.4 * target_height
    cover_width = max(1.4 * target_width, 1.3 * cover_height)
    far = width + cover_width
    come, go = (side * far for side in absence.sides)
    times = [absence.start - 1.2, absence.start, absence.end, absence.end + 1.2]
    row = np.array([0, y, cover_width, cover_height, 0])
    cover = np.tile(row, (len(clock), 1))
    cover[:, 0] = x + np.interp(clock, times, [come, 0, 0, go])
    return cover


def look_alike_track(
    rng: np.random.Generator, clock: np.ndarray, path: np.ndarray, meetings: list[float], size: tuple[int, int]
) -> np.ndarray:
    """Of something about as large as the target that meets its `path`: from one side, through it, to another.

    Args:
        path: the target's track, were it never away.
        meetings: when it has to be there, beside the times of its own choice; never in the first second.
        size: of the picture in pixels; it stays inside.
    """
    side = np.sqrt(path[:, 2] * path[:, 3])
    shape = path[:, 2:4] * np.exp(rng.normal(0, 0.06, 2))
    moments = _meetings(rng, clock[-1], meetings)
    times, offsets = [], []
    for number, moment in enumerate(moments):
        heading = rng.normal(0, 0.35) + (np.pi if rng.random() < 0.5 else 0)
        reach = min(rng.uniform(2.5, 4.0), 0.45 * size[0] / float(np.interp(moment, clock, side)))
        if number == 0:  # it waits where there is most room, so that it is not before the target at the start
            corner = np.where(path[0, :2] < np.array(size) / 2, size, 0) - path[0, :2]
            heading = np.arctan2(-corner[1], -corner[0]) + rng.normal(0, 0.2)
            reach = min(rng.uniform(2.5, 4.0), 0.75 * float(np.hypot(*corner)) / side[0])
        along = np.array([np.cos(heading), np.sin(heading)])
        miss = np.array([0, rng.uniform(-0.15, 0.15)])
        stay, run = rng.uniform(0, 0.25), rng.uniform(0.6, 1.0)
        times += [moment - stay - run, moment - stay, moment + stay, moment + stay + run]
        offsets += [-reach * along, miss - 0.15 * along, miss + 0.15 * along, reach * along]
    offset = np.stack([np.interp(clock, times, column) for column in np.array(offsets).T], 1)
    place = path[:, :2] + (_smooth(offset) + 0.3 * wander(rng, clock, 2.0, 2)) * side[:, None]
    place = np.stack([fold(place[:, k], 0.5 * side, limit - 0.5 * side) for k, limit in enumerate(size)], 1)
    angle = 0.05 * wander(rng, clock, 2.0)[:, 0]
    return np.column_stack([place, shape, angle])


def walk(rng: np.random.Generator, clock: np.ndarray, track: np.ndarray) -> np.ndarray:
    """The track with a gait, if it is of something upright: two steps a second open it and lift it a little."""
    if np.median(track[:, 3] / track[:, 2]) < 1.3:
        return track
    step = np.sin(2 * np.pi * (rng.uniform(0.8, 1.1) * clock + rng.uniform()))
    track = track.copy()
    track[:, 2] *= 1 + 0.12 * np.abs(step)
    track[:, 1] -= 0.02 * track[:, 3] * np.abs(step)
    return track


def similar(rng: np.random.Generator, texture: Texture) -> Texture:
    """The same with other colours in its upper or lower part, and another warmth; from hardly to clearly different."""
    difference = rng.uniform(0.1, 1.0)
    rows = (np.arange(texture.height) + 0.5) / texture.height
    part = 1 / (1 + np.exp(-40 * (rows - rng.uniform(0.35, 0.65)) * rng.choice([-1, 1])))
    part = part[:, None, None]
    tint = np.exp(difference * (rng.normal(0, 0.3) + rng.normal(0, 0.15, 3)))
    rgb = texture.rgb[0] * (1 + part * (tint - 1)) + part * difference * rng.normal(0, 20)
    thermal = (texture.thermal[0] - 128.0) * np.exp(difference * rng.normal(0, 0.2)) + 128
    thermal = thermal + difference * (rng.normal(0, 12) + part[..., 0] * rng.normal(0, 12))
    assert texture.alpha is not None, "an object is cut out by its alpha"
    rgb, thermal = (np.clip(image, 0, 255).astype(np.uint8) for image in (rgb, thermal))
    return Texture(rgb, thermal, texture.alpha[0])


def _during(clock: np.ndarray, rise: float, start: float, end: float, fall: float) -> np.ndarray:
    """`(N,)` 1 from start to end, 0 before the rise and after the fall, smooth between."""
    ramp = np.interp(clock, [rise, start, end, fall], [0, 1, 1, 0])
    return ramp * ramp * (3 - 2 * ramp)


def _meetings(rng: np.random.Generator, last: float, wanted: list[float]) -> list[float]:
    """The wanted moments and further ones between them, `PASS` apart."""
    moments = list(wanted)
    moment = LEAD + rng.uniform(2.0, 3.5)
    while moment < max(last - LEAD, LEAD + 3.6):
        if all(abs(moment - other) >= PASS for other in moments):
            moments.append(moment)
        moment += rng.uniform(1.0, 3.0)
    return sorted(moments)


def _smooth(values: np.ndarray, reach: int = 4) -> np.ndarray:
    """A running mean over `2 reach + 1` rows."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
