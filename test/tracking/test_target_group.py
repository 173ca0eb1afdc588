"""Several targets in the same images: told apart, and asked about in one call."""

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
from moving_target import CELL, CONFIDENCE, error, path

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import iou
from ckd_ros.tracking import OnnxEngine, Registration, TargetGroup, Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.engine import model_file

PATCH = np.array([250.0, 30.0, 40.0, 32.0])  # of the background, far from the way of the target
CONFIG = TrackerConfig(box_correction=0.0, refine_bound=0.0, confidence=CONFIDENCE)


@pytest.fixture
def group(engine):
    return TargetGroup(engine, config=CONFIG)


def start(group, scene, most=4):
    group.init(1, scene(path(0)), scene.box(path(0)), most=most)
    group.init(2, scene(path(0)), PATCH, most=most)
    return group


def test_each_target_is_followed_and_found_under_its_number(group, scene):
    start(group, scene)
    for k in range(1, 25):
        results = group.update(scene(path(k)))
        assert list(results) == [1, 2] and {result.state for result in results.values()} == {TrackState.TRACKING}
        assert error(results[1], scene.box(path(k))) < CELL and error(results[2], PATCH) < 1.5 * CELL
    assert list(group.update(scene(path(25)), targets=[2])) == [2]
    group.remove(1)
    assert group.targets == (2,) and list(group.update(scene(path(26)))) == [2]
    with pytest.raises(KeyError):
        group.remove(1)


def test_one_target_gives_what_a_tracker_alone_gives(group, scene, engine):
    tracker = Tracker(engine, config=CONFIG)
    tracker.init(scene(path(0)), scene.box(path(0)))
    group.init(5, scene(path(0)), scene.box(path(0)))
    for k in range(1, 10):
        alone, result = tracker.update(scene(path(k))), group.update(scene(path(k)))[5]
        assert np.array_equal(alone.box, result.box) and alone.confidence == result.confidence


def test_a_target_that_is_shown_while_the_colour_camera_is_away_is_in_colour_pixels_too(group, scene):
    """Thermal images are half as large."""
    group.init(1, scene(path(0)), scene.box(path(0)))
    group.remove(1)
    result = group.init(2, scene(path(1), rgb=False), scene.box(path(1)) / 2, drawn_in="thermal")
    assert error(result, scene.box(path(1))) < 1
    result = group.update(scene(path(2), rgb=False))[2]
    assert error(result, scene.box(path(2))) < CELL


def test_what_all_ask_is_one_call(scene, engine):
    class Counting:
        spec, grid, provider, narrow_size, calls = engine.spec, engine.grid, engine.provider, None, []

        def run(self, inputs):
            self.calls.append(1)
            return engine.run(inputs)

        def run_many(self, inputs):
            self.calls.append(len(inputs))
            return engine.run_many(inputs)

    group = start(TargetGroup(Counting(), config=CONFIG), scene)
    Counting.calls.clear()
    group.update(scene(path(1)))
    assert Counting.calls == [2]
    for k in range(40):
        group.update(scene(None) if k < 20 else scene(path(k)))  # one is lost, and looked for in more windows
    assert set(Counting.calls) == {1, 2}


class Seeing(OnnxEngine):
    """Notes the sides of the search crops."""

    sides: ClassVar[list[int]] = []

    def run(self, inputs):
        self.sides.append(inputs["search_rgb"].shape[-1])
        return super().run(inputs)

    def run_many(self, inputs):
        self.sides += [one["search_rgb"].shape[-1] for one in inputs if len(inputs) > 1]
        return super().run_many(inputs)


