"""What the node makes of clocks: cameras that do not stamp their images, simulated time that does not begin."""

import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from ckd_ros.ros.conversions import to_nanoseconds, to_stamp  # noqa: E402

WARN = b"\x01"
SECOND = 10**9


def stamped(b, stamp: int):
    """The present frame with another stamp, nanoseconds."""
    messages = b.messages()
    for message in messages:
        message.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
    return messages


def show(b, stamp: int | None = None) -> Track:
    """The track of the next frame, whatever its stamp is."""
    b.frame += 1
    count = len(b.tracks)
    b.send(*(b.messages() if stamp is None else stamped(b, stamp)))
    return b.track(lambda track: len(b.tracks) > count)


def test_constant_stamps_are_no_stamps(bench, capfd):
    b = bench(**{"sync.slop": 2.0}).start()  # a busy machine receives them apart
    for _ in range(8):
        b.frame += 1
        b.send(*stamped(b, 1_700_000_000 * SECOND))
        time.sleep(0.02)
    wait_for(lambda: "rgb stamp" in b.faults() and "thermal stamp" in b.faults())
    assert "rgb images have no usable stamp (always 1700000000.000 s): the time of reception" in b.faults()["rgb stamp"]
    show(b, 1_700_000_000 * SECOND)
    assert b.init().success
    for _ in range(5):
        track = show(b, 1_700_000_000 * SECOND)
        assert track.state == Track.TRACKING and track.rgb_used and track.thermal_used
        assert 0 <= track.latency < 5.0 and abs(to_nanoseconds(track.header.stamp) - time.time_ns()) < 5 * SECOND
    assert "no usable stamp" in b.status("rgb", lambda v: v["level"] == WARN)["message"]
    assert capfd.readouterr().err.count("rgb images have no usable stamp") == 1


def test_one_camera_that_does_not_stamp_its_images_pairs_with_one_that_does(bench):
    b = bench(**{"sync.slop": 2.0}).start()

    def show_one_constant() -> None:
        b.frame += 1
        rgb, thermal = b.messages()
        rgb.header.stamp, thermal.header.stamp = Time(sec=1_700_000_000), to_stamp(time.time_ns())
        b.send(rgb, thermal)

    def pairs() -> bool:
        show_one_constant()
        time.sleep(0.02)
        return b.node.worker.snapshot().pairing.counters.paired > 10

    wait_for(pairs)
    assert "rgb stamp" in b.faults() and "thermal stamp" not in b.faults()


def test_without_simulated_time_a_steady_clock_is_used_and_that_is_said(bench, capfd, monkeypatch):
    monkeypatch.setattr("ckd_ros.ros.clock.BEGINS_WITHIN", 0.5)
    b = bench(use_sim_time=True, **{"sync.slop": 2.0}).start()
    # by the diagnostics' own timer
    assert "no time arrives on /clock" in b.wait_for_fault("clock")
    show(b)
    assert b.init().success, "stamped images are tracked"
    assert 0 <= show(b).latency < 5.0
    assert b.stop().success
    for _ in range(3):
        track = show(b, 0)
    assert b.init().success, "and so are unstamped ones"
    track = show(b, 0)
    assert track.state == Track.TRACKING and 0 <= track.latency < 5.0
    assert abs(to_nanoseconds(track.header.stamp) - time.monotonic_ns()) < 5 * SECOND
    assert capfd.readouterr().err.count("no time arrives on /clock") == 1


def test_simulated_time_that_has_begun_is_the_time(bench):
    b = bench(use_sim_time=True).start()
    publisher = b.user.create_publisher(Clock, "/clock", 10)
    now = b.stamp() + 20 * 33_000_000

    def clock_runs() -> bool:
        publisher.publish(Clock(clock=to_stamp(now)))
        return b.node.get_clock().now().nanoseconds == now

    wait_for(clock_runs)
    b.start_stamp = now - 2 * SECOND
    track = b.steps(2)
    assert abs(track.latency - (2.0 - 2 * 0.033)) < 1e-6
    assert b.status()["level"] == b"\x00" and "clock" not in b.faults()


@pytest.mark.parametrize("wrong, words", [(-3600, "s behind the node's clock"), (37, "s ahead of the node's clock")])
def test_stamps_of_another_clock_give_no_latency(bench, wrong, words):
    b = bench().start()
    b.start_stamp = time.time_ns() + wrong * SECOND
    track = b.steps(2)
    assert 0 <= track.latency < 5.0
    assert words in b.faults()["rgb clock"] and "--clock" in b.faults()["rgb clock"]
    assert words in b.status("rgb", lambda v: v["level"] == WARN)["message"]
