"""Several targets at the same time, through the node's topics and services."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")

from bench import CELL, OTHER_PATCH, PATCH, wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402

from ckd_ros.ros import conversions  # noqa: E402


def tracks_of(b, stamp: int) -> dict[int, Track]:
    """The tracks of one moment, by target."""
    return {t.target_id: t for t in b.tracks if conversions.to_nanoseconds(t.header.stamp) == stamp}


def test_each_target_has_a_track_for_every_pair_and_one_is_stopped_by_its_id(bench):
    b = bench(max_targets=3).started()
    assert b.init(PATCH).target_id == 2
    for _ in range(5):
        b.step()
        wait_for(lambda: len(tracks_of(b, b.stamp())) == 2)
    tracks = tracks_of(b, b.stamp())
    assert {track.state for track in tracks.values()} == {Track.TRACKING}
    assert b.error(tracks[1]) < CELL and np.allclose([tracks[2].box.x, tracks[2].box.y], PATCH[:2], atol=CELL)
    assert b.status()["target"] == "target 1 TRACKING, target 2 TRACKING"

    unknown = b.stop(7)
    assert not unknown.success and unknown.message == "target 7 is not followed: followed: 1, 2"
    assert b.stop(1).message == "target 1 is no longer followed"
    assert b.step().target_id == 2
    assert b.stop().message == "target 2 is no longer followed"
    assert b.step().state == Track.IDLE and b.stop().message == "no target was followed"


def test_no_more_than_max_targets_are_followed_and_a_box_on_one_takes_its_place(bench):
    b = bench(max_targets=2).started()
    assert b.init(PATCH).target_id == 2
    refused = b.init(OTHER_PATCH)
    assert (
        not refused.success and refused.message == "targets 1, 2 are followed, and max_targets is 2: stop one of them"
    )
    assert b.init().target_id == 3, "drawn anew around the first"
    b.step()
    wait_for(lambda: tracks_of(b, b.stamp()).keys() == {2, 3})


def test_a_target_of_the_past_catches_up_while_the_others_wait(bench):
    b = bench(max_targets=2).started()
    old = b.frame
    b.play(0.5)
    assert b.init(PATCH, stamp=b.stamp(old)).target_id == 2
    wait_for(lambda: tracks_of(b, b.stamp()).keys() == {1, 2} if b.step() else False)
    seen = [(t.target_id, conversions.to_nanoseconds(t.header.stamp)) for t in b.tracks if t.target_id]
    assert len(seen) == len(set(seen)), "no target is looked for in a pair twice"
    own = [stamp for target, stamp in seen if target == 1]
    assert own == sorted(own)
