"""From the frames of a pair to the images that the tracker takes, and what is said of the offset of their stamps."""

import numpy as np
import pytest

from ckd_ros.frames import Image, Timing
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.pair_loader import PairLoader
from ckd_ros.ros.sync.clock_offset import OffsetEstimate, OffsetEstimator
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, CameraPair

MS = 1_000_000


class Loads:
    """An image to load, and how often it was."""

    def __init__(self, image):
        self.image, self.count = image, 0

    def __call__(self):
        self.count += 1
        return self.image


def image(seed):
    return Image(np.random.default_rng(seed).integers(0, 255, (96, 128), np.uint8), "mono8")


@pytest.fixture
def warned():
    return []


@pytest.fixture
def corrected():
    return []


@pytest.fixture
def loader(warned, corrected):
    return PairLoader(FaultMonitor(warned.append, str), corrected.append)


def test_an_image_that_is_used_again_is_decoded_once_and_not_frozen(loader, warned):
    load = Loads(image(0))
    thermal = CameraFrame(THERMAL, 1000 * MS, 1, load)
    loaded = []
    for i in range(4):
        rgb = CameraFrame(RGB, (1000 + 33 * i) * MS, 1 + i, Loads(image(i)))
        images, _ = loader.load(CameraPair(rgb, thermal, 1 + i))
        loaded.append(images.thermal)
        assert images.timing == Timing((1000 + 33 * i) * MS, 0.0, 0.033 * i)
    assert load.count == 1 and all(one is loaded[0] for one in loaded)
    assert warned == []


def test_an_image_with_the_same_content_and_another_stamp_is_frozen(loader, warned):
    for i in range(2):
        loader.load(CameraPair(None, CameraFrame(THERMAL, (1000 + i) * MS, 1 + i, Loads(image(0))), 1 + i))
    assert len(warned) == 1 and "identical to the one before" in warned[0]


@pytest.fixture
def estimated(monkeypatch):
    """Has the estimator answer with the newest of a list."""
    answers = []

    def see(self, frame, image):
        self.newest = answers[-1] if answers else None
        return frame.stream == THERMAL

    monkeypatch.setattr(OffsetEstimator, "see", see)
    return answers


def load_thermal(loader, number, offset_ms=0.0, stamped=True):
    frame = CameraFrame(THERMAL, number * MS, number, Loads(image(number)), "", round(offset_ms * MS), stamped)
    loader.load(CameraPair(None, frame, number))


def test_an_intolerable_offset_is_said_with_the_remedy(loader, warned, corrected, estimated):
    load_thermal(loader, 1)
    assert loader.offset.startswith("none, as") and not warned
    estimated.append(OffsetEstimate(0.3, 0.004))
    load_thermal(loader, 2)
    assert loader.offset == "+300 ms (standard deviation 4 ms); +0 ms are taken off"
    assert len(warned) == 1 and "sync.thermal_offset to 0.300" in warned[0] and "sync.estimate_offset" in warned[0]
    assert corrected == [0.3]


@pytest.mark.parametrize(("offset", "uncertainty"), [(0.02, 0.002), (0.05, 0.018)])
def test_a_small_or_doubtful_one_is_not_said(loader, warned, corrected, estimated, offset, uncertainty):
    estimated.append(OffsetEstimate(offset, uncertainty))
    load_thermal(loader, 1)
    assert not warned and corrected == [offset]
    load_thermal(loader, 2, offset_ms=300.0)
    assert len(warned) == 1, "beside what is taken off it is neither"


def test_the_time_of_reception_is_no_stamp(loader, warned, corrected, estimated):
    estimated.append(OffsetEstimate(0.3, 0.004))
    load_thermal(loader, 1, stamped=False)
    assert not warned and not corrected