@pytest.mark.parametrize(("most", "usual"), [(3, 224), (4, 160)])
def test_four_and_more_are_looked_for_in_narrower_windows_while_they_are_seen(most, usual):
    sequence = SimulatedSequence(SimulatorConfig(frames=30, look_alikes=most - 1, motion=0.3))
    pairs, truth = list(sequence.frames()), np.concatenate([sequence.boxes[:, None], sequence.other_boxes], axis=1)
    group = TargetGroup(Seeing(model_file("tiny"), ["cpu"], targets=most))
    shown = [number for number in range(most) if np.isfinite(truth[0, number]).all()]
    for number in shown:
        group.init(number + 1, pairs[0], truth[0, number], most=most)
    group.update(pairs[1])
    Seeing.sides.clear()
    for pair in pairs[2:]:
        results = group.update(pair)
    assert len(group.targets) == most and Counter(Seeing.sides).most_common(1)[0][0] == usual
    overlap = iou(np.array([results[n + 1].box for n in shown]), truth[-1, shown])
    assert np.median(overlap) > 0.6
    Seeing.sides.clear()
    group.update(FramePair(Image(np.zeros((512, 640, 3), np.uint8), "rgb8"), None))
    assert Seeing.sides[-1] == 224, "what is not found there is looked for in the whole window, in the same image"


def test_a_full_group_refuses_and_keeps_what_it_has(group, scene):
    start(group, scene, most=2)
    with pytest.raises(ValueError, match=r"targets 1, 2 are followed, and max_targets is 2: stop one of them"):
        group.init(3, scene(path(0)), [30, 180, 40, 32], most=2)
    assert group.targets == (1, 2)
    group.init(3, scene(path(0)), scene.box(path(0)) + [2, 0, 0, 0], most=2)
    assert group.targets == (2, 3), "the box is on the first target: it is that one, drawn anew"
    group.init(4, scene(path(0)), PATCH)
    assert group.targets == (4,), "where one target is followed, a new one takes its place"


def test_settings_reach_every_target(group, scene):
    start(group, scene)
    registration = Registration()
    group.configure(registration, TrackerConfig(lead=0.1))
    assert {(t.config.lead, t.registration is registration) for t in group._trackers.values()} == {(0.1, True)}


def two(scene, one, other) -> FramePair:
    """Two targets that look the same, the first in front of the other."""
    w, h = scene.size
    behind, front = scene(other), scene(one)
    x, y, bw, bh = scene.box(one).astype(int)
    rgb, thermal = behind.rgb.data.copy(), behind.thermal.data.copy()
    rgb[y : y + bh, x : x + bw] = front.rgb.data[y : y + bh, x : x + bw]
    half = np.s_[y // 2 : (y + bh) // 2, x // 2 : (x + bw) // 2]
    thermal[half] = front.thermal.data[half]
    return FramePair(Image(rgb, "rgb8"), Image(thermal, "mono16"))


@pytest.mark.parametrize("speed", [2, 3])
def test_look_alikes_that_cross_stay_apart(group, scene, speed):
    def centres(k):
        return (70.0 + speed * k, 110.0), (250.0 - speed * k, 126.0)

    for number, centre in enumerate(centres(0), start=1):
        group.init(number, two(scene, *centres(0)), scene.box(centre), most=2)
    frames = round(180 / speed)
    for k in range(1, frames + 40):  # at the end they stand still, so that one that was lost is found
        results = group.update(two(scene, *centres(min(k, frames - 1))))
    for number, centre in enumerate(centres(frames - 1), start=1):
        assert results[number].state is TrackState.TRACKING
        assert error(results[number], scene.box(centre)) < 1.5 * CELL


def test_what_is_another_targets_is_not_taken(group, scene):
    """The second target hides: what looks like it is the first, which is followed."""
    one, other = (100.0, 100.0), (170.0, 116.0)
    group.init(1, two(scene, one, other), scene.box(one), most=2)
    group.init(2, two(scene, one, other), scene.box(other), most=2)
    for _ in range(20):
        results = group.update(scene(one))
        assert error(results[1], scene.box(one)) < CELL
        assert results[2].state is not TrackState.TRACKING or error(results[2], scene.box(one)) > 2 * CELL
    assert results[2].state is TrackState.LOST
    for _ in range(10):
        results = group.update(two(scene, one, other))
    assert results[2].state is TrackState.TRACKING and error(results[2], scene.box(other)) < CELL
