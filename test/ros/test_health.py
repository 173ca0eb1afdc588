"""What is said of the images of a stream."""

import numpy as np

from ckd_ros.frames import Image
from ckd_ros.ros.health import StreamHealth


def test_another_size_or_encoding_is_said_once():
    rng = np.random.default_rng(0)
    health = StreamHealth("thermal")

    def said(dtype, height, stamp):
        pixels = rng.integers(0, 200, (height, 80)).astype(dtype)
        return health.inspect(Image(pixels, "mono8" if dtype == np.uint8 else "mono16"), stamp, float(stamp))

    assert not said(np.uint8, 60, 1).keys() & {"thermal encoding", "thermal resolution"}
    assert "changed from mono8 to mono16" in said(np.uint16, 60, 2)["thermal encoding"]
    changed = said(np.uint16, 30, 3)
    assert "changed from 80 x 60 to 80 x 30" in changed["thermal resolution"] and "thermal encoding" not in changed
