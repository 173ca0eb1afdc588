"""How the camera's motion moves the picture, from what stands in it."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import Registration
from ckd_ros.tracking.camera_motion import CameraMotion
from ckd_ros.tracking.pair_geometry import PairGeometry

SIZE, THERMAL = (320, 256), (160, 128)
PLACE = np.array([160.0, 128.0])


@pytest.fixture(scope="module")
def world():
    noise = np.random.default_rng(0).normal(size=(400, 500)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def pair(world, at, rgb=True, thermal=True, passing=None):
    """What two cameras see, whose view begins at `at`; `passing` x: something large that is close to them."""
    view = world[at[1] : at[1] + SIZE[1], at[0] : at[0] + SIZE[0]].copy()
    if passing is not None:
        view[60:200, passing : passing + 90 : 2] = 250
    warmth = cv2.resize(view, THERMAL, interpolation=cv2.INTER_AREA).astype(np.uint16) * 4 + 7000
    colour = Image(np.repeat(view[..., None], 3, axis=2), "rgb8")
    return FramePair(colour if rgb else None, Image(warmth, "mono16") if thermal else None)


def steps(world, path, **shown):
    motion, found = CameraMotion(), []
    for k, at in enumerate(path):
        passing = shown["passing"][k] if "passing" in shown else None
        seen = pair(world, at, shown.get("rgb", True), shown.get("thermal", True), passing)
        step = motion.step(seen, PairGeometry.of(seen, Registration()), PLACE)
        found.append(np.zeros(2) if step is None and not k else step)
    return np.array(found)


PATH = [(40, 60), (45, 58), (53, 58), (49, 50)]
SHIFTS = [(0, 0), (-5, 2), (-8, 0), (4, 8)]


@pytest.mark.parametrize("shown", [{}, {"thermal": False}, {"passing": [0, 30, 60, 90]}])
def test_what_stands_moves_against_the_camera(world, shown):
    np.testing.assert_allclose(steps(world, PATH, **shown), SHIFTS, atol=0.6)


def test_a_thermal_camera_alone_tells_it_in_its_own_pixels(world):
    np.testing.assert_allclose(steps(world, PATH, rgb=False), np.array(SHIFTS) / 2, atol=0.5)


def test_an_image_that_is_used_again_does_not_say_that_the_camera_stood_still(world):
    motion, thermal, found = CameraMotion(), None, []
    for k, at in enumerate([(40 + 4 * k, 60) for k in range(7)]):
        seen = pair(world, at)
        thermal = seen.thermal if k % 3 == 0 else thermal
        seen = FramePair(seen.rgb, thermal)
        found.append(motion.step(seen, PairGeometry.of(seen, Registration()), PLACE))
    np.testing.assert_allclose(found[1:], [(-4, 0)] * 6, atol=0.6)


def test_images_without_anything_in_common_tell_nothing(world):
    even = FramePair(Image(np.full((256, 320, 3), 90, np.uint8), "rgb8"), None)
    motion = CameraMotion()
    for seen in (even, even, pair(world, (40, 60)), even):
        assert motion.step(seen, PairGeometry.of(seen, Registration()), PLACE) is None


def test_after_forgetting_the_next_pair_is_a_first_one(world):
    motion = CameraMotion()
    motion.step(pair(world, (40, 60)), PairGeometry.of(pair(world, (40, 60)), Registration()), PLACE)
    motion.forget()
    seen = pair(world, (60, 60))
    assert motion.step(seen, PairGeometry.of(seen, Registration()), PLACE) is None


TIE = """
import numpy as np
from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import Registration, camera_motion
from ckd_ros.tracking.pair_geometry import PairGeometry

flat, steep = np.zeros((256, 320, 3), np.uint8), np.repeat(np.arange(160, dtype=np.uint16)[None], 128, axis=0)
camera_motion._shift = lambda before, now: (np.array([0.0, 5.0] if now.std() else [3.0, 0.0]), 40)
motion = camera_motion.CameraMotion()
for _ in range(2):
    pair = FramePair(Image(flat.copy(), "rgb8"), Image(steep.copy(), "mono16"))
    step = motion.step(pair, PairGeometry.of(pair, Registration()), np.array([160.0, 128.0]))
print(step.tolist())
"""


@pytest.mark.parametrize("hash_seed", ["0", "2"])  # with which a set of both names has either order
def test_of_two_cameras_that_are_equally_clear_it_is_always_colour(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", TIE], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[6.0, 0.0]", done.stderr
