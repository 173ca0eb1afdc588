"""The compared trackers, each on a simulated sequence that any of them can follow."""

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.peers import OpenCv, TemplateMatcher, bgr_image, run
from ckd_ros.evaluation.scores import score
from ckd_ros.frames import FramePair, Image

EASY = SimulatorConfig(
    frames=12, width=320, height=240, thermal_width=320, thermal_height=240, target_size=48, seed=5, camera_motion=0.1,
    distractors=0, occlusion=0, night=0, glare=0, crossover=0, noise=0, thermal_gain=0, rotation=0, scale=0.2,
    registration=0, parallax=0,
)  # fmt: skip


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
@pytest.mark.parametrize("name", ["template", "CSRT", "KCF"])
def test_peers_follow_an_easy_target(name, modality):
    if name != "template" and not hasattr(cv2, f"Tracker{name}_create"):
        pytest.skip(f"this build of OpenCV has no {name} tracker (it comes with the contrib modules)")
    sequence = SimulatedSequence(EASY)
    tracker = TemplateMatcher(modality) if name == "template" else OpenCv(name, modality)
    boxes = run(tracker, sequence.frames(), sequence.init_box)
    assert boxes.shape == (12, 4)
    assert score(boxes, sequence.boxes).success_auc > 0.5


def test_nanotrack_follows_from_its_model_files(shared):
    sequence = SimulatedSequence(EASY)
    tracker = OpenCv("Nano", "rgb", shared / "peers" / "nanotrack")
    assert score(run(tracker, sequence.frames(), sequence.init_box), sequence.boxes).success_auc > 0.5


def test_images_reach_opencv_in_its_channel_order():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    pair = FramePair(Image(red, "rgb8"), Image(np.full((4, 4), 7, np.uint8), "mono8"))
    assert bgr_image(pair, "rgb")[0, 0].tolist() == [0, 0, 255]
    assert bgr_image(pair, "thermal")[0, 0].tolist() == [7, 7, 7]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="MOSSE"):
        OpenCv("MOSSE", "rgb")
    with pytest.raises(FileNotFoundError, match="backbone.onnx"):
        OpenCv("Nano", "rgb", tmp_path)
    with pytest.raises(ValueError, match="no thermal image"):
        bgr_image(FramePair(Image(np.zeros((4, 4, 3), np.uint8), "rgb8"), None), "thermal")
