"""One pass of a tracker over a sequence: it is shown the target once, and nothing that goes wrong is lost or raised."""

from dataclasses import dataclass

import numpy as np
import pytest

from ckd_ros.datasets.folder import FolderSequence
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.one_pass import one_pass

BOX = np.array([10.0, 12.0, 20.0, 16.0])
FRAMES = 6


@dataclass
class Said:
    box: np.ndarray
    confidence: float


class Walker:
    """Moves its box one pixel to the right with each image that it is shown; may fail at one of them."""

    def __init__(self, fails_at=None, answer=None):
        self.seen, self.fails_at, self.answer = 0, fails_at, answer

    def init(self, pair, box):
        self.start = np.array(box, float)
        return self.update(pair)

    def update(self, pair):
        if self.seen == self.fails_at:
            raise RuntimeError("out of\nideas")
        self.seen += 1
        return Said(self.start + [self.seen - 1, 0, 0, 0] if self.answer is None else self.answer, 0.5)


@pytest.fixture
def folder(tmp_path):
    size = dict(width=64, height=48, thermal_width=64, thermal_height=48)
    write_lasher(SimulatedSequence(SimulatorConfig(frames=FRAMES, target_size=16, **size)), tmp_path / "walk")
    return tmp_path / "walk"


def lefts(done):
    """How far each box has moved."""
    return done.boxes[:, 0] - BOX[0]


def test_every_frame_gets_a_box_a_time_and_a_confidence(folder):
    done = one_pass(Walker(), FolderSequence(folder).frames(), FRAMES, BOX)
    np.testing.assert_array_equal(lefts(done), range(FRAMES))
    np.testing.assert_array_equal(done.confidences, 0.5)
    assert (done.seconds > 0).all() and done.faults == () and not done.failed


def test_the_target_is_shown_in_the_frame_where_it_is_first_seen(folder):
    done = one_pass(Walker(), FolderSequence(folder).frames(), FRAMES, BOX, start=2)
    assert np.isnan(done.boxes[:2]).all() and np.isnan(done.seconds[:2]).all()
    np.testing.assert_array_equal(done.boxes[2], BOX)
    assert lefts(done)[-1] == 3


def test_a_damaged_image_is_named_and_the_last_box_stands(folder):
    (folder / "infrared" / "000003.jpg").write_bytes(b"\xff\xd8 cut short")
    done = one_pass(Walker(), FolderSequence(folder).frames(), FRAMES, BOX)
    np.testing.assert_array_equal(lefts(done), [0, 1, 1, 2, 3, 4])  # the tracker never saw frame 2
    assert np.flatnonzero(np.isnan(done.seconds)).tolist() == [2]
    assert len(done.faults) == 1 and not done.failed
    assert done.faults[0].startswith("frame 2: ") and "infrared/000003.jpg" in done.faults[0]


def test_a_damaged_image_before_the_target_is_seen_costs_nothing(folder):
    (folder / "visible" / "000001.jpg").write_bytes(b"")
    done = one_pass(Walker(), FolderSequence(folder).frames(), FRAMES, BOX, start=1)
    np.testing.assert_array_equal(lefts(done)[1:], range(FRAMES - 1))
    assert "visible/000001.jpg" in done.faults[0] and not done.failed


def test_without_the_first_image_there_is_nothing_to_follow(folder):
    (folder / "visible" / "000001.jpg").write_bytes(b"")
    tracker = Walker()
    done = one_pass(tracker, FolderSequence(folder).frames(), FRAMES, BOX)
    assert done.failed and tracker.seen == 0 and np.isnan(done.boxes).all()
    assert len(done.faults) == 1 and "visible/000001.jpg" in done.faults[0]


def test_a_source_that_ends_early_is_named(folder):
    done = one_pass(Walker(), iter(list(FolderSequence(folder).frames())[:4]), FRAMES, BOX)
    np.testing.assert_array_equal(lefts(done)[:4], range(4))
    assert np.isnan(done.boxes[4:]).all()
    assert done.faults == ("frame 4: the source ends here, though 6 frames were announced",)


def test_a_source_that_breaks_off_is_named_with_its_reason(folder):
    def breaking():
        yield from list(FolderSequence(folder).frames())[:3]
        raise OSError("the disk is gone")

    done = one_pass(Walker(), breaking(), FRAMES, BOX)
    np.testing.assert_array_equal(lefts(done)[:4], [0, 1, 2, 2])
    assert np.isnan(done.boxes[4:]).all() and not done.failed
    assert done.faults[0] == "frame 3: the disk is gone" and "frame 4: the source ends here" in done.faults[1]


@pytest.mark.parametrize("number", [0, 3])
def test_a_tracker_that_fails_is_not_asked_again(folder, number):
    tracker = Walker(fails_at=number)
    done = one_pass(tracker, FolderSequence(folder).frames(), FRAMES, BOX)
    assert done.failed and tracker.seen == number
    assert np.isfinite(done.boxes[:number]).all() and np.isnan(done.boxes[number:]).all()
    assert done.faults == (f"frame {number}: the tracker failed: RuntimeError: out of ideas",)


def test_an_answer_that_is_no_box_is_the_trackers_failure(folder):
    done = one_pass(Walker(answer=np.zeros(3)), FolderSequence(folder).frames(), FRAMES, BOX)
    assert done.failed and done.faults[0].startswith("frame 0: the tracker failed: ValueError")


def test_images_that_cannot_show_the_same_view_are_named_once(tmp_path, model_path):
    from ckd_ros.tracking import OnnxEngine, Tracker

    sizes = dict(width=64, height=48, thermal_width=64, thermal_height=36)
    even = dict(night=0.0, glare=0.0, crossover=0.0)  # light that changes within six frames is named too
    sequence = SimulatedSequence(SimulatorConfig(frames=FRAMES, target_size=16, **sizes, **even))
    done = one_pass(Tracker(OnnxEngine(model_path, threads=1)), sequence.frames(), FRAMES, sequence.init_box)
    (fault,) = done.faults
    assert fault.startswith("frame 0, and perhaps later: ") and "64 x 48 and thermal images of 64 x 36" in fault
    assert np.isfinite(done.boxes).all() and not done.failed
