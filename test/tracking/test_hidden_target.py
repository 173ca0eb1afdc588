"""A target that hides: what is said of it meanwhile, and where it is looked for."""

from dataclasses import replace

import numpy as np
import pytest
from moving_target import CELL, CONFIDENCE, error, follow, hide, path

from ckd_ros.frames import FramePair, Image, Timing
from ckd_ros.tracking import OnnxEngine, Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.engine.spec import Maps

CONFIG = TrackerConfig(box_correction=0.0, confidence=CONFIDENCE)
#: Frames after which a target may look like anything.
LONG = 100


def turned(pair: FramePair, by: int) -> FramePair:
    """What cameras see that have turned by so many colour pixels to the right."""
    return FramePair(
        Image(np.roll(pair.rgb.data, -by, axis=1), pair.rgb.encoding),
        Image(np.roll(pair.thermal.data, -by // 2, axis=1), pair.thermal.encoding),
    )


def test_the_deviation_grows_while_it_hides_and_the_box_is_no_longer_claimed(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    seen = follow(tracker, scene, range(1, 5))
    deviations, states = [seen.position_stddev], []
    for _ in range(20):
        result = hide(tracker, scene, 1)
        deviations.append(result.position_stddev)
        states.append(result.state)
    assert 0 < deviations[0] < 15 and (np.diff(deviations[1:]) > 0).all()
    assert states[-1] is TrackState.LOST and result.confidence == 0.0 < result.score
    assert follow_up(tracker, scene, path(5)).position_stddev < deviations[3]


def follow_up(tracker, scene, place):
    """Show the target until it is found."""
    for _ in range(10):
        result = tracker.update(scene(place))
        if result.state is TrackState.TRACKING:
            return result
    raise AssertionError("it was not found")


@pytest.mark.parametrize("rate", [9, 60])
def test_what_is_known_of_its_place_is_a_matter_of_time_not_of_frames(model_path, scene, rate):
    """A second of hiding, beside a camera of 30 Hz."""

    def after_a_second(rate):
        tracker = Tracker(OnnxEngine(model_path, threads=1), config=CONFIG)
        for k in range(5 + rate):
            pair = replace(scene(path(0) if k < 5 else None), timing=Timing(10**18 + round(k * 1e9 / rate)))
            result = tracker.update(pair) if k else tracker.init(pair, scene.box(path(0)))
        return result.position_stddev

    assert after_a_second(rate) == pytest.approx(after_a_second(30), rel=0.05)


def test_while_lost_the_box_stays_where_it_was_in_the_world(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    lost = hide(tracker, scene, 8)
    for turn in range(4, 61, 4):
        result = tracker.update(turned(scene(None), turn))
    assert result.state is TrackState.LOST
    np.testing.assert_allclose(result.box[0], lost.box[0] - 60, atol=2)
    np.testing.assert_allclose(result.box[1], lost.box[1], atol=2)


def test_the_confidence_is_what_the_networks_file_says_of_the_score(save_model, metadata, scene):
    path_of_model = save_model(metadata={**metadata, "reliability": "0:0.01 1:0.5"})
    tracker = Tracker(OnnxEngine(path_of_model, threads=1), config=CONFIG)
    tracker.init(scene(path(0)), scene.box(path(0)))
    result = follow(tracker, scene, range(1, 3))
    assert result.confidence == pytest.approx(0.01 + 0.49 * result.score)
    lost = hide(tracker, scene, 12)
    assert lost.state is TrackState.LOST and lost.confidence == pytest.approx(0.01)


def test_what_appears_elsewhere_at_once_is_not_taken_for_it(tracker, scene):
    def shown(place):
        return scene(place, scale=2.0)  # a target of 40 pixels and more

    tracker.init(shown(path(0)), 2 * scene.box(path(0)))
    for place in [path(0)] * 3 + [None] * 12:
        lost = tracker.update(shown(place))
    assert lost.state is TrackState.LOST
    for _ in range(8):
        assert tracker.update(shown((190.0, 120.0))).state is TrackState.LOST
    for _ in range(5):
        found = tracker.update(shown(path(1)))
    assert found.state is TrackState.TRACKING and error(found, 2 * scene.box(path(1))) < 14


@pytest.mark.parametrize("gap", [False, True])
def test_a_leap_is_another_one_of_its_kind_unless_time_has_passed(tracker, scene, gap):
    """The target vanishes and another one appears a side and a half beside it, from one frame to the next."""

    def shown(place, moment):
        return replace(scene(place, scale=2.0), timing=Timing(moment * 33_000_000))

    tracker.init(shown(path(0), 1), 2 * scene.box(path(0)))
    for k in range(2, 20):
        seen = tracker.update(shown(path(0), k))
    x, y = path(0)
    other = (x + 55.0, y)
    leapt = tracker.update(shown(other, 30 if gap else 20))
    assert seen.state is TrackState.TRACKING
    if gap:
        assert leapt.score > 0.55 and error(leapt, 2 * scene.box(other)) < 14
    else:
        assert leapt.score < 0.45 and error(leapt, 2 * scene.box(path(0))) < 2 * CELL + 2


def test_a_camera_that_is_knocked_makes_no_leap(tracker, scene):
    """The whole picture is a side and more beside where it was, from one frame to the next."""

    place = path(10)

    def shown():
        return scene(place, scale=2.0)

    tracker.init(shown(), 2 * scene.box(place))
    for _ in range(15):
        seen = tracker.update(shown())
    knocked = tracker.update(turned(shown(), 112))
    assert seen.state is knocked.state is TrackState.TRACKING and knocked.score > 0.5
    np.testing.assert_allclose(knocked.box[0], seen.box[0] - 112, atol=14)


def test_a_lost_target_is_looked_for_in_what_a_turned_camera_sees(tracker, scene):
    """It is out of the picture where it was; the camera has turned by more than a picture."""
    tracker.init(scene(path(0)), scene.box(path(0)))
    hide(tracker, scene, 12)
    for turn in range(4, 441, 4):
        lost = tracker.update(turned(scene(None), turn % 320))
    assert lost.state is TrackState.LOST
    for _ in range(120):
        shown = scene((200.0, 150.0))
        result = tracker.update(turned(shown, 440 % 320))
        if result.state is TrackState.TRACKING:
            break
    assert result.state is TrackState.TRACKING


@pytest.mark.parametrize("small", [False, True])
def test_what_looks_otherwise_in_its_place_is_not_taken_for_it_unless_it_is_small_or_that_has_lasted_long(
    engine, scene, monkeypatch, small
):
    """The network takes whatever is there for the target."""
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    place, scale = path(10), 1.0 if small else 2.0
    box = scale * scene.box(place)

    def shown(sure, brighter=0.0):
        score, size = np.full((16, 16), 0.01, np.float32), np.full((2, 16, 16), 0.25, np.float32)
        score[8, 8] = sure
        monkeypatch.setattr(engine, "run", lambda inputs: Maps(score, size, np.zeros((2, 16, 16), np.float32)))
        return tracker.update(scene(place, scale=scale, brighter=brighter))

    tracker.init(scene(place, scale=scale), box)
    for _ in range(30):
        shown(0.95)
    assert shown(0.85).score == pytest.approx(0.85), "it looks as it did"
    result = shown(0.85, brighter=80.0)
    assert result.score == pytest.approx(0.85) if small else result.score < 0.1
    if not small:
        for _ in range(20):
            result = shown(0.85, brighter=80.0)
            assert result.score < 0.45
        assert result.state is TrackState.LOST
        for _ in range(LONG):
            result = shown(0.85, brighter=80.0)
        assert result.state is TrackState.TRACKING and result.score > 0.8, "the light may have changed"


def test_after_a_jump_of_the_gain_a_target_may_look_otherwise(engine, scene, monkeypatch):
    """Another exposure, while the thermal camera shows the target cooler, which alone would not count."""
    tracker = Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))
    box = 2 * scene.box(path(10))
    usual, cooler = scene(path(10), scale=2.0), scene(path(10), scale=2.0, brighter=-80.0)
    exposed = Image(np.clip(usual.rgb.data.astype(float) * 1.5 - 20, 0, 255).astype(np.uint8), "rgb8")
    score, size = np.full((16, 16), 0.01, np.float32), np.full((2, 16, 16), 0.25, np.float32)
    monkeypatch.setattr(engine, "run", lambda inputs: Maps(score, size, np.zeros((2, 16, 16), np.float32)))
    score[8, 8] = 0.95
    tracker.init(usual, box)
    for _ in range(30):
        tracker.update(usual)
    score[8, 8] = 0.85
    assert all(tracker.update(FramePair(exposed, cooler.thermal)).score == pytest.approx(0.85) for _ in range(5))
