"""An image that is identical to the one before it is no evidence of where the target is now."""

from dataclasses import replace

import numpy as np
import pytest
from moving_target import CELL, error, follow, path

from ckd_ros.frames import ENCODINGS, FramePair, Image
from ckd_ros.tracking import TrackState
from ckd_ros.tracking.repeats import NewImages, RepeatDetector

RNG = np.random.default_rng(0)


def noise():
    return Image(RNG.integers(0, 255, (120, 160), np.uint8), "mono8")


def copy(image):
    return Image(image.data.copy(), image.encoding)


def frozen(pair, frozen_pair, name):
    """A pair in which one camera shows again what it showed in another pair."""
    return replace(pair, **{name: copy(getattr(frozen_pair, name))})


@pytest.mark.parametrize("name", ["rgb", "thermal"])
def test_a_frozen_camera_does_not_hold_the_box_back(tracker, scene, name):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    stuck = scene(path(9))
    for k in range(10, 40):
        result = tracker.update(frozen(scene(path(k)), stuck, name))
        assert result.state is TrackState.TRACKING and error(result, scene.box(path(k))) < 2 * CELL
        assert (result.used_rgb, result.used_thermal) == (name != "rgb", name != "thermal")
    result = follow(tracker, scene, range(40, 45))
    assert result.used_rgb and result.used_thermal
    assert tracker.new_images.left_out == {"rgb": 0, "thermal": 0} | {name: 30}
    assert len(tracker.new_images.describe()) == 1 and f"30 {name} image(s)" in tracker.new_images.describe()[0]


def test_where_the_whole_scene_is_repeated_the_box_stays_and_both_cameras_count(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    before = follow(tracker, scene, range(1, 10))
    for _ in range(30):
        result = tracker.update(scene(path(9)))
        assert result.state is TrackState.TRACKING and error(result, scene.box(path(9))) < CELL
        assert result.used_rgb and result.used_thermal
    assert np.abs(result.box - before.box).max() < 2 * CELL
    assert "30 pair(s) repeat" in tracker.new_images.describe()[0]


def test_a_target_that_left_a_scene_in_which_nothing_moves_is_lost(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    for _ in range(20):
        result = tracker.update(scene(None))
    assert result.state is TrackState.LOST


def test_images_that_change_are_never_left_out(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    assert tracker.new_images.describe() == []


@pytest.mark.parametrize("encoding", ["mono8", "mono16", "bgr8"])
@pytest.mark.parametrize("size", [(120, 160), (1, 1), (3, 500)])
def test_one_pixel_makes_a_new_image(encoding, size):
    dtype, shape = ENCODINGS[encoding].dtype, (*size, 3) if encoding == "bgr8" else size
    first = Image(RNG.integers(0, 255, shape).astype(dtype), encoding)
    changed = copy(first)
    changed.data[-1, -1] += 1
    detector = RepeatDetector()
    seen = [detector.see(image, stamp) for stamp, image in enumerate((first, copy(first), copy(first), changed), 1)]
    assert seen == [False, True, True, False] and detector.in_a_row == 0


def test_another_size_or_encoding_is_a_new_image():
    dark = np.zeros((8, 8), np.uint8)
    detector = RepeatDetector()
    images = [
        Image(dark, "mono8"),
        Image(dark.astype(np.uint16), "mono16"),
        Image(np.zeros((4, 16), np.uint8), "mono8"),
    ]
    assert not any(detector.see(image, stamp) for stamp, image in enumerate(images, 1))


def test_the_same_image_given_twice_is_not_repeated_by_its_camera():
    image, detector = noise(), RepeatDetector()
    assert [detector.see(copy(image), stamp) for stamp in (5, 5, 6, 6, 0, None)] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]


def test_a_buffer_that_is_used_again_is_no_repetition():
    image, detector = noise(), RepeatDetector()
    assert not detector.see(image, 1)
    image.data[:] += 1
    assert not detector.see(image, 2)


def test_one_camera_alone_is_used_also_where_it_repeats_itself():
    image, new = noise(), NewImages()
    for stamp in (1, 2, 3):
        pair = FramePair(None, copy(image), None, stamp)
        assert new.of(pair) is pair
    assert new.scenes_repeated == 2
