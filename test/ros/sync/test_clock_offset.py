"""The offset between the stamps of two cameras, from what they see move."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.ros.sync import clock_offset
from ckd_ros.ros.sync.clock_offset import OffsetEstimator
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame

S = 1_000_000_000
EPOCH = 1_700_000_000 * S
RNG = np.random.default_rng(0)
SCENE = cv2.GaussianBlur(RNG.normal(0, 1, (200, 250)).astype(np.float32), (0, 0), 2)
SCENE = (120 + 40 * SCENE / SCENE.std()).clip(0, 255).astype(np.uint8)


def shake(t, repeats=False):
    """Where the cameras look, pixels: as held by hand, or as on a motor."""
    if repeats:
        return 5 * np.sin(2 * np.pi * 4 * t), 0.0
    return tuple(
        sum(4 / f * np.sin(2 * np.pi * f * t + p + i) for f, p in ((0.4, 1), (0.9, 2), (1.7, 4))) for i in (0, 9)
    )


def view(t, thermal, moves=shake, noise=0.0, rng=RNG):
    x, y = moves(t)
    seen = cv2.warpAffine(SCENE, np.float32([[1, 0, -45 - x / 2], [0, 1, -40 - y / 2]]), (160, 120))
    seen = 255 - seen if thermal else seen
    if noise:
        seen = (seen + noise * rng.normal(0, 1, seen.shape)).clip(0, 255).astype(np.uint8)
    return Image(seen, "mono8")


@dataclass(frozen=True)
class Thermal:
    """How the thermal camera stamps; colour comes at 30 Hz, and as much of it is lost."""

    offset: float
    rate: float = 30.0
    jitter: float = 0.0
    loss: float = 0.0
    known: float = 0.0


def watch(seconds, thermal, estimator=None, start=0.0, jump=0.0, seen=view, **what):
    """An estimator that has seen both cameras for some seconds from `start`, and its answers: (seconds, estimate)."""
    rng, estimator, answers, arriving = np.random.default_rng(1), estimator or OffsetEstimator(), [], []
    for stream, rate, ahead, jitter in ((RGB, 30.0, 0.0, 0.0), (THERMAL, thermal.rate, thermal.offset, thermal.jitter)):
        for i in range(int(seconds * rate)):
            if rng.random() >= thermal.loss:
                t = start + i / rate + 0.004 * (stream == THERMAL)
                stamp = EPOCH + round(S * (t + jump + ahead + rng.normal(0, jitter)))
                arriving.append((round(S * (t + 0.02)), stamp, t, stream))
    for arrival, stamp, t, stream in sorted(arriving):
        known = round(S * thermal.known * (stream == THERMAL))
        frame = CameraFrame(stream, stamp, arrival, lambda: None, offset=known)
        if estimator.see(frame, seen(t, stream == THERMAL, rng=rng, **what)):
            answers.append((t, estimator.newest))
    return estimator, answers


@pytest.mark.parametrize(
    ("thermal", "what"),
    [
        (Thermal(0.0), {}),
        (Thermal(0.3), {}),
        (Thermal(-0.25), {"noise": 4.0}),
        (Thermal(0.04, rate=9.0, jitter=0.01, loss=0.1), {}),
        (Thermal(-0.1, rate=60.0), {}),
    ],
    ids=str,
)
def test_it_is_found_within_ten_seconds_as_exactly_as_it_says(thermal, what):
    estimator, answers = watch(10, thermal, **what)
    estimate = estimator.newest
    assert estimate is not None, estimator.why_none
    assert abs(estimate.offset - thermal.offset) < max(0.006, 3 * estimate.uncertainty) < 0.03
    assert next(t for t, one in answers if one) < 9


def test_what_moves_before_one_camera_alone_hardly_counts():
    """Both turn; and before the colour camera each part of what it sees sways by itself."""

    def seen(t, thermal, rng):
        image = view(t, thermal)
        for number, part in enumerate(np.ndindex(3, 4) if not thermal else ()):
            rows, columns = (slice(40 * at, 40 * at + 40) for at in part)
            own = view(t, thermal, lambda t, n=number: 2 * np.array(shake(7.3 * n + 1.37 * t)) + shake(t))
            image.data[rows, columns] = own.data[rows, columns]
        return image

    estimator, _ = watch(10, Thermal(0.1), seen=seen)
    assert estimator.newest is not None, estimator.why_none
    assert abs(estimator.newest.offset - 0.1) < 0.01


@pytest.mark.parametrize("regular", [True, False])
def test_stamps_that_jitter_are_brought_to_the_beat_of_a_regular_camera_alone(regular):
    rng = np.random.default_rng(3)
    times = np.cumsum(np.full(80, 1 / 9) if regular else rng.uniform(0.04, 0.2, 80))
    times = times[rng.random(80) > 0.1]
    stamps = times + rng.normal(0, 0.01, len(times))
    error = clock_offset._on_beat(stamps) - times
    assert np.abs(error).max() < 0.004 if regular else np.array_equal(error, stamps - times)


def test_what_is_taken_off_already_is_part_of_it():
    """A clock that is hours ahead, of which all but a little is set by hand."""
    estimator, _ = watch(10, Thermal(7200.1, known=7200.0))
    assert abs(estimator.newest.offset - 7200.1) < 0.006


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"moves": lambda t: (0.0, 0.0), "noise": 3.0}, "do not move"),
        ({"moves": lambda t: (0.0, 0.0)}, "less than 5 s"),
        ({"moves": lambda t: shake(t, repeats=True)}, "fits several offsets"),
    ],
    ids=["noise", "still", "a motion that repeats"],
)
def test_a_scene_that_cannot_tell_is_refused(what, why):
    estimator, answers = watch(10, Thermal(0.1), **what)
    assert not any(one for _, one in answers)
    assert why in estimator.why_none


def test_cameras_that_see_different_things_are_refused():
    estimator = OffsetEstimator()
    for i in range(300):
        for stream, t in ((RGB, i / 30), (THERMAL, 100 + 1.37 * i / 30)):
            arrival = round(S * i / 30) + 1 + (stream == THERMAL)
            estimator.see(CameraFrame(stream, EPOCH + arrival, arrival, lambda: None), view(t, stream == THERMAL))
    assert estimator.newest is None


@pytest.mark.parametrize("jump", [-3600.0, 7.0], ids=str)
def test_after_a_jump_of_the_clock_it_begins_anew(jump):
    estimator, _ = watch(8, Thermal(0.1))
    assert estimator.newest is not None
    _, answers = watch(8, Thermal(0.2), estimator, start=8.1, jump=jump)
    assert answers[2][1] is None, "the images before say nothing any more"
    assert abs(estimator.newest.offset - 0.2) < 0.01


def test_images_of_the_past_are_not_seen_again():
    """A target that is started on an old image has the tracker work through it and all after it once more."""
    estimator, _ = watch(9, Thermal(0.1))
    before = estimator.newest
    old = CameraFrame(THERMAL, EPOCH + 3 * S, 3 * S, lambda: None)
    assert not estimator.see(old, view(0, True)) and estimator.newest is before
