"""Scores that would say more than they know, and boxes in another form than the truth's."""

import numpy as np
import pytest

from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.plausibility import answered, first_box_fault

NAN = [np.nan] * 4
TRUTH = np.array([NAN, [100.0, 80, 40, 30], [104, 80, 40, 30]])


def box(*numbers):
    return np.array([NAN, numbers, TRUTH[2]], float)


@pytest.mark.parametrize(
    ("first", "form"),
    [
        ((100, 80, 140, 110), "it looks like two corners x1,y1,x2,y2, expected x,y,w,h"),
        ((120, 95, 40, 30), "it looks like a centre cx,cy,w,h"),
        ((80, 100, 30, 40), "it looks like y,x,h,w"),
        ((7, 300, 40, 30), "expected x,y,w,h in pixels, a line for each frame of this sequence"),
        ((0.3, 0.2, 0.1, 0.05), "expected x,y,w,h in pixels"),
    ],
)
def test_a_first_box_that_is_not_the_truths_is_named_with_the_form_that_it_looks_like(first, form):
    fault = first_box_fault(box(*first), [TRUTH])
    assert form in fault and ",".join(f"{number:g}" for number in first) in fault and "100,80,40,30" in fault


@pytest.mark.parametrize("first", [(100, 80, 40, 30), (101, 79, 41, 28), (103, 84, 30, 22), NAN])
def test_a_first_box_near_the_truth_or_none_is_right(first):
    assert first_box_fault(box(*first), [TRUTH]) == ""


def test_the_nearer_of_two_truths_is_resembled():
    thermal = TRUTH + [60, 0, 0, 0]
    assert first_box_fault(box(160, 80, 40, 30), [TRUTH, thermal]) == ""
    assert first_box_fault(box(300, 80, 40, 30), [TRUTH, thermal]) != ""


def test_frames_that_a_tracker_was_not_shown_are_no_answers():
    boxes = np.array([[1.0, 1, 5, 5], [2, 1, 5, 5], [2, 1, 5, 5], NAN, NAN, [3, 1, 5, 5]])
    seconds = np.array([0.1, 0.1, np.nan, 0.1, np.nan, np.nan])  # 2: unreadable, 3: it said none, 4: not asked
    pass_ = OnePassResult(boxes, seconds, np.full(6, np.nan))
    assert answered(pass_, None).tolist() == [True, True, False, True, False, True]
    assert answered(pass_, 2).tolist() == [True, True, False, False, False, False]
    unknown = OnePassResult(boxes, np.full(6, np.nan), np.full(6, np.nan))
    assert answered(unknown, 6).all(), "without times there is nothing to tell them by"
    assert answered(OnePassResult(boxes, seconds, seconds, live=True), None).all()
    nothing = np.full((6, 4), np.nan)
    assert not answered(OnePassResult(nothing, nothing[:, 0], nothing[:, 0], failed=True), 6).any()
