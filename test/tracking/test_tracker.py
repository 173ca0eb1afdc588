"""The tracker follows, doubts, loses and finds a target, with both cameras or one, whatever the streams do.

Through real ONNX Runtime, on the correlation network of `conftest.py`: its answers are exact to a cell, 9 RGB pixels.
"""

import numpy as np
import pytest
from moving_target import CELL, CONFIDENCE, error, follow, hide, path

from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import ConfidenceConfig, Registration, Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.engine.spec import Maps

#: Frames after which a target may be found anywhere.
LONG = 100


def test_it_follows_a_moving_target(tracker, scene):
    first = tracker.init(scene(path(0)), scene.box(path(0)))
    assert first.state is TrackState.TRACKING and first.confidence > 0.4
    assert np.allclose(first.box, scene.box(path(0))) and np.allclose(first.thermal_box, scene.box(path(0)) / 2)
    result = follow(tracker, scene, range(1, 40))
    assert result.used_rgb and result.used_thermal
    assert result.confidence > 0.55
    assert np.allclose(result.box[2:], scene.box_size, atol=1.0)
    assert np.allclose(result.thermal_box, result.box / 2)
    assert 0 < result.inference_s < result.total_s


@pytest.mark.parametrize("visible", ["rgb", "thermal"])
def test_one_camera_is_enough_for_a_while(tracker, scene, visible):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    alone = follow(tracker, scene, range(10, 25), rgb=visible == "rgb", thermal=visible == "thermal")
    assert (alone.used_rgb, alone.used_thermal) == (visible == "rgb", visible == "thermal")
    both = follow(tracker, scene, range(25, 30))
    assert both.used_rgb and both.used_thermal


def test_a_modality_that_comes_later_joins_once_the_other_is_confident(tracker, scene):
    tracker.init(scene(path(0), thermal=False), scene.box(path(0)))
    result = follow(tracker, scene, range(1, 5), thermal=False)
    assert np.isnan(result.thermal_box).all()
    result = tracker.update(scene(path(5)))
    assert not result.used_thermal and np.allclose(result.thermal_box, result.box / 2)
    assert tracker.update(scene(path(6))).used_thermal
    for k in range(7, 15):
        result = tracker.update(scene(path(k), rgb=False))
        # The late template is cut where the target was found, off by up to half a cell itself.
        assert result.used_thermal and error(result, scene.box(path(k))) < 2 * CELL


def test_a_modality_that_comes_while_the_target_is_hidden_waits(tracker, scene):
    tracker.init(scene(path(0), thermal=False), scene.box(path(0)))
    follow(tracker, scene, range(1, 3), thermal=False)
    for _ in range(4):
        assert not tracker.update(scene(None)).used_thermal
    assert not tracker.update(scene(path(3))).used_thermal


def test_only_images_without_a_template_count_as_no_evidence(tracker, scene):
    tracker.init(scene(path(0), thermal=False), scene.box(path(0)))
    for _ in range(10):
        result = tracker.update(scene(path(0), rgb=False))
    assert result.confidence == 0.0 and result.state is TrackState.LOST
    assert not result.used_rgb and not result.used_thermal and result.inference_s == 0.0
    assert np.allclose(result.box, scene.box(path(0)))


def test_a_thermal_stream_alone_is_tracked_in_its_own_pixels(tracker, scene):
    tracker.init(scene(path(0), rgb=False), scene.box(path(0)) / 2)
    for k in range(1, 20):
        result = tracker.update(scene(path(k), rgb=False))
        assert error(result, scene.box(path(k)) / 2) < CELL / 2
    assert result.used_thermal and not result.used_rgb and np.allclose(result.box, result.thermal_box)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (6.0, -4.0)])
