"""Others of the target's kind beside it: learned, followed, and never the target itself."""

from dataclasses import replace

import numpy as np
import pytest
from moving_target import CONFIDENCE, error, path

from ckd_ros.frames import Image
from ckd_ros.tracking import OnnxEngine, Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.neighbours import Neighbours
from ckd_ros.tracking.tracker import _CERTAIN

TARGET = np.array([100.0, 100.0, 40.0, 40.0])
OTHER = np.array([170.0, 100.0, 40.0, 40.0])


def boxes(*rows) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 4)


def with_other() -> Neighbours:
    neighbours = Neighbours()
    neighbours.learn(boxes(OTHER), TARGET)
    return neighbours


def test_what_touches_the_target_is_none_of_the_others():
    neighbours = Neighbours()
    neighbours.learn(boxes(OTHER, TARGET + [25, 0, 0, 0], TARGET), TARGET)
    np.testing.assert_array_equal(neighbours.boxes_beside(), boxes(OTHER))
    neighbours.forget()
    assert not len(neighbours.boxes_beside())


def test_they_are_followed_and_go_on_as_they_went_where_they_are_not_seen():
    neighbours = with_other()
    for k in range(1, 6):
        neighbours.move_on()
        assert not len(neighbours.follow(boxes(OTHER + [4 * k, 0, 0, 0])))
    for _ in range(5):
        neighbours.move_on()
    (there,) = neighbours.boxes_beside()
    np.testing.assert_allclose(there, OTHER + [40, 0, 0, 0], atol=1)
    for _ in range(20):
        neighbours.move_on()
    assert not len(neighbours.boxes_beside()), "it was not seen for too long"


def test_of_two_finds_the_nearer_one_is_it_and_the_other_one_is_left():
    neighbours = with_other()
    neighbours.move_on()
    left = neighbours.follow(boxes(OTHER + [-15, 0, 0, 0], OTHER + [3, 0, 0, 0]))
    np.testing.assert_array_equal(left, boxes(OTHER + [-15, 0, 0, 0]))
    np.testing.assert_array_equal(neighbours.boxes_beside(), boxes(OTHER + [3, 0, 0, 0]))


def test_the_find_of_the_target_is_not_taken_for_one_of_them():
    neighbours = with_other()
    neighbours.move_on()
    near = OTHER - [15, 0, 0, 0]
    assert not len(neighbours.follow(boxes(near), target=near))
    np.testing.assert_array_equal(neighbours.boxes_beside(), boxes(OTHER))
    assert not len(neighbours.boxes_beside(target=near)), "nor is it said to be where a target is that was seen"


def test_they_are_asked_for_now_and_then_only():
    neighbours = Neighbours()
    assert neighbours.to_be_asked
    neighbours.learn(boxes(), TARGET)
    frames = 0
    while not neighbours.to_be_asked:
        neighbours.move_on()
        frames += 1
    assert frames == 10


@pytest.mark.parametrize("camera", ["rgb", "thermal"])
def test_a_pair_of_other_sizes_is_not_looked_at_again(tracker, scene, camera):
    """Of cameras that change their resolution the pair before has other pixels than the box, or its registration."""
    tracker.init(scene(path(0)), scene.box(path(0)))
    tracker.update(scene(path(1)))
    pair = scene(path(2))
    image = getattr(pair, camera)
    half = replace(pair, **{camera: Image(np.ascontiguousarray(image.data[::2, ::2]), image.encoding)})
    looked_at = []
    look = tracker.finder.look

    def noted(target, rgb, thermal, *others, **options):
        looked_at.append((rgb.size, thermal.size))
        return (yield from look(target, rgb, thermal, *others, **options))

    tracker.finder.look = noted
    tracker.update(half)
    assert set(looked_at) == {(half.rgb.size, half.thermal.size)}


@pytest.mark.parametrize("known", [True, False])
def test_one_that_was_beside_the_target_is_not_taken_for_it_when_it_hides(model_path, scene, monkeypatch, known):
    """Within reach of a target that vanishes there is another one, just like it, which comes nearer."""

    def shown(target, other):
        both = scene(target, scale=2.0)
        beside = scene(other, scale=2.0)
        dx = round(2 * other[0])
        for image, source, scale in ((both.rgb, beside.rgb, 1), (both.thermal, beside.thermal, 2)):
            x0, x1 = (dx - 45) // scale, (dx + 45) // scale
            image.data[:, x0:x1] = source.data[:, x0:x1]
        return both

    if not known:
        monkeypatch.setattr(Neighbours, "learn", lambda *_: None)
    tracker = Tracker(
        OnnxEngine(model_path, threads=1), config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE)
    )
    place, (x, y) = path(0), path(0)
    tracker.init(shown(place, (x + 62, y)), 2 * scene.box(place))
    for _ in range(12):
        seen = tracker.update(shown(place, (x + 62, y)))
    assert seen.state is TrackState.TRACKING and error(seen, 2 * scene.box(place)) < 14
    for k in range(25):
        result = tracker.update(shown(None, (x + max(25, 62 - 2 * k), y)))
    on_other = error(result, 2 * scene.box((x + 25, y))) < 20 and result.state is TrackState.TRACKING
    assert on_other != known
    for _ in range(6):
        found = tracker.update(shown(place, (x + 62, y)))
    assert not known or (found.state is TrackState.TRACKING and error(found, 2 * scene.box(place)) < 14)
    assert _CERTAIN > CONFIDENCE.tracking_above
