"""Statuses are filled in piece by piece by those who own the values, and published together."""

import time

import pytest

from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.health import PairingHealth
from ckd_ros.ros.meter import SPAN, Meter
from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.pairing import PairingSnapshot
from ckd_ros.ros.sync.streams import RGB, THERMAL, Counters
from ckd_ros.ros.worker import WorkerSnapshot


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def described(*tasks) -> Status:
    status = Status()
    for task in tasks:
        task(status)
    return status


def test_notes_make_the_message_until_something_is_wrong():
    status = described(lambda s: s.note("active"), lambda s: s.note("no target"), lambda s: s.add("pairs", 3))
    assert (status.message, status.values) == ("active, no target", {"pairs": "3"})
    status.warn("too dark")
    status.warn("too late")
    assert status.message == "too dark; too late"


def test_a_meter_counts_and_times_the_last_few_seconds():
    clock = Clock()
    meter = Meter(clock)
    for duration in (0.01, 0.02, 0.03):
        clock.now += 1.0
        meter.note(duration)
    assert meter.rate() == 1.0 and meter.durations() == [0.01, 0.02, 0.03]
    values = described(meter.describe_latency).values
    assert values == {"rate": "1.0", "latency median ms": "20.0", "latency p95 ms": "20.0"}
    clock.now += SPAN + 0.1
    assert described(meter.describe_latency).values == {"rate": "0.0", "latency median ms": "", "latency p95 ms": ""}


def test_a_stream_is_warned_of_its_own_faults_and_the_node_of_all():
    faults = FaultMonitor(lambda line: None, lambda line: None)
    faults.report("rgb image", "broken")
    faults.report("rgb image", "broken")
    faults.report("pairing", "no pairs")
    status = described(faults.describe)
    assert status.values == {"fault rgb image": "broken (2 times)", "fault pairing": "no pairs (1 times)"}
    assert status.message == "broken; no pairs"
    assert described(lambda s: faults.describe_stream(s, RGB)).warnings == ["broken"]
    assert described(lambda s: faults.describe_stream(s, THERMAL)).warnings == []


def test_a_node_without_a_worker_shows_zeros():
    status = described(WorkerSnapshot().describe)
    assert status.message == "no target" and status.values == {
        **{"target": "no target", "pairs": "0", "dropped": "0", "drive": "", "paired": "0", "single": "0"},
        **{"stamp offset ms": "", "estimated stamp offset": "", "registration offset": "not measured"},
    }
    assert described(lambda s: WorkerSnapshot().describe_stream(s, RGB)).values == {
        **{
            "image": "0 x 0 ",
            "usable": "0",
            "unpaired": "0",
            "reused": "0",
            "repeated": "0",
            "late": "0",
            "clock set back": "0",
            "age ms": "",
        }
    }


def counters(received: int, paired: int, alone: int, thermal: int | None = None) -> Counters:
    thermal = received if thermal is None else thermal
    return Counters(received={RGB: received, THERMAL: thermal}, paired=paired, alone={RGB: alone, THERMAL: 0})


def test_streams_that_make_no_pairs_are_a_fault_only_while_both_deliver():
    health = PairingHealth()
    for now, problem in (
        (counters(10, 10, 0), False),
        (counters(20, 10, 5), True),
        (counters(24, 10, 9, thermal=20), False),  # no thermal image arrives
        (counters(30, 11, 9), False),
        (counters(40, 11, 10), True),
    ):
        assert ("pairing" in health.inspect(PairingSnapshot(now, offset=3600.0, slop=0.05))) is problem
    (message,) = health.inspect(PairingSnapshot(counters(50, 11, 11), offset=-1.5, slop=0.05)).values()
    assert "-1.500 s" in message and "sync.slop is 0.05 s" in message


def test_images_that_are_missing_are_said_of_a_camera_that_has_delivered():
    health = PairingHealth()
    assert not health.inspect(PairingSnapshot(counters(30, 0, 20, thermal=0))), "there may be no such camera"
    assert not health.inspect(PairingSnapshot(counters(60, 20, 30, thermal=21))), "it has only begun"
    problems = health.inspect(PairingSnapshot(counters(90, 30, 50, thermal=31), offset=0.0))
    assert problems == {
        "thermal missing": "no thermal image came with 20 of the last 30 rgb images: they are tracked by themselves"
    }
    assert not health.inspect(PairingSnapshot(counters(120, 60, 50, thermal=61), offset=0.0))


def test_tasks_of_one_name_share_a_status_and_all_are_published_together(ros):
    pytest.importorskip("diagnostic_msgs")
    from bench import wait_for
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.executors import SingleThreadedExecutor

    from ckd_ros.ros.diagnostics import DiagnosticUpdater

    node = ros.create_node("somebody", namespace="somewhere")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    received = []
    node.create_subscription(DiagnosticArray, "/diagnostics", received.append, 10)
    updater = DiagnosticUpdater(node, time.time_ns)
    updater.add("engine", lambda s: s.add("oil", 1.5), lambda s: s.note("runs"))
    updater.add("wheels", lambda s: s.warn("flat"))
    updater.add("engine", lambda s: s.note("warm"))
    wait_for(lambda: executor.spin_once(timeout_sec=0.05) or received)  # by its own timer
    engine, wheels = received[0].status
    assert (engine.name, engine.level, engine.message) == ("somewhere/somebody: engine", b"\x00", "runs, warm")
    assert [(item.key, item.value) for item in engine.values] == [("oil", "1.5")]
    assert (wheels.name, wheels.level, wheels.message) == ("somewhere/somebody: wheels", b"\x01", "flat")
    executor.shutdown()
    node.destroy_node()
