"""What every policy of pairing must manage: wild stamps, lost images, cameras that are late or of different rates."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")

from ckd_ros.frames import Image  # noqa: E402
from ckd_ros.ros.sync.approximate import ApproximateMatcher  # noqa: E402
from ckd_ros.ros.sync.matching import LatestMatcher  # noqa: E402
from ckd_ros.ros.sync.pairing import FramePairer  # noqa: E402
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame  # noqa: E402

MS = 1_000_000
IMAGE = Image(np.zeros((4, 4), np.uint8), "mono8")
#: By how much a stamp is wrong, ms.
WILD = {"a little ahead": 40, "ahead": 900, "far ahead": 5_000, "a little behind": -40, "far behind": -1e9}


@pytest.fixture(params=[LatestMatcher, ApproximateMatcher])
def matcher(request, message_filters):
    return request.param()


def frame(stream: str, stamp_ms: float, arrival_ms: float) -> CameraFrame:
    return CameraFrame(stream, round((2e9 + stamp_ms) * MS), round((1e4 + arrival_ms) * MS), lambda: IMAGE)


def run(matcher, frames: list[CameraFrame], history: float = 2.0) -> list[tuple[float, float]]:
    """Stamps (ms) of the pairs that are made of frames in order of arrival; images that go out alone left out."""
    pairer, taken = FramePairer(matcher, slop=0.05, timeout=0.5, history=history), []
    for one in sorted(frames, key=lambda one: one.arrival):
        pairer.add(one)
        pair = pairer.take()
        if pair is not None and len(pair.frames) == 2:
            taken.append(tuple(member.stamp / MS - 2e9 for member in pair.frames))
    return taken


@pytest.mark.parametrize("delay", [0, 90, 250])
@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("history", [2.0, 0.0])
def test_after_a_wild_stamp_the_nearest_images_pair_again(matcher, delay, wild, history):
    rgb = [frame(RGB, 33 * i, 33 * i) for i in range(90)]
    rgb[30] = frame(RGB, 33 * 30 + WILD[wild], 33 * 30)
    pairs = run(matcher, rgb + [frame(THERMAL, 33 * i + 5, 33 * i + 5 + delay) for i in range(90)], history)
    assert all(t - r == 5 for r, t in pairs[-40:]) and len(pairs) > 70


def test_after_a_lost_image_the_nearest_images_pair_again(matcher):
    frames = [frame(RGB, 33 * i, 33 * i) for i in range(90)]
    frames += [frame(THERMAL, 33 * i + 5, 33 * i + 5) for i in range(90)]
    del frames[30]
    assert all(t - r == 5 for r, t in run(matcher, frames)[-55:])


@pytest.mark.parametrize("offset", [0, 8])
def test_a_quick_camera_waits_for_a_slow_one(matcher, offset):
    """60 Hz, and thermal images that come a quarter of a second after they were taken."""
    rgb = [frame(RGB, 16.7 * i, 16.7 * i) for i in range(180)]
    thermal = [frame(THERMAL, 16.7 * i + offset, 16.7 * i + offset + 250) for i in range(165)]
    pairs = run(matcher, rgb + thermal)
    assert len(pairs) > 160 and all(abs(t - r - offset) < 0.01 for r, t in pairs[3:])


@pytest.mark.parametrize("period", [50, 100])
def test_cameras_of_different_rates_pair_every_image_of_the_slower_one(matcher, period):
    rgb = [frame(RGB, 16.7 * i, 16.7 * i) for i in range(180)]
    thermal = [frame(THERMAL, period * i + 9, period * i + 9) for i in range(3000 // period)]
    pairs = run(matcher, rgb + thermal)
    assert len(pairs) >= len(thermal) - 2 and all(abs(t - r) <= 17 for r, t in pairs)


def test_an_offset_set_by_hand_is_taken_off_the_stamps_that_are_compared(matcher):
    """Thermal stamps 3 s ahead of colour stamps, as of a camera that counts from its start."""
    rgb = [frame(RGB, 33 * i, 33 * i) for i in range(60)]
    ahead = [frame(THERMAL, 33 * i + 5 + 3000, 33 * i + 5) for i in range(60)]
    assert not run(matcher, rgb + ahead)
    pairs = run(matcher, rgb + [replace(one, offset=3000 * MS) for one in ahead])
    assert len(pairs) > 55 and all(t - r == 3005 for r, t in pairs), "stamps stay those of the cameras"
