"""The short form of the attack on the node: the same few hundred messages and calls every time."""

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
pytest.importorskip("hypothesis", reason="hypothesis is not installed: make test installs it")

import fuzz

from ckd_ros.tracking import default_model


def test_the_node_outlives_what_nobody_should_send(tmp_path):
    tally = fuzz.fuzz(200, 40, 0, default_model(), tmp_path)
    assert tally.failures == []
    assert tally.sent == 200 and 0.7 * tally.sent < tally.counted <= tally.sent and tally.refused > 20
    assert tally.answers == tally.calls > 40 and tally.proofs == 6
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_ends_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SCRIPT", tmp_path / "node.py")
    fuzz.SCRIPT.write_text("raise SystemExit(3)")
    tally = fuzz.fuzz(10, 10, 0, default_model(), tmp_path / "kept")
    assert tally.failures == [f"{kind}: the node has ended with status 3" for kind in ("raw", "compressed", "raw")]
    assert len(list((tmp_path / "kept").glob("*/node.log"))) == 3 and not tally.proofs