def test_boxes_move_to_rgb_pixels_when_the_first_colour_image_comes(engine, scene, offset):
    registration = Registration.from_config({"type": "offset", "offset": offset})
    tracker = Tracker(engine, registration, TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    pair = scene(path(0))
    shifted = Image(np.roll(pair.thermal.data, (int(offset[1]), int(offset[0])), axis=(0, 1)), "mono16")
    truth = scene.box(path(0))
    tracker.init(FramePair(None, shifted), truth / 2 + [*offset, 0, 0])
    result = tracker.update(FramePair(pair.rgb, shifted))
    assert result.state is TrackState.TRACKING and error(result, truth) < CELL
    assert tracker.update(FramePair(pair.rgb, shifted)).used_rgb


def test_settings_change_between_frames_and_the_target_stays(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 5))
    strict = ConfidenceConfig(uncertain_below=0.99, uncertain_after=1, tracking_above=0.999, lost_below=0.0)
    shifted = Registration.from_config({"type": "offset", "offset": [3.0, 0.0]})
    tracker.configure(shifted, TrackerConfig(refine_bound=0.0, confidence=strict))
    result = tracker.update(scene(path(5)))
    assert result.state is TrackState.UNCERTAIN and error(result, scene.box(path(5))) < 2 * CELL
    assert np.allclose(result.thermal_box, result.box / 2 + [3, 0, 0, 0])


def test_the_thermal_crop_follows_the_registration(engine, scene):
    """With a thermal camera that is shifted by half a target, thermal alone still finds the target's place in RGB."""
    registration = Registration.from_config({"type": "offset", "offset": [9.0, -7.0]})
    tracker = Tracker(engine, registration, TrackerConfig(box_correction=0.0, refine_bound=0.0, confidence=CONFIDENCE))

    def shifted(k, rgb):
        pair = scene(path(k))
        return FramePair(pair.rgb if rgb else None, Image(np.roll(pair.thermal.data, (-7, 9), axis=(0, 1)), "mono16"))

    tracker.init(shifted(0, True), scene.box(path(0)))
    for k in range(1, 15):
        result = tracker.update(shifted(k, False))
        assert error(result, scene.box(path(k))) < CELL
    assert np.allclose(result.thermal_box, result.box / 2 + [9, -7, 0, 0])


def test_doubt_holds_the_size_and_loss_holds_the_box(engine, scene):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    tracker.init(scene(path(0)), scene.box(path(0)))
    seen = follow(tracker, scene, range(1, 10))
    states, boxes = [], []
    for _ in range(20):
        result = tracker.update(scene(None))
        states.append(result.state)
        boxes.append(result.box)
    assert states[0] is TrackState.TRACKING and states[1] is TrackState.UNCERTAIN and states[-1] is TrackState.LOST
    assert states == sorted(states)
    # nothing like the target was there: the box did not drift from where the target was going to be
    assert np.allclose(boxes, boxes[0], atol=0.5) and error(result, scene.box(path(10))) < 1.5 * CELL
    assert np.allclose(result.box[2:], seen.box[2:])


def test_a_lost_target_is_found_far_away_and_followed_again(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 5))
    lost = hide(tracker, scene, LONG)
    assert lost.state is TrackState.LOST
    there = (255.0, 190.0)  # 170 pixels away; a search window reaches 72
    for _ in range(25):
        result = tracker.update(scene(there))
        if result.state is TrackState.TRACKING:
            break
        assert np.allclose(result.box, lost.box, atol=0.5)  # until the find is confirmed
    assert result.state is TrackState.TRACKING and error(result, scene.box(there)) < CELL
    assert np.allclose(result.box[2:], scene.box_size, atol=2.0)
    for k in range(10):
        result = tracker.update(scene((255.0 - 3 * k, 190.0)))
        assert error(result, scene.box((255.0 - 3 * k, 190.0))) < CELL + 0.5  # search windows stand on whole pixels


