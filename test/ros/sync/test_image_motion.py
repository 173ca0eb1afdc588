"""How the parts of an image move."""

import cv2
import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.ros.sync.image_motion import ImageMotion


def picture(x, y, encoding="rgb8", gain=1.0, level=0.0):
    """A smooth scene of 640 x 480, seen from (x, y) pixels."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.normal(0, 1, (600, 760)).astype(np.float32), (0, 0), 12)
    scene = 120 + 40 * scene / scene.std()
    seen = cv2.warpAffine(scene, np.float32([[1, 0, -60 - x], [0, 1, -60 - y]]), (640, 480)) * gain + level
    if encoding == "mono16":
        return Image((20 * seen.clip(0, 255)).astype(np.uint16), encoding)
    grey = seen.clip(0, 255).astype(np.uint8)
    return Image(grey if encoding == "mono8" else np.repeat(grey[..., None], 3 + (encoding == "rgba8"), 2), encoding)


@pytest.mark.parametrize("encoding", ["rgb8", "rgba8", "mono8", "mono16"])
@pytest.mark.parametrize(("x", "y"), [(4.0, 0.0), (0.0, -3.0), (-2.0, 2.0)])
def test_it_is_that_of_the_camera(encoding, x, y):
    motion = ImageMotion()
    assert motion.of(picture(0, 0, encoding)) is None, "the first image"
    moved = motion.of(picture(x, y, encoding))
    assert moved.shape == (12,)
    np.testing.assert_allclose(moved, -(x + 1j * y) / 5, atol=0.15)  # the small copy is a fifth of the size


def test_a_change_of_gain_and_level_is_none():
    motion = ImageMotion()
    motion.of(picture(0, 0, "mono16"))
    moved = motion.of(picture(3, 0, "mono16", gain=0.9, level=15))
    np.testing.assert_allclose(moved.mean(), -0.6, atol=0.1)


def test_nothing_is_known_of_a_repeated_or_even_image():
    motion = ImageMotion()
    motion.of(picture(0, 0))
    assert motion.of(picture(0, 0)) is None
    even = ImageMotion()
    even.of(Image(np.zeros((480, 640), np.uint8), "mono8"))
    assert even.of(Image(np.full((480, 640), 9, np.uint8), "mono8")) is None


def test_another_size_is_the_same_scene():
    motion = ImageMotion()
    motion.of(picture(0, 0, "mono8"))
    half = cv2.resize(picture(4, 0, "mono8").data, (320, 240), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(motion.of(Image(half, "mono8")), -0.8, atol=0.3)
