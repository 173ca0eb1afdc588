"""Stamps that stand still are no stamps."""

from ckd_ros.ros.sync.stamps import IN_A_ROW, StampWatch


def usable(stamps) -> list[bool]:
    watch = StampWatch()
    return [watch.problem(stamp) is None for stamp in stamps]


def test_moving_stamps_are_used_and_missing_ones_are_not():
    assert usable([10, 20, 30]) == [True] * 3
    assert usable([0, -5, 10, 0, 20]) == [False, False, True, False, True]
    assert StampWatch().problem(0) == "have no stamp"


def test_an_image_that_comes_twice_has_a_stamp():
    assert all(usable(stamp for stamp in range(1, 50) for _ in range(2)))


def test_constant_stamps_are_none_until_they_move_again():
    stamps = [7_000_000_000] * 20 + list(range(8_000_000_000, 8_000_000_020))
    used = usable(stamps)
    assert used == [True] * IN_A_ROW + [False] * (20 - IN_A_ROW + IN_A_ROW - 1) + [True] * (21 - IN_A_ROW)
    watch = StampWatch()
    assert [watch.problem(stamp) for stamp in stamps[:20]][-1] == "have no usable stamp (always 7.000 s)"


def test_stamps_that_tick_once_a_second_are_none():
    used = usable(second * 10**9 for second in range(1, 10) for _ in range(30))
    assert not any(used[IN_A_ROW:])
