"""With init.restore the last target is taken up again, and whoever wants to know is told."""

import re

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import CELL, Bench, wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402

from ckd_ros.ros.target_memory import TargetMemory  # noqa: E402

REMEMBER = {"init.restore": True}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def again(b: Bench) -> Track:
    """Deactivate and activate the node; its next track."""
    b.node.trigger_deactivate()
    b.node.trigger_activate()
    b.connect()
    return b.step()


def test_the_target_is_followed_on_after_a_second_activation(bench, capfd):
    b = bench(**REMEMBER).started()
    track = again(b)
    assert (track.state, track.target_id) == (Track.TRACKING, 1) and b.error(track) < CELL
    wait_for(lambda: re.search(r"target 1 is taken up again where it was seen 0\.\d s ago", capfd.readouterr().err))
    assert b.init().target_id == 2


def test_a_node_in_the_place_of_one_that_was_killed_takes_its_target_up(bench):
    dead = bench(**REMEMBER).started()
    dead.init()
    dead.follow(3)
    b = bench(**REMEMBER)  # knows nothing of the other but its file
    b.frame, b.start_stamp = dead.frame, dead.start_stamp
    dead.close()
    b.start()
    track = b.step()
    assert (track.state, track.target_id) == (Track.TRACKING, 2) and b.error(track) < CELL
    assert b.init().target_id == 3


def test_without_it_a_node_begins_anew_and_says_so(bench, capfd):
    b = bench().started()
    assert again(b).state == Track.IDLE
    wait_for(lambda: "IDLE: nothing is followed until init_target shows the target" in capfd.readouterr().err)


def test_what_was_stopped_stays_so(bench):
    b = bench(**REMEMBER).started()
    b.stop()
    assert again(b).state == Track.IDLE


def test_what_was_seen_too_long_ago_is_not_taken_up(bench, capfd):
    b = bench(**REMEMBER, **{"init.max_age": 0.0}).started()
    assert again(b).state == Track.IDLE
    wait_for(lambda: re.search(r"seen \d+ s ago \(init.max_age is 0 s\)", capfd.readouterr().err))


def test_a_damaged_file_is_no_target(home):
    memory = TargetMemory("/robot/tracker", 10.0)
    assert memory.path == home / "ckd_ros" / "robot.tracker.npz" and memory.recall() is None
    memory.path.parent.mkdir()
    np.savez(memory.path, target=1)
    newer = memory.path.read_bytes()[:4] + b"\xff" + memory.path.read_bytes()[5:]
    for content in (b"", b"PK\x03\x04 cut", b"no archive", newer):
        memory.path.write_bytes(content)
        assert memory.recall() is None
    np.savez(memory.path, target=1)
    assert memory.recall() is None
