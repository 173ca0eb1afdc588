"""A target is made whole or not at all: boxes that can be followed, and starts that fail."""

import numpy as np
import pytest
from moving_target import CELL, CONFIDENCE, follow, hide, path

from ckd_ros.tracking import OnnxEngine, Registration, Tracker, TrackerConfig, TrackState, default_model


def test_a_box_may_be_drawn_in_the_thermal_image(engine, scene):
    registration = Registration.from_config({"type": "offset", "offset": [9.0, -7.0]})
    tracker = Tracker(engine, registration, TrackerConfig(refine_bound=0.0))
    drawn = scene.box(path(0)) / 2 + [9, -7, 0, 0]
    result = tracker.init(scene(path(0)), drawn, drawn_in="thermal")
    assert np.allclose(result.thermal_box, drawn) and np.allclose(result.box, scene.box(path(0)))


@pytest.mark.parametrize(
    ("shown", "box", "drawn_in", "message"),
    [
        ({"thermal": False}, (10, 10, 20, 20), "thermal", "there is none"),
        ({}, (200, 10, 20, 20), "thermal", "inside the image of 160 x 120"),
        ({}, (10, 10, 20, 20), "infrared", "'infrared': expected rgb or thermal"),
    ],
)
def test_a_box_drawn_where_it_cannot_be_is_refused(tracker, scene, shown, box, drawn_in, message):
    with pytest.raises(ValueError, match=message):
        tracker.init(scene(path(0), **shown), box, drawn_in)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((float("nan"), 10, 20, 20), "four finite numbers"),
        ((10, 10, float("inf"), 20), "four finite numbers"),
        ((10, 10, 20), "four finite numbers"),
        ((10, 10, 0, 20), "width 0.*positive"),
        ((10, 10, 20, -5), "height -5.*positive"),
        ((400, 10, 20, 20), "inside the image of 320 x 240"),
        ((-19, 10, 20, 20), "inside the image of 320 x 240"),
        ((-1000, -1000, 5000, 5000), "reaches far outside the image of 320 x 240: 0 % of it lies inside"),
        ((-16, 10, 20, 20), "20 % of it lies inside, and at least 25 % must"),
        ((-10, -14, 400, 900), "reaches far outside"),
        ((10, 10, 1.0, 1.0), "less than 2 x 2 pixels"),
    ],
)
def test_a_box_that_cannot_be_followed_is_refused_and_the_old_target_kept(tracker, scene, box, message):
    tracker.init(scene(path(0)), scene.box(path(0)))
    with pytest.raises(ValueError, match=message):
        tracker.init(scene(path(1)), box)
    follow(tracker, scene, range(2, 6))


def test_what_the_network_is_not_sure_of_is_refused_where_that_is_asked_for_and_the_old_target_kept(scene):
    tracker = Tracker(OnnxEngine(default_model(), threads=1))
    pair, box, speck = scene(path(0)), scene.box(path(0)), (100, 100, 4, 4)
    assert tracker.init(pair, speck).confidence < 0.4 < 0.8 < tracker.init(pair, box, min_confidence=0.8).confidence
    with pytest.raises(ValueError, match=r"not sure of what was drawn: .* is 0\.\d+, min_confidence is 0\.8"):
        tracker.init(pair, speck, min_confidence=0.8)
    assert np.abs(tracker.update(pair).box - box).max() < CELL


def test_without_init_there_is_nothing_to_update(tracker, scene):
    assert tracker.state is TrackState.IDLE
    with pytest.raises(ValueError):
        tracker.init(scene(path(0)), (0, 0, 0, 0))
    assert tracker.state is TrackState.IDLE
    with pytest.raises(RuntimeError, match="init"):
        tracker.update(scene(path(0)))


