"""What becomes of a target that something hides for a second, before a camera that stands still or turns.

The cameras see a window of a larger simulated picture; one that turns moves the window, and all that is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import FramePair, Image
from ckd_ros.metrics import overlaps
from ckd_ros.tracking import Tracker
from ckd_ros.tracking.engine import Engine

RATE, HIDDEN = 30.0, 1.0
#: (width, height) of the cameras' images, and by how much the picture is larger: the window moves within half of it.
SIZE, MARGIN = np.array([640, 512]), np.array([160, 128])
#: Seconds for which the window goes from one side to the other and back: x, y.
PERIODS = np.array([3.0, 2.3])
#: When the target is marked before it is hidden, and until when it must be found afterwards, seconds.
BEFORE, SOON = 1.5, 0.5
#: Overlaps at which it was followed before, and counts as found.
FOLLOWED, FOUND = 0.3, 0.3


@lru_cache(maxsize=1)
def rendered(seed: int, seconds: float) -> tuple[list[FramePair], np.ndarray, np.ndarray]:
    """Pairs, the target's boxes `(N, 4)`, and those `(N, K, 4)` of others that look like it. By day, with nothing else
    that makes it hard: the light and the warmth of a target have rows of their own elsewhere."""
    width, height = (int(side) for side in SIZE + MARGIN)
    config = SimulatorConfig(
        seed=seed, frames=round(seconds * RATE), rate=RATE, width=width, height=height, thermal_width=width,
        thermal_height=height, hiding=HIDDEN, distractors=4, occlusion=0.0, camera_motion=0.0, night=0.0, glare=0.0,
        crossover=0.0, jitter=0.0, misregistration=0.0, parallax=0.0,
    )  # fmt: skip
    sequence = SimulatedSequence(config)
    others = sequence.other_boxes
    return list(sequence.frames()), sequence.boxes, np.empty((len(sequence), 0, 4)) if others is None else others


def hidings(seed: int, seconds: float, engine: Engine, turning: bool) -> dict[str, float]:
    """How often the target is found soon after it was hidden, and another one is followed in its place.

    Of the times that it was followed until then and is in the picture afterwards; NaN without any.
    """
    pairs, boxes, others = rendered(seed, seconds)
    times = np.arange(len(pairs)) / RATE
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    swing = np.sin(2 * np.pi * times[:, None] / PERIODS + phases) if turning else np.zeros((len(pairs), 2))
    corners = np.round(MARGIN / 2 * (1 + swing)).astype(int)
    moved = np.concatenate([corners, np.zeros_like(corners)], axis=1)
    seen = [_window(pair, corner) for pair, corner in zip(pairs, corners, strict=True)]
    ends = list(_hidings(seen, boxes - moved, others - moved[:, None], engine))
    found, wrong = (float(np.mean(column)) if ends else float("nan") for column in (np.array(ends).reshape(-1, 2).T))
    return {"found within .5 s": found, "wrong target": wrong}


def _hidings(
    pairs: list[FramePair], boxes: np.ndarray, others: np.ndarray, engine: Engine
) -> Iterator[tuple[bool, bool]]:
    """Of each time: whether the target was found, whether another one was taken for it."""
    visible = np.isfinite(boxes).all(axis=1)
    edges = np.flatnonzero(np.diff(visible.astype(int)))
    for start, end in zip(edges[::2] + 1, edges[1::2] + 1, strict=False):
        marked, last = max(0, start - round(BEFORE * RATE)), end + round(SOON * RATE)
        if last >= len(pairs) or not all(_inside(boxes[index]) for index in (marked, end, last)):
            continue
        tracker = Tracker(engine)
        tracker.init(pairs[marked], boxes[marked])
        results = [tracker.update(pairs[index]).box for index in range(marked + 1, last + 1)]
        overlap = overlaps(results, boxes[marked + 1 : last + 1])
        if not np.nanmean(overlap[: start - marked - 1][-10:]) >= FOLLOWED:
            continue
        on_other = np.nan_to_num(overlaps(np.repeat(results[-1:], others.shape[1], axis=0), others[last]))
        wrong = on_other.max(initial=0.0) >= 0.5 and on_other.max() > overlap[-1]
        yield bool(overlap[-1] >= FOUND), bool(wrong)


def _window(pair: FramePair, corner: np.ndarray) -> FramePair:
    """What the cameras see of a picture: a window whose upper left corner is at `(2,)` `corner`."""
    (x, y), (width, height) = corner, SIZE
    rgb, thermal = (
        None if image is None else Image(image.data[y : y + height, x : x + width], image.encoding)
        for image in (pair.rgb, pair.thermal)
    )
    return FramePair(rgb, thermal, pair.stamp, pair.thermal_stamp)


def _inside(box: np.ndarray) -> bool:
    centre = box[:2] + box[2:] / 2
    return bool(((centre > 0) & (centre < SIZE)).all())
