"""What the names of image files say of a sequence's frames."""

import pytest

from ckd_ros.datasets.frame_numbers import first_difference, frame_numbers, without_copies


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("000010 (1).jpg", "000010.jpg"),
        ("000010(2).jpg", "000010.jpg"),
        ("000010 - Copy.jpg", "000010.jpg"),
        ("000010 - Copy (2).jpg", "000010.jpg"),
        ("000010 copy.jpg", "000010.jpg"),
        ("000010 copy 2.jpg", "000010.jpg"),
        ("000010 (copy).jpg", "000010.jpg"),
        ("Copy of 000010.jpg", "000010.jpg"),
        ("000010.png", "000010.jpg"),
    ],
)
def test_a_copy_is_no_frame(copy, original):
    others = ["000011.jpg", "000012.jpg"]
    assert without_copies(sorted([copy, original, *others])) == ([original, *others], [copy])
    assert copy in without_copies([copy, *others])[0], "without its original it is all there is"


def test_names_that_only_look_like_copies_are_frames():
    numbered = ["img.jpg", *(f"img ({number}).jpg" for number in range(1, 4))]  # as one system numbers them
    assert without_copies(numbered) == (numbered, [])


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["v08.jpg", "v09.jpg", "v10.jpg"], [8, 9, 10]),
        (["9.jpg", "10.jpg", "12.jpg"], [9, 10, 12]),
        (["cam1_007_8bit.png", "cam1_008_8bit.png", "cam1_010_8bit.png"], [7, 8, 10]),
        (["000.jpg", "010.jpg", "020.jpg", "040.jpg"], [0, 10, 20, 40]),
        (["1571646122.104.png", "1571646122.137.png", "1571646122.171.png", "1571646122.203.png"], None),  # times
        ([f"shot_{number}.jpg" for number in (1, 2, 4, 7, 11, 16)], None),  # at moments of their own
        (["a1.jpg", "b2.jpg", "b1.jpg"], None),
        (["a1.jpg", "b.jpg"], None),
        (["1.jpg"], None),
        ([f"{10**19 + number}.jpg" for number in range(3)], None),
    ],
)
def test_numbers_that_count_frames(names, numbers):
    found = frame_numbers(names)
    assert (None if found is None else found.tolist()) == numbers


def test_cameras_with_the_same_gaps_may_begin_and_step_differently():
    rgb = frame_numbers(["v1.jpg", "v2.jpg", "v4.jpg"])
    assert first_difference(rgb, frame_numbers(["i070.jpg", "i080.jpg", "i100.jpg"])) is None
    assert first_difference(rgb, frame_numbers(["i07.jpg", "i09.jpg", "i10.jpg", "i11.jpg"])) == 0