def test_init_starts_afresh(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    hide(tracker, scene, 12)
    assert tracker.init(scene(path(5)), scene.box(path(5))).state is TrackState.TRACKING
    follow(tracker, scene, range(6, 10))


class FailingEngine:
    """An engine that raises in one of its runs, and works before and after it."""

    def __init__(self, engine):
        self._engine, self.fail_in = engine, None
        self.spec, self.grid, self.provider, self.describe = engine.spec, engine.grid, engine.provider, engine.describe
        self.narrow_size = engine.narrow_size

    def run(self, inputs):
        if self.fail_in is not None:
            self.fail_in -= 1
            if self.fail_in < 0:
                self.fail_in = None
                raise RuntimeError("the GPU is gone")
        return self._engine.run(inputs)


#: What stops a start: arguments of `init` (images shown, box, where it was drawn) and the engine's run that fails.
FAILED_STARTS = {
    "bad box": ({}, (10, 10, 20), "rgb", None, ValueError),
    "box outside": ({}, (400, 10, 20, 20), "rgb", None, ValueError),
    "another size": ({"scale": 0.5}, (200, 10, 20, 20), "rgb", None, ValueError),
    "drawn in a missing image": ({"thermal": False, "scale": 2.0}, (10, 10, 20, 20), "thermal", None, ValueError),
    "drawn in an unknown image": ({"rgb": False, "scale": 0.5}, (10, 10, 20, 20), "infrared", None, ValueError),
    "box outside once registered": ({}, (0.5, 0.5, 3, 3), "thermal", None, ValueError),
    "engine fails at once": ({}, (100, 80, 40, 32), "rgb", 0, RuntimeError),
    "engine fails in the middle": ({"scale": 2.0}, (100, 80, 40, 32), "rgb", 3, RuntimeError),
    "engine fails at the end": ({"thermal": False}, (100, 80, 40, 32), "rgb", 4, RuntimeError),
}


#: What the former target goes through before and after the failed start.
SITUATIONS = {
    "followed": ([{}] * 4, [{}] * 4),
    "without thermal so far": ([{"thermal": False}] * 3, [{}] * 5),
    "without rgb so far": ([{"rgb": False}] * 3, [{"rgb": False}, {"rgb": False}, {}, {}, {}]),
    "in doubt": ([{}, {"hidden": True}, {"hidden": True}], [{"hidden": True}] * 7 + [{}] * 3),
    "lost": ([{}] + [{"hidden": True}] * 12, [{"hidden": True}, {}, {}, {}]),
}


@pytest.mark.parametrize(
    ("situation", "failed"),
    [("followed", failed) for failed in FAILED_STARTS]
    + [(name, failed) for name in list(SITUATIONS)[1:] for failed in ("another size", "engine fails in the middle")],
)
def test_a_start_that_fails_leaves_the_former_target_exactly_as_it_was(engine, scene, situation, failed):
    shown, box, drawn_in, fail_in, error_type = FAILED_STARTS[failed]
    before, after = SITUATIONS[situation]

    def pair(k, hidden=False, **show):
        return scene(None if hidden else path(k), **show)

    def results(with_failed_start: bool):
        breaking = FailingEngine(engine)
        registration = Registration.from_config({"type": "offset", "offset": [9.0, 7.0]})
        config = TrackerConfig(confidence=CONFIDENCE)
        tracker = Tracker(breaking, registration, config)
        first = pair(0, **before[0])
        tracker.init(first, scene.box(path(0)) / (2 if first.rgb is None else 1))
        for k, show in enumerate(before[1:], start=1):
            tracker.update(pair(k, **show))
        if with_failed_start:
            state, breaking.fail_in = tracker.state, fail_in
            with pytest.raises(error_type):
                tracker.init(scene((200.0, 150.0), **shown), box, drawn_in)
            assert tracker.state is state and breaking.fail_in is None
        return [tracker.update(pair(k, **show)) for k, show in enumerate(after, start=len(before))]

    for untouched, found in zip(results(False), results(True), strict=True):
        np.testing.assert_array_equal(found.box, untouched.box)
        np.testing.assert_array_equal(found.thermal_box, untouched.thermal_box)
        assert (found.confidence, found.state) == (untouched.confidence, untouched.state)
        assert (found.used_rgb, found.used_thermal) == (untouched.used_rgb, untouched.used_thermal)


def test_a_first_start_that_fails_leaves_the_tracker_as_new(engine, scene):
    """Not even the sizes of its images are kept: a box drawn later without RGB is in thermal pixels."""
    tracker = Tracker(engine, config=TrackerConfig(confidence=CONFIDENCE))
    with pytest.raises(ValueError):
        tracker.init(scene(path(0)), (0, 0, 0, 0))
    assert tracker.state is TrackState.IDLE
    result = tracker.init(scene(path(0), rgb=False), scene.box(path(0)) / 2)
    assert np.allclose(result.box, result.thermal_box)
