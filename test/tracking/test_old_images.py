"""Images that are older than their pair: searched where the target was then, weighed by how little that is known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from moving_target import CELL

from ckd_ros.frames import Timing
from ckd_ros.tracking.inputs import NetworkInputs

START, PERIOD = 10**18, 33_000_000


def centre(frame):
    return 60.0 + 3.0 * frame, 70.0 + 1.0 * frame


def pair(scene, frame, thermal_frame=None, rgb_frame=None):
    """The images of two moments, at that of the newer one."""
    rgb, thermal = (frame if one is None else one for one in (rgb_frame, thermal_frame))
    ages = (frame - rgb) * PERIOD / 1e9, (frame - thermal) * PERIOD / 1e9
    images = replace(scene(centre(rgb)), thermal=scene(centre(thermal)).thermal)
    stamp, thermal_stamp, moment = (START + one * PERIOD for one in (rgb, thermal, frame))
    return replace(images, stamp=stamp, thermal_stamp=thermal_stamp, timing=Timing(moment, *ages))


def follow(tracker, scene, frames, **old):
    """Every result, with images so many frames old; the box is on the target."""
    results = []
    for frame in frames:
        results.append(tracker.update(pair(scene, frame, **{name: frame - age for name, age in old.items()})))
        box, truth = results[-1].box, scene.box(centre(frame))
        assert np.hypot(*(box[:2] + box[2:] / 2 - truth[:2] - truth[2:] / 2)) < 1.5 * CELL
    return results


@pytest.fixture
def placements(monkeypatch):
    """Those that the network's inputs were cut with, one after the other."""
    seen, for_window = [], NetworkInputs.for_window

    def watched(self, *arguments):
        seen.append(self.placements)
        return for_window(self, *arguments)

    monkeypatch.setattr(NetworkInputs, "for_window", watched)
    return seen


@pytest.mark.parametrize("old", [{"thermal_frame": 3}, {"rgb_frame": 3}], ids=str)
def test_the_crop_of_an_old_image_is_cut_where_the_target_was(tracker, scene, old, placements):
    tracker.init(pair(scene, 0), scene.box(centre(0)))
    follow(tracker, scene, range(1, 15))
    assert placements[-1] == {}
    result = follow(tracker, scene, range(15, 40), **old)[-1]
    assert result.used_rgb and result.used_thermal
    ((name, placement),) = placements[-1].items()
    assert name == ("tir" if "thermal_frame" in old else "rgb")
    np.testing.assert_allclose(placement.moved, [9.0, 3.0], atol=3.0)
    assert 0.4 < placement.weight < 0.95


def test_the_older_an_image_the_less_it_says_even_of_a_target_that_stands_still(tracker, scene, placements):
    """It shows where the target was; cut where the last motion has it, it confirms that motion."""
    tracker.init(replace(scene(centre(0)), timing=Timing(START)), scene.box(centre(0)))
    weights = {}
    for frame, age in enumerate([0.0] * 12 + [0.1, 0.2, 0.3], start=1):
        tracker.update(replace(scene(centre(0)), timing=Timing(START + frame * PERIOD, 0.0, age)))
        weights[age] = placements[-1]["tir"].weight if age else 1.0
    assert weights[0.1] > 0.9 and 0.5 < weights[0.2] < 0.7 and weights[0.3] < 0.15


class Watched:
    """An engine that keeps copies of what it is fed with."""

    def __init__(self, engine, inputs):
        self.spec, self.grid, self._engine, self._inputs = engine.spec, engine.grid, engine, inputs

    def run(self, inputs):
        self._inputs.append({name: value.copy() for name, value in inputs.items()})
        return self._engine.run(inputs)


def test_another_resolution_is_no_motion(tracker, scene, placements):
    tracker.init(pair(scene, 0), scene.box(centre(0)))
    follow(tracker, scene, range(1, 20))
    for frame in (20, 21):
        large = scene(centre(frame), scale=2.0).rgb
        tracker.update(replace(pair(scene, frame, thermal_frame=18), rgb=large))
    assert placements[-1]["tir"].weight > 0.4


def test_the_template_of_an_old_image_is_cut_anew_once_the_motion_is_known(tracker, scene, engine, monkeypatch):
    inputs = []
    monkeypatch.setattr(tracker, "engine", Watched(engine, inputs))
    first = tracker.init(pair(scene, 3, thermal_frame=0), scene.box(centre(3)))
    assert first.used_rgb and first.used_thermal, "an image that is a little off is better than none"
    looks = len(inputs)
    follow(tracker, scene, range(4, 30), thermal_frame=3)
    templates = [one["template_tir"] for one in inputs]
    changes = [not np.array_equal(one, other) for one, other in itertools.pairwise(templates)]
    assert sum(changes) == 1 and changes.index(True) - looks < 6
    tracker.init(pair(scene, 3), scene.box(centre(3)))
    tracker.update(pair(scene, 4))
    right = inputs[-1]["template_tir"]
    assert np.abs(templates[-1] - right).mean() < 0.6 * np.abs(templates[0] - right).mean()


def test_a_box_drawn_in_an_old_image_is_of_its_moment(tracker, scene, engine, monkeypatch):
    inputs = []
    monkeypatch.setattr(tracker, "engine", Watched(engine, inputs))
    tracker.init(pair(scene, 3, thermal_frame=0), scene.box(centre(0)) / 2, drawn_in="thermal")
    tracker.update(pair(scene, 4, thermal_frame=0))
    drawn = inputs[-1]["template_tir"]
    tracker.init(pair(scene, 0), scene.box(centre(0)))
    tracker.update(pair(scene, 1))
    assert np.array_equal(inputs[-1]["template_tir"], drawn)


def test_the_range_of_an_image_that_is_used_again_counts_once(tracker, scene, monkeypatch):
    images = pair(scene, 0)
    tracker.init(images, scene.box(centre(0)))
    updated = []
    monkeypatch.setattr("ckd_ros.tracking.thermal.ThermalNormalizer.update", lambda self, image: updated.append(image))
    for frame in range(1, 4):
        again = pair(scene, frame)
        tracker.update(replace(again, thermal=images.thermal, thermal_stamp=images.thermal_stamp))
    assert updated == []
    assert tracker.new_images.left_out == {"rgb": 0, "thermal": 0}
