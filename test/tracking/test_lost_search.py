"""A lost target is looked for outwards from where it was last, over the whole image, again and again."""

import numpy as np

from ckd_ros import geometry
from ckd_ros.tracking.lost_search import SCALES, LostSearch, spiral

BOX, SIZE, STEP = np.array([100.0, 60.0, 40.0, 30.0]), (640, 480), np.array([80.0, 60.0])


def test_every_point_of_the_image_is_within_reach_of_a_search_window():
    centres = np.vstack([geometry.centre(BOX), geometry.centre(spiral(BOX, SIZE, STEP))])
    x, y = np.meshgrid(np.arange(0, 640, 10.0), np.arange(0, 480, 10.0))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    distance = (np.abs(points[:, None] - centres[None]) / STEP).max(axis=-1).min(axis=1)
    assert distance.max() <= 1  # half a step, or a whole one at the image's edges


def test_the_region_grows():
    boxes = spiral(BOX, SIZE, STEP)
    rings = np.round((np.abs(geometry.centre(boxes) - geometry.centre(BOX)) / STEP).max(axis=1))
    assert np.all(np.diff(rings) >= 0) and rings[0] == 1
    assert np.all(boxes[:, 2:] == BOX[2:])


def test_positions_lie_in_the_image_and_none_twice():
    centres = geometry.centre(spiral(BOX, SIZE, STEP))
    assert np.all(centres >= 0) and np.all(centres <= SIZE)
    assert len(np.unique(centres.round(3), axis=0)) == len(centres)


def test_each_frame_searches_the_last_position_and_the_next_of_the_spiral():
    search, expected = LostSearch(BOX, SIZE, STEP), spiral(BOX, SIZE, STEP)
    seen = []
    for _ in range(len(expected) // 2):
        first, *others = search.next_boxes(2)
        assert np.array_equal(first, BOX) and len(others) == 2
        seen += others
    assert np.array_equal(seen, expected[: len(seen)])


def test_sweeps_follow_one_another_at_several_scales_and_then_start_again():
    search, once = LostSearch(BOX, SIZE, STEP), spiral(BOX, SIZE, STEP)
    seen = np.array([search.next_boxes(1)[1] for _ in range(2 * len(once) + 600)])
    scales = np.sqrt(seen[:, 2] * seen[:, 3] / (BOX[2] * BOX[3])).round(3)
    assert list(dict.fromkeys(scales)) == [round(scale, 3) for scale in SCALES]
    starts = np.flatnonzero((seen == once[0]).all(axis=1))
    assert len(starts) >= 2, "the first sweep comes back after the last"


def test_a_candidate_takes_the_turn_of_one_position():
    search = LostSearch(BOX, SIZE, STEP)
    search.candidate = np.array([300.0, 300.0, 40.0, 30.0])
    boxes = search.next_boxes(2)
    assert len(boxes) == 3 and np.array_equal(boxes[0], search.candidate) and np.array_equal(boxes[1], BOX)


def test_a_window_as_large_as_the_image_leaves_the_last_position_only():
    search = LostSearch(BOX, SIZE, np.array([5000.0, 5000.0]))
    assert len(search.next_boxes(2)) == 1


def test_what_the_target_cannot_have_reached_is_not_searched():
    search, middle = LostSearch(BOX, SIZE, STEP), BOX[:2] + BOX[2:] / 2
    near = [search.next_boxes(2, within=50.0) for _ in range(60)]
    away = [np.hypot(*(box[:2] + box[2:] / 2 - middle)) for boxes in near for box in boxes]
    assert 0 < max(away) <= 50 + np.hypot(*STEP)
    assert {len(boxes) for boxes in near} == {3}
    far = [np.hypot(*(box[:2] + box[2:] / 2 - middle)) for _ in range(200) for box in search.next_boxes(2)]
    assert max(far) > 4 * max(away), "in the end it may be anywhere"