def test_a_find_must_be_seen_again_to_count(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    assert hide(tracker, scene, 12).state is TrackState.LOST
    flash = tracker.update(scene(path(3)))  # near the last place, so it is looked at
    assert flash.score >= CONFIDENCE.reacquire_above and flash.state is TrackState.LOST
    assert hide(tracker, scene, 1).state is TrackState.LOST
    assert tracker.update(scene(path(3))).state is TrackState.LOST
    assert tracker.update(scene(path(3))).state is TrackState.TRACKING


@pytest.mark.parametrize("windows", [0, 1, 4])
def test_the_search_costs_as_many_inferences_as_configured(model_path, scene, windows):
    from ckd_ros.tracking import OnnxEngine

    engine, calls = OnnxEngine(model_path, threads=1), []
    run = engine.run
    engine.run = lambda inputs: calls.append(1) or run(inputs)
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE, lost_windows=windows))
    tracker.init(scene(path(0)), scene.box(path(0)))
    calls.clear()
    tracker.update(scene(path(1)))
    assert len(calls) == 1
    assert hide(tracker, scene, 12).state is TrackState.LOST
    calls.clear()
    tracker.update(scene(None))
    assert len(calls) == 1 + windows


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_change_of_resolution_goes_unnoticed(tracker, scene, scale):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    for k in range(10, 20):
        result = tracker.update(scene(path(k), scale=scale))
        assert error(result, scene.box(path(k)) * scale) < CELL * scale
        assert np.allclose(result.box[2:], np.multiply(scene.box_size, scale), atol=2.0)
        assert np.allclose(result.thermal_box, result.box / 2)
    follow(tracker, scene, range(20, 25))


def test_a_thermal_change_of_resolution_leaves_the_box_alone(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    small = scene(path(1), scale=0.5).thermal
    result = tracker.update(FramePair(scene(path(1)).rgb, small))
    assert error(result, scene.box(path(1))) < CELL and np.allclose(result.thermal_box, result.box / 4)


def test_a_change_of_resolution_while_lost_keeps_the_search_going(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    lost = hide(tracker, scene, LONG)
    result = tracker.update(scene(None, scale=2.0))
    assert result.state is TrackState.LOST and np.allclose(result.box, 2 * lost.box)
    for _ in range(30):
        result = tracker.update(scene((250.0, 190.0), scale=2.0))
    assert error(result, 2 * scene.box((250.0, 190.0))) < 2 * CELL


def test_at_the_edge_part_of_the_box_stays_inside(tracker, scene):
    def leaving(k):
        return 270.0 + 3 * k, 120.0

    tracker.init(scene(leaving(0)), scene.box(leaving(0)))
    for k in range(1, 40):
        x, y, w, h = tracker.update(scene(leaving(k))).box
        assert x >= 0 and y >= 0 and x + w <= 320 and y + h <= 240 and w >= 10 and h >= 10


def test_a_small_target_is_not_blown_up(engine, scene):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    pair = scene(path(0))
    x, y = path(0)
    tracker.init(pair, (x, y, 4.0, 3.0))
    assert np.all(tracker.update(pair).box[2:] < 6.0)


def test_a_radiometric_jump_does_not_disturb(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    for k in range(1, 20):
        pair = scene(path(k), rgb=False)
        jumped = pair.thermal.data * 2 + 9000 if k >= 10 else pair.thermal.data
        result = tracker.update(FramePair(None, Image(jumped, "mono16")))
        assert error(result, scene.box(path(k))) < CELL


def answering(monkeypatch, engine, confidence: float, cell=(8, 8), size=(0.25, 0.25)):
    """Let the network answer one box from now on: a score at a (row, column) cell and a size in search windows."""
    score, sizes = np.zeros((16, 16), np.float32), np.zeros((2, 16, 16), np.float32)
    score[cell] = confidence
    sizes[0], sizes[1] = size
    monkeypatch.setattr(engine, "run", lambda inputs: Maps(score, sizes, np.zeros((2, 16, 16), np.float32)))


def test_the_size_follows_with_momentum_while_sure_and_is_held_while_in_doubt(engine, scene, monkeypatch):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE, size_momentum=0.6))
    pair = scene((160.0, 120.0))
    tracker.init(pair, (140.0, 100.0, 40.0, 40.0))  # the search window is 160 pixels wide
    answering(monkeypatch, engine, 0.9, size=(0.5, 0.25))
    grown = tracker.update(pair).box
    assert np.allclose(grown[2:], [0.6 * 40 + 0.4 * 80, 40.0])
    answering(monkeypatch, engine, 0.48, size=(0.1, 0.1))
    for _ in range(5):
        doubted = tracker.update(pair)
        assert np.allclose(doubted.box[2:], grown[2:])
    assert doubted.state is TrackState.UNCERTAIN


def test_weak_evidence_moves_the_box_and_none_does_not(engine, scene, monkeypatch):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    pair = scene((160.0, 120.0))
    start = tracker.init(pair, (140.0, 100.0, 40.0, 40.0)).box
    answering(monkeypatch, engine, 0.44, cell=(8, 10))
    assert np.allclose(tracker.update(pair).box, start)
    answering(monkeypatch, engine, 0.46, cell=(8, 10))
    assert np.allclose(tracker.update(pair).box, start + [20, 0, 0, 0])


def test_a_box_that_ran_into_the_edge_leaves_it_at_once(engine, scene, monkeypatch):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    pair = scene((160.0, 120.0))
    tracker.init(pair, (140.0, 100.0, 40.0, 40.0))
    answering(monkeypatch, engine, 0.95, cell=(8, 12))
    for _ in range(20):
        at_edge = tracker.update(pair).box
    assert np.allclose(at_edge, [310, 100, 10, 40])
    answering(monkeypatch, engine, 0.95, cell=(8, 6))
    assert np.allclose(tracker.update(pair).box, [290, 100, 30, 40])


def test_finds_in_changing_places_do_not_add_up(engine, scene):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE, lost_windows=64))
    tracker.init(scene(path(0)), scene.box(path(0)))
    hide(tracker, scene, LONG)
    for k in range(6):
        result = tracker.update(scene((60.0, 60.0) if k % 2 else (260.0, 190.0)))
        assert result.score >= CONFIDENCE.reacquire_above and result.state is TrackState.LOST


