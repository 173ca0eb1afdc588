"""The short form of the soak: nothing that a loop, or another activation, opens stays open."""

import math

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

import soak
from private_ros import private_ros
from soak import Sample, trend


def test_the_node_keeps_its_memory_and_handles(model_path, monkeypatch):
    monkeypatch.setattr(soak, "LOOP", 20)
    monkeypatch.setattr(soak, "RESTART_EVERY", 2)
    with private_ros() as context:
        samples = list(soak.soak(context, 240, 60, model_path))
    assert [sample.frames for sample in samples] == [60, 120, 180, 240]
    first, last = samples[0], samples[-1]
    assert (last.descriptors, last.threads) == (first.descriptors, first.threads)
    assert last.rss - samples[1].rss < 30, "MB"
    assert all(0 < sample.p50 <= sample.p99 < sample.round_trip_p99 for sample in samples)


def test_the_trend_is_that_of_the_second_half():
    samples = [Sample(1000 * i, 200.0 + max(0, 3 - i), 30 + (i == 4), 17, 2.0, 5.0 + 0.1 * i, 9.0) for i in range(1, 7)]
    found = trend(samples)
    assert abs(found.rss) < 1e-9 and found.p99 == pytest.approx(1.0)
    assert (found.descriptors, found.threads) == (0, 0)
    assert math.isnan(trend(samples[:1]).rss)
