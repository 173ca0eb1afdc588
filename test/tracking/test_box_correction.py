"""What the network gets wrong about the box it was given is taken off the boxes it gives later."""

import numpy as np
import pytest

from ckd_ros.geometry import centre
from ckd_ros.tracking import ConfidenceConfig, Tracker, TrackerConfig
from ckd_ros.tracking.box_correction import BoxCorrection

TRUTH = np.array([100.0, 60.0, 40.0, 20.0])
#: 20 % too wide, 10 % too low, and 4 and -3 pixels off.
FOUND = np.array([100.0, 58.0, 48.0, 18.0])


def test_an_error_seen_at_first_is_taken_off_boxes_of_any_place_and_size():
    calibration = BoxCorrection.measure([FOUND], TRUTH, weight=1.0)
    assert np.allclose(calibration.correct(FOUND), TRUTH)
    twice = np.concatenate([2 * FOUND[:2] + [300, -80], 2 * FOUND[2:]])
    assert np.allclose(calibration.correct(twice), np.concatenate([2 * TRUTH[:2] + [300, -80], 2 * TRUTH[2:]]))


def test_the_weight_says_how_much_of_it():
    half = BoxCorrection.measure([FOUND], TRUTH, weight=0.5).correct(FOUND)
    assert np.allclose(centre(half), (centre(FOUND) + centre(TRUTH)) / 2)
    assert np.allclose(half[2:], np.sqrt(FOUND[2:] * TRUTH[2:]))
    assert np.allclose(BoxCorrection.measure([FOUND], TRUTH, weight=0.0).correct(FOUND), FOUND)


def test_the_error_is_the_mean_of_what_was_found():
    around = [TRUTH + [3, 0, 0, 0], TRUTH + [-3, 0, 0, 0]]
    assert np.allclose(BoxCorrection.measure(around, TRUTH, 1.0).correct(TRUTH), TRUTH)


def test_without_a_find_boxes_stay_as_they_are_and_a_find_of_something_else_counts_little():
    assert np.allclose(BoxCorrection.measure([], TRUTH, 1.0).correct(FOUND), FOUND)
    other = np.array([400.0, 60.0, 400.0, 20.0])
    corrected = BoxCorrection.measure([other], TRUTH, 1.0).correct(TRUTH)
    assert np.all(np.abs(centre(corrected) - centre(TRUTH)) <= 0.3 * TRUTH[2:] + 1e-9)
    assert np.all(corrected[2:] >= TRUTH[2:] / 1.6 - 1e-9)


@pytest.mark.parametrize(("weight", "grown"), [(1.0, False), (0.0, True)])
def test_a_network_that_draws_boxes_too_large_keeps_the_size_it_was_shown(engine, scene, monkeypatch, weight, grown):
    run = engine.run

    def too_large(inputs):
        maps = run(inputs)
        return maps._replace(size=1.2 * maps.size)

    monkeypatch.setattr(engine, "run", too_large)
    confidence = ConfidenceConfig(uncertain_below=0.5, tracking_above=0.55, lost_below=0.45)
    tracker = Tracker(engine, config=TrackerConfig(box_correction=weight, size_momentum=0.5, confidence=confidence))
    tracker.init(scene((120.0, 120.0)), scene.box((120.0, 120.0)))
    for _ in range(3):
        size = tracker.update(scene((120.0, 120.0))).box[2:]
    assert np.allclose(size, scene.box_size, rtol=0.02) is not grown