def test_a_model_that_answers_nan_loses_the_target_but_never_fails(engine, scene, monkeypatch):
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    tracker.init(scene(path(0)), scene.box(path(0)))
    nan = np.full((2, 16, 16), np.nan, np.float32)
    monkeypatch.setattr(engine, "run", lambda inputs: Maps(nan[0], nan, nan))
    for _ in range(20):
        result = tracker.update(scene(path(0)))
    assert result.state is TrackState.LOST and result.confidence == 0.0
    assert np.allclose(result.box, scene.box(path(0)))


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="window_weight is 1.5: it must be a number from 0 to 1"):
        TrackerConfig(window_weight=1.5)


def test_each_search_goes_ahead_with_the_target_and_a_target_found_again_starts_at_rest(tracker, scene, monkeypatch):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 20))
    target = tracker._target
    ahead, before, windows = target.ahead(tracker.config.lead), target.box.copy(), []
    for_window = target.inputs.for_window
    monkeypatch.setattr(target.inputs, "for_window", lambda *a: windows.append(a[2]) or for_window(*a))
    tracker.update(scene(path(20)))
    middle = np.array([windows[0].x + windows[0].width / 2, windows[0].y + windows[0].height / 2])
    assert np.allclose(middle, ahead[:2] + ahead[2:] / 2, atol=0.5), "to whole pixels"
    assert 1.0 < middle[0] - (before[0] + before[2] / 2) < 3.0, "it moves by 3 pixels a frame"
    hide(tracker, scene, 30)
    assert tracker.state is TrackState.LOST
    for _ in range(10):
        tracker.update(scene((185.0, 140.0)))
    assert tracker.state is TrackState.TRACKING
    assert np.abs(target.motion).max() < 0.05
