"""Where a target is looked for next."""

import numpy as np
import pytest

from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking.confidence import ConfidenceMonitor
from ckd_ros.tracking.inputs import NetworkInputs
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.size_hold import SizeHold
from ckd_ros.tracking.target import Target
from ckd_ros.tracking.thermal import ThermalNormalizer

PAIR = FramePair(Image(np.zeros((240, 320, 3), np.uint8), "rgb8"), None)


@pytest.fixture
def target(engine):
    thermal = ThermalNormalizer()
    return Target(
        box=np.array([100.0, 100.0, 40.0, 10.0]),  # geometric mean side 20
        pair_geometry=PairGeometry.of(PAIR, Registration()),
        monitor=ConfidenceMonitor(),
        thermal=thermal,
        inputs=NetworkInputs(engine.spec, thermal),
        size_hold=SizeHold(np.array([40.0, 10.0])),
    )


def moving(target, step, frames):
    for _ in range(frames):
        target.follow(target.box + [*step, 0, 0])


def test_a_target_that_stands_still_is_searched_where_it_is(target):
    moving(target, (0.0, 0.0), 3)
    assert target.ahead(1.0).tolist() == target.box.tolist()


def test_one_that_moves_is_searched_ahead(target):
    moving(target, (4.0, -2.0), 60)
    assert np.allclose(target.ahead(0.5) - target.box, [2.0, -1.0, 0.0, 0.0], atol=1e-3)
    assert target.ahead(0.0).tolist() == target.box.tolist()


def test_a_leap_as_after_a_gap_between_frames_counts_as_no_more_than_the_longest_lead(target):
    moving(target, (60.0, 0.0), 1)  # 3 sides
    assert np.allclose(target.ahead(1.0) - target.box, [0.2 * 0.4 * 20, 0.0, 0.0, 0.0])


def test_the_search_goes_no_further_ahead_than_the_target_is_likely_to_be(target):
    moving(target, (-30.0, 50.0), 60)
    assert np.allclose(target.ahead(1.0) - target.box, [-8.0, 8.0, 0.0, 0.0])


def test_an_image_of_another_size_takes_the_first_size_along(target):
    target.box = np.array([100.0, 100.0, 20.0, 20.0])
    target.transform(np.diag([2.0, 0.5, 1.0]))
    assert target.box.tolist() == [200.0, 50.0, 40.0, 10.0]
    assert target.size_hold.first.tolist() == [80.0, 5.0]


@pytest.mark.parametrize("doubtful", [0, 5, 15])
def test_a_target_that_shrank_gets_its_size_back_unless_it_has_been_doubtful_for_long(target, doubtful):
    for _ in range(40):
        target.go_on(PAIR)
        target.note_certain()
    target.box = np.array([130.0, 100.0, 10.0, 10.0])  # its right end is seen
    target.go_on(PAIR)
    target.note_certain()
    for _ in range(doubtful):
        target.go_on(PAIR)
        target.note_doubt(PAIR)
    target.go_on(PAIR)
    target.note_unseen(PAIR)
    assert target.box.tolist() == ([130.0, 100.0, 10.0, 10.0] if doubtful > 10 else [100.0, 100.0, 40.0, 10.0])
