"""The peer: on one camera it is OpenCV's NanoTrack, on two it follows the one that shows something."""

import numpy as np
import pytest
from two_nanotracks import TwoNanoTracksKind

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.trackers import parse_tracker
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import iou

CLEAR = SimulatorConfig(
    frames=25, night=0, glare=0, crossover=0, occlusion=0, distractors=0, misregistration=0, parallax=0
)


@pytest.fixture(scope="module")
def models(shared):
    folder = shared / "peers" / "nanotrack"
    if not folder.is_dir():
        pytest.skip(f"no NanoTrack at {folder}")
    return folder


@pytest.fixture(scope="module")
def sequence():
    return SimulatedSequence(CLEAR)


def boxes(tracker, sequence, shown=lambda pair: pair):
    pairs = [shown(pair) for pair in sequence.frames()]
    first = tracker.init(pairs[0], sequence.init_box)
    return np.array([first.box, *(tracker.update(pair).box for pair in pairs[1:])])


def test_on_one_camera_it_is_opencv_s(models, sequence):
    ours = boxes(TwoNanoTracksKind(models=models).make(), sequence, lambda pair: FramePair(pair.rgb, None))
    theirs = boxes(parse_tracker(f"nano:models={models}").make(), sequence)
    assert iou(ours, theirs).mean() > 0.9


@pytest.mark.parametrize("blind", ["rgb", "thermal"])
def test_the_camera_that_shows_nothing_is_left_out_cell_by_cell(models, sequence, blind):
    def shown(pair):
        image = getattr(pair, blind)
        flat = Image(np.full_like(image.data, 90), image.encoding)
        return FramePair(flat, pair.thermal) if blind == "rgb" else FramePair(pair.rgb, flat)

    found = boxes(TwoNanoTracksKind(models=models).make(), sequence, shown)
    assert iou(found, sequence.boxes).mean() > 0.6


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="backbone.onnx"):
        TwoNanoTracksKind(models=tmp_path).check()
