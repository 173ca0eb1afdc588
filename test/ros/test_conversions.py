"""Images become messages and come back, stamps too."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from ckd_ros.ros import conversions as c  # noqa: E402

RNG = np.random.default_rng(0)


def test_compressed_messages_made_here_are_read_back():
    y, x = np.mgrid[0:32, 0:48]
    picture = np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], axis=-1).astype(np.uint8)
    message = c.compressed_message(picture, 1_500_000_000, "camera", quality=95)
    assert c.to_nanoseconds(message.header.stamp) == 1_500_000_000 and message.header.frame_id == "camera"
    assert np.abs(c.load_image(message).data.astype(int) - picture).max() < 20


def test_messages_carry_stamp_frame_and_pixels():
    data = RNG.integers(0, 65535, (6, 10), np.uint16)
    message = c.image_message(data[:, ::2], "mono16", 12_345_678_901, "thermal_optical")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 345_678_901)
    assert message.header.frame_id == "thermal_optical"
    assert (message.width, message.height, message.step) == (5, 6, 10)
    np.testing.assert_array_equal(c.load_image(message).data, data[:, ::2])


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_700_000_000_123_456_789])
def test_stamps_survive_the_round_trip(ns):
    assert c.to_nanoseconds(c.to_stamp(ns)) == ns


@pytest.mark.parametrize("ns", [-1, 2**31 * 10**9])
def test_stamps_that_no_message_holds_are_refused(ns):
    with pytest.raises(ValueError, match="outside"):
        c.to_stamp(ns)
