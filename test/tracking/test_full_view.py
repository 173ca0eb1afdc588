"""The size of a target that was covered more and more before it hid."""

import numpy as np
import pytest
from moving_target import path

from ckd_ros.tracking import TrackState
from ckd_ros.tracking.full_view import FullView

WIDTH, HEIGHT = 40.0, 20.0
PICTURE = (640, 512)


def seen(box_in, images: int, frames: float = 1.0) -> tuple[FullView, np.ndarray]:
    """What is known after images of a target that was in `box_in(k)` in each; the last box."""
    view = FullView()
    for k in range(images):
        view.go_on(frames)
        view.note(np.array(box_in(k), float))
    view.go_on(frames)
    return view, np.array(box_in(images - 1), float)


def covered(k: float, since: float = 40.0, step: float = 3.0) -> tuple[float, float, float, float]:
    """It moves to the right; from frame `since` on a board grows over it from the left, to nine tenths in 10 frames."""
    hidden = WIDTH * np.clip(0.09 * (k - since), 0.0, 0.9)
    return 300.0 + step * k + hidden, 50.0, WIDTH - hidden, HEIGHT


@pytest.mark.parametrize("step", [-5.0, 0.0, 3.0])
def test_a_target_that_was_covered_gets_its_size_back_where_it_was_going(step):
    view, box = seen(lambda k: covered(k, step=step), 50)
    assert box[2] < 0.3 * WIDTH
    x, _, _, _ = covered(50, since=1000, step=step)
    np.testing.assert_allclose(view.restore(box, PICTURE), [x, 50.0, WIDTH, HEIGHT], atol=abs(step) + 0.5)


def test_what_was_seen_last_stays_in_its_box():
    """It stopped as the board came, so that it is not where it was going."""
    view, box = seen(lambda k: covered(min(k, 40.0), step=6.0)[:2] + covered(k)[2:], 50)
    x, y, w, h = view.restore(box, PICTURE)
    assert (w, h) == (WIDTH, HEIGHT)
    assert x == pytest.approx(box[0]) and x + w >= box[0] + box[2]


def test_one_that_leaves_the_picture_is_not_covered():
    view, _ = seen(lambda k: (500.0 + 2 * k, 50.0, WIDTH, HEIGHT), 50)
    inside = np.array([615.0, 50.0, 20.0, HEIGHT])
    assert view.restore(inside, PICTURE)[2] == WIDTH
    for beyond in ([625.0, 50.0, 20.0, HEIGHT], [-2.0, 50.0, 20.0, 10.0], [50.0, -1.0, 20.0, 10.0]):
        np.testing.assert_array_equal(view.restore(np.array(beyond), PICTURE), beyond)


@pytest.mark.parametrize("known", [range(10, 15), range(6, 36, 6)])
def test_a_few_boxes_are_enough_however_old_they_are(known):
    """It was seen for certain in these images of 50, and in none since."""
    view = FullView()
    for k in range(50):
        view.go_on(1.0)
        if k in known:
            view.note(np.array([100.0 + 2 * k, 50.0, WIDTH, HEIGHT]))
    x, y, w, h = view.restore(np.array([190.0, 50.0, 20.0, HEIGHT]), PICTURE)
    assert (y, w, h) == (50.0, WIDTH, HEIGHT) and x == 190.0


def test_one_that_goes_away_or_comes_near_keeps_its_size():
    for growth in (0.992, 1.0, 1.03):
        view, box = seen(lambda k, growth=growth: (100.0, 50.0, WIDTH * growth**k, HEIGHT), 90)
        np.testing.assert_array_equal(view.restore(box, PICTURE), box)


@pytest.mark.parametrize("last", [(30.0, 20.0), (28.0, 57.0)])
def test_a_side_that_is_covered_grows_and_the_other_one_is_not_cut(last):
    """A person who walks behind a wall; and one who turns as she does, so that as much of her is seen as before."""
    view, _ = seen(lambda k: (100.0, 50.0, 20.0, 80.0), 40)
    np.testing.assert_allclose(view.restore(np.array([95.0, 110.0, *last]), PICTURE)[2:], [last[0], 80.0])


@pytest.mark.parametrize("images", [0, 5, 18])
def test_one_that_has_been_seen_for_too_short_a_time_keeps_its_size(images):
    view, _ = seen(lambda k: (100.0, 50.0, WIDTH, HEIGHT), images)
    small = np.array([100.0, 50.0, 8.0, 20.0])
    np.testing.assert_array_equal(view.restore(small, PICTURE), small)


def test_when_it_was_in_full_view_is_a_matter_of_time_not_of_images():
    """A camera of 9 Hz: the board came five images ago."""
    slow = 30 / 9
    view, box = seen(lambda k: covered(slow * k, since=75.0 - 4 * slow), 24, slow)
    assert box[2] < 0.3 * WIDTH
    np.testing.assert_allclose(view.restore(box, PICTURE)[2:], [WIDTH, HEIGHT])


def test_an_old_size_is_forgotten():
    """A person who has knelt for two seconds."""
    view, box = seen(lambda k: (100.0, 50.0, 20.0, 80.0 if k < 40 else 30.0), 100)
    np.testing.assert_array_equal(view.restore(box, PICTURE), box)


@pytest.mark.parametrize("resized", [False, True])
def test_a_target_that_shrank_before_it_was_lost_is_looked_for_in_full_size(tracker, scene, resized):
    """Its right half alone was seen at last. In images of another size from then on nothing is known of what was."""
    tracker.init(scene(path(0)), scene.box(path(0)))
    for _ in range(40):
        full = tracker.update(scene(path(0))).box
    tracker._target.box = full + [20.0, 0.0, -20.0, 0.0]
    scale = 2.0 if resized else 1.0
    for _ in range(8):
        lost = tracker.update(scene(None, scale=scale))
    assert lost.state is TrackState.LOST
    assert lost.box[2] == pytest.approx(scale * 20.0 if resized else full[2])
