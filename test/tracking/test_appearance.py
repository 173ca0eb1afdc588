"""What a target looks like, and how much a find counts that looks like something else."""

import numpy as np
import pytest

from ckd_ros.tracking.appearance import PATCH, Appearance

SHIRT, TROUSERS = (0.8, 0.2, 0.2), (0.2, 0.2, 0.5)


def patches(shirt=SHIRT, trousers=TROUSERS, warmth=0.7, noise=0.03, seed=0):
    """A person: what the colour and the thermal camera show in its box."""
    random = np.random.default_rng(seed)
    rgb = np.empty((3, PATCH, PATCH))
    rgb[:, : PATCH // 2], rgb[:, PATCH // 2 :] = np.reshape(shirt, (3, 1, 1)), np.reshape(trousers, (3, 1, 1))
    tir = np.full((1, PATCH, PATCH), warmth) + np.linspace(0, 0.1, PATCH)[:, None]
    shown = {
        "rgb": rgb + random.normal(0, noise, rgb.shape),
        "tir": (tir + random.normal(0, noise, tir.shape))[[0] * 3],
    }
    return {camera: np.clip(image, 0, 1).astype(np.float32) for camera, image in shown.items()}


def seen(times=20, appearance=None, **looks):
    appearance = appearance or Appearance()
    for seed in range(times):
        appearance.learn(patches(seed=seed, **looks), patches(seed=100 + seed, **looks))
    return appearance


def test_the_target_counts_whole_and_what_looks_otherwise_in_both_cameras_next_to_nothing():
    appearance = seen()
    assert appearance.counts(patches(seed=50)) == 1.0
    assert appearance.counts(patches(shirt=(0.2, 0.6, 0.2), warmth=0.3, seed=50)) < 0.05


@pytest.mark.parametrize("change", [{"shirt": (0.2, 0.6, 0.2)}, {"warmth": 0.3}])
def test_what_changes_in_one_camera_alone_changes_nothing_nor_where_one_camera_is_alone(change):
    appearance, changed = seen(), patches(**change, seed=50)
    assert appearance.counts(changed) == 1.0
    for camera in changed:
        assert appearance.counts({camera: changed[camera]}) == 1.0


def test_what_is_above_and_what_is_below_is_told_apart():
    appearance = seen()
    upside_down = patches(shirt=TROUSERS, trousers=SHIRT, warmth=0.3, seed=50)
    cooler = patches(warmth=0.3, seed=50)
    assert appearance.counts(cooler) == 1.0 > 0.1 > appearance.counts(upside_down)


def test_a_target_whose_looks_change_all_the_time_may_look_otherwise():
    steady, changing = seen(), Appearance()
    for seed in range(20):
        light = 0.6 + 0.4 * np.sin(seed)
        looks = {"shirt": light * np.array(SHIRT), "trousers": light * np.array(TROUSERS), "warmth": 0.3 + 0.4 * light}
        changing.learn(patches(**looks, seed=seed), patches(**looks, seed=100 + seed))
    darker = patches(shirt=0.6 * np.array(SHIRT), trousers=0.6 * np.array(TROUSERS), warmth=0.54, seed=50)
    assert changing.counts(darker) > 2 * steady.counts(darker)


def test_a_box_that_is_off_as_those_were_that_were_learned_counts_whole():
    still, off = Appearance(), Appearance()
    for seed in range(20):
        shown = patches(seed=seed)
        moved = {camera: np.roll(image, 4, axis=1) for camera, image in patches(seed=100 + seed).items()}
        still.learn(shown, patches(seed=100 + seed))
        off.learn(shown, moved)
    find = {camera: np.roll(image, 4, axis=1) for camera, image in patches(seed=50).items()}
    assert still.counts(find) < 0.5 < off.counts(find) == 1.0


def test_nothing_is_said_before_it_is_known_nor_of_a_camera_that_shows_all_otherwise_since():
    other = patches(shirt=(0.2, 0.6, 0.2), warmth=0.3, seed=50)
    assert Appearance().counts(other) == seen(4).counts(other) == 1.0
    appearance = seen()
    assert appearance.counts(other) < 0.1
    appearance.forget({"tir"})
    assert appearance.counts(other) == appearance.counts({}) == 1.0
    seen(10, appearance)
    assert appearance.counts(other) < 0.3


def test_a_target_that_was_not_seen_for_certain_for_long_may_look_like_anything():
    appearance, other = seen(), patches(shirt=(0.2, 0.6, 0.2), warmth=0.3, seed=50)
    counts = []
    for _ in range(5):
        counts.append(appearance.counts(other))
        appearance.go_on(30)
    assert counts[0] < counts[1] < counts[2] < counts[3] == counts[4] == 1.0
    appearance.next_off()
    assert appearance.counts(other) == counts[0], "it was seen for certain again"


def test_a_grey_camera_tells_by_brightness_and_black_and_white_are_brightnesses():
    def grey(level):
        return {camera: np.full((3, PATCH, PATCH), level, np.float32) for camera in ("rgb", "tir")}

    appearance = Appearance()
    for _ in range(10):
        appearance.learn(grey(1.0), grey(1.0))
    assert appearance.counts(grey(1.0)) == 1.0 and appearance.counts(grey(0.0)) < 0.01


def test_it_is_learned_in_every_third_image_and_each_time_with_a_box_off_to_another_side():
    appearance = Appearance()
    asked = [appearance.next_off() for _ in range(13)]
    assert [k for k, off in enumerate(asked) if off is not None] == [0, 3, 6, 9, 12]
    offs = np.array([asked[k] for k in (0, 3, 6, 9)])
    assert len({tuple(off) for off in offs}) == 4 and np.allclose(offs.sum(0), 0)
    assert np.allclose(np.abs(offs).sum(1), np.abs(offs[0]).sum()) and np.array_equal(asked[12], asked[0])
