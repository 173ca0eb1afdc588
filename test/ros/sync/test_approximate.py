"""`sync.policy: approximate`: message_filters finds the pairs, the rest is as with the node's own policy."""

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")


import numpy as np  # noqa: E402

from ckd_ros.frames import Image  # noqa: E402
from ckd_ros.ros.sync.approximate import ApproximateMatcher  # noqa: E402
from ckd_ros.ros.sync.pairing import FramePairer  # noqa: E402
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame  # noqa: E402

MS = 1_000_000


pytestmark = pytest.mark.usefixtures("message_filters")
IMAGE = Image(np.zeros((4, 4), np.uint8), "mono8")


def frame(stream: str, stamp_ms: float, arrival_ms: float) -> CameraFrame:
    return CameraFrame(stream, round((1e9 + stamp_ms) * MS), round((1e4 + arrival_ms) * MS), lambda: IMAGE)


def run(frames: list[CameraFrame]) -> list[tuple]:
    """Stamps (ms) of the pairs that a pairer makes of frames in order of arrival."""
    pairer, taken = FramePairer(ApproximateMatcher(), slop=0.05, timeout=0.5, history=2.0), []
    for f in sorted(frames, key=lambda f: f.arrival):
        pairer.add(f)
        pair = pairer.take()
        if pair is not None:
            taken.append(tuple(None if f is None else f.stamp / MS - 1e9 for f in (pair.rgb, pair.thermal)))
    return taken


def both(count: int, offset: float = 5.0, at: float = 0.0) -> list[CameraFrame]:
    """Two regular streams; `at` shifts their arrival, not their stamps."""
    rgb = [frame(RGB, 33 * i, 33 * i + at) for i in range(count)]
    return rgb + [frame(THERMAL, 33 * i + offset, 33 * i + offset + at) for i in range(count)]


def test_images_within_the_slop_are_paired():
    assert run(both(40)) == [(33.0 * i, 33.0 * i + 5) for i in range(40)]


def test_a_silent_stream_leaves_the_other_alone():
    frames = both(20) + [frame(RGB, 33 * i, 33 * i) for i in range(20, 60)]
    pairs = run(frames)
    assert pairs[:20] == [(33.0 * i, 33.0 * i + 5) for i in range(20)]
    assert pairs[-1] == (59 * 33.0, None) and len(pairs) > 40


def test_a_bag_that_loops_starts_anew():
    pairs = run(both(60) + both(60, at=60 * 33 + 20))
    assert len(pairs) >= 118 and all(t is not None and t - r == 5 for r, t in pairs)
