"""Whether what is followed is still the target: its size, its look, and the belief in it."""

import numpy as np
import pytest
from look_alikes import OTHER, SIZE, TARGET, G, features, views

from ckd_ros.geometry import crop_window
from ckd_ros.tracking.engine.spec import Maps
from ckd_ros.tracking.identity import Identity, view_of
from ckd_ros.tracking.target_classifier import View

SCORE = 0.9


@pytest.fixture
def identity():
    return Identity(views())


def seen(centre, seed=20):
    return View(features(TARGET, OTHER, seed), centre, SIZE)


def factors(identity, shown, size=1.0):
    maps = Maps(np.ones((G, G), np.float32), np.ones((2, G, G), np.float32), np.zeros((2, G, G), np.float32))
    return identity.factors(maps, shown, np.full((2, G, G), size))


def test_boxes_of_another_size_are_held_down_and_doubled_as_much_as_halved(identity):
    same, double, half = (factors(identity, (None, None), size) for size in (1.0, 2.0, 0.5))
    assert np.allclose(same, 1.0) and np.allclose(double, half)
    assert double.max() < 0.05
    assert 0.8 < factors(identity, (None, None), 1.1).min()  # what changes a little is the target


def test_the_targets_cell_counts_more_than_its_look_alikes(identity):
    found = factors(identity, features(TARGET, OTHER, seed=20))
    at = [found[int(y), int(x)] for x, y in (TARGET, OTHER)]
    assert found.shape == (G, G) and at[0] > 1.3 * at[1]


def test_the_confidence_is_the_score_while_the_target_is_followed(identity):
    for seed in range(20, 40):
        assert identity.follow(seen(TARGET, seed), SCORE) > 0.98 * SCORE


def test_belief_and_confidence_fall_while_another_object_is_followed_and_come_back_with_the_target(identity):
    empty = np.array([13.0, 2.0])
    identity.follow(seen(TARGET), SCORE)
    followed = [identity.follow(seen(empty, seed), SCORE) for seed in range(21, 41)]
    assert all(later < earlier for earlier, later in zip(followed, followed[1:], strict=False))
    assert followed[0] > 0.9 * SCORE and followed[-1] < 0.1 * SCORE
    identity.restart()
    assert identity.follow(seen(TARGET, 50), SCORE) > 0.95 * SCORE


def test_a_find_is_recognised_by_its_look_alone(identity):
    identity.follow(seen(TARGET), SCORE)
    assert identity.recognise(seen(TARGET, 21), SCORE) > 0.95 * SCORE
    assert identity.recognise(seen(np.array([13.0, 2.0]), 21), SCORE) < 0.1 * SCORE


def test_without_an_image_to_compare_the_score_stands(identity):
    blind = View((None, None), TARGET, SIZE)
    assert identity.follow(blind, SCORE) == pytest.approx(identity.recognise(blind, SCORE))
    assert identity.follow(blind, SCORE) > 0.99 * SCORE


def test_a_camera_that_was_absent_in_the_first_image_never_counts():
    alone = Identity([View((view.features[0], None), view.centre, view.size) for view in views()])
    colour, thermal = features(TARGET, OTHER, seed=20)
    assert np.array_equal(factors(alone, (colour, thermal)), factors(alone, (colour, None)))
    assert np.allclose(factors(alone, (None, thermal)), 1.0)


def test_a_box_in_the_cells_of_the_window_around_it():
    box = np.array([100.0, 40.0, 40.0, 20.0])
    view = view_of(box, crop_window(box, 4.0, True), features(TARGET, OTHER))
    assert np.allclose(view.centre, G / 2) and np.allclose(view.size, G / 4)
