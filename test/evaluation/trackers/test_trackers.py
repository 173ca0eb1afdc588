"""Trackers by name: each follows a simulated target, what cannot be made is refused at once, settings say it all."""

import json
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.one_pass import one_pass
from ckd_ros.evaluation.trackers import BoxEstimate
from ckd_ros.evaluation.trackers.opencv import BgrImages
from ckd_ros.evaluation.trackers.single_modality import SingleModalityView
from ckd_ros.evaluation.trackers.spec import TRACKER_KINDS, parse_tracker
from ckd_ros.frames import FramePair, Image
from ckd_ros.metrics import score
from ckd_ros.tracking import default_model

#: Any tracker can follow it. The thermal image is half as large, so that boxes in the wrong pixels miss.
EASY = SimulatorConfig(
    frames=12, width=320, height=240, thermal_width=160, thermal_height=120, target_size=48, seed=5, camera_motion=0.1,
    distractors=0, occlusion=0, night=0, glare=0, crossover=0, noise=0, thermal_gain=0, rotation=0, scale=0.2,
    misregistration=0, parallax=0,
)  # fmt: skip
BOX = np.array([20.0, 20, 20, 20])


@pytest.fixture(scope="module")
def easy():
    sequence = SimulatedSequence(EASY)
    return sequence, list(sequence.frames())


def followed(text: str, pairs: list[FramePair], truth: np.ndarray) -> float:
    done = one_pass(parse_tracker(text).make(), pairs, len(pairs), truth[0])
    assert not done.faults
    assert np.isfinite(done.seconds).all()
    return score(done.boxes, truth).success_auc


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
@pytest.mark.parametrize("kind", ["ckd", "template", "csrt", "kcf"])
def test_each_follows_an_easy_target_on_one_camera(kind, modality, easy):
    sequence, pairs = easy
    text = f"{kind}{',' if ':' in kind else ':'}modality={modality}"
    assert followed(text, pairs, sequence.boxes) > 0.6


def test_ours_follows_it_on_both(easy):
    sequence, pairs = easy
    assert followed("ckd", pairs, sequence.boxes) > 0.7


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
def test_nanotrack_follows_from_its_model_files(modality, shared, easy):
    sequence, pairs = easy
    text = f"nano:models={shared / 'peers' / 'nanotrack'},modality={modality}"
    assert followed(text, pairs, sequence.boxes) > 0.6


@pytest.mark.parametrize("kind", ["ckd", "ckd:modality=thermal", "template:modality=thermal", "kcf:modality=thermal"])
def test_boxes_are_thermal_ones_where_there_are_thermal_images_only(kind, easy):
    sequence, pairs = easy
    alone = [FramePair(None, pair.thermal, None, pair.thermal_stamp) for pair in pairs]
    assert followed(kind, alone, sequence.thermal_boxes) > 0.6


def test_a_radiometric_camera_is_stretched_for_opencv(easy):
    sequence, pairs = easy
    raw = [Image(8000 + 2 * pair.thermal.data.astype(np.uint16), "mono16") for pair in pairs]
    pairs = [FramePair(pair.rgb, thermal) for pair, thermal in zip(pairs, raw, strict=True)]
    assert followed("template:modality=thermal", pairs, sequence.boxes) > 0.6
    assert np.ptp(BgrImages()(FramePair(None, raw[0]))) > 200


class Recorder:
    """Answers with where it is told to be, and remembers what it was shown."""

    def __init__(self):
        self.pairs, self.box = [], None

    def init(self, pair, box):
        self.pairs.append(pair)
        self.box = box
        return BoxEstimate(box, 1.0)

    def update(self, pair):
        self.pairs.append(pair)
        self.box = self.box + [1.0, 0, 0, 0]
        return BoxEstimate(self.box, 0.5)


def test_one_modality_is_shown_nothing_else_and_answers_in_colour_pixels(easy):
    _, pairs = easy
    inner = Recorder()
    tracker = SingleModalityView(inner, "thermal")
    tracker.init(pairs[0], BOX)
    np.testing.assert_allclose(inner.box, BOX / 2)
    np.testing.assert_allclose(tracker.update(pairs[1]).box, BOX + [2, 0, 0, 0])
    assert all(pair.rgb is None for pair in inner.pairs)


def test_the_last_answer_stands_while_the_image_is_missing(easy):
    _, pairs = easy
    inner = Recorder()
    tracker = SingleModalityView(inner, "rgb")
    tracker.init(pairs[0], BOX)
    last = tracker.update(pairs[1])
    missing = tracker.update(FramePair(None, pairs[2].thermal))
    assert len(inner.pairs) == 2
    np.testing.assert_array_equal(missing.box, last.box)
    assert tracker.update(pairs[3]).box[0] == BOX[0] + 2


def test_a_first_pair_without_the_image_is_a_fault(easy):
    _, pairs = easy
    done = one_pass(parse_tracker("kcf").make(), [FramePair(None, pairs[0].thermal)], 1, BOX)
    assert done.failed and "has no rgb image" in done.faults[0]


@pytest.mark.parametrize(
    ("encoding", "pixel", "expected"),
    [
        ("rgb8", [250, 0, 9], [9, 0, 250]),
        ("bgr8", [250, 0, 9], [250, 0, 9]),
        ("rgba8", [250, 0, 9, 1], [9, 0, 250]),
        ("bgra8", [250, 0, 9, 1], [250, 0, 9]),
        ("mono8", 7, [7, 7, 7]),
    ],
)
def test_images_reach_opencv_in_its_channel_order(encoding, pixel, expected):
    data = np.broadcast_to(np.array(pixel, np.uint8), (4, 4, *np.shape(pixel))).copy()
    for pair in (FramePair(Image(data, encoding), None), FramePair(None, Image(data, encoding))):
        assert BgrImages()(pair)[0, 0].tolist() == expected


def test_a_box_that_leaves_the_image_starts_opencv_on_the_part_inside(easy):
    _, pairs = easy
    done = one_pass(parse_tracker("csrt").make(), pairs, 3, np.array([-10.0, 200, 40, 60]))
    assert not done.faults


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("ckd", "ckd"),
        ("ckd:modality=rgb", "ckd-rgb"),
        ("ckd:model=tiny", "tiny"),
        ("ckd:model=tiny,modality=thermal,box_correction=0.3", "tiny-thermal"),
        ("mine=ckd:model=tiny", "mine"),
        ("csrt", "csrt-rgb"),
        ("CSRT", "csrt-rgb"),
        ("kcf:modality=thermal", "kcf-thermal"),
        (" two words = template ", "two words"),
        ("program:cat", "cat"),
        ("program:env -C elsewhere python adapter.py", "adapter"),
        ("a.b+c-1=program:cat -u x=1", "a.b+c-1"),
    ],
)
def test_labels(text, label):
    spec = parse_tracker(text)
    assert spec.label == label
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mosse", "'mosse' is unknown: expected one of ckd, csrt, kcf, nano, vit, template, program"),
        ("", "is unknown: expected one of"),
        ("a=b=ckd:", "'a=b' cannot be its label"),
        ("../x=ckd", "'../x' cannot be its label"),
        ("plots=ckd", "'plots' cannot be its label"),
        (
            "ckd:colour=rgb",
            "'colour=rgb' is not a ckd tracker setting.*model, modality, provider, threads, window_weight",
        ),
        ("csrt:name=kcf", "'name=kcf' is not a csrt tracker setting"),
        ("ckd:modality=ir", r"modality is 'ir': it must be both \| rgb \| thermal"),
        ("kcf:modality=both", r"it must be rgb \| thermal"),
        ("ckd:provider=tpu", r"it must be cpu \| cuda \| tensorrt"),
        ("ckd:threads=two", "threads is 'two': it must be a whole number"),
        ("ckd:threads=0", "threads is 0: it must be a whole number from 1 to 1024"),
        ("ckd:box_correction=3", "box_correction is 3.0: it must be a number from 0 to 1"),
        ("ckd:box_correction=", "box_correction is '': it must be a number from 0 to 1"),
        ("ckd:calibration=0.3", "'calibration=0.3' is not a ckd tracker setting.*is now called 'box_correction'"),
        ("ckd:lost_window=3", "'lost_window=3' is not a ckd tracker setting.*did you mean 'lost_windows'"),
        ("nano", "needs its models: give nano:models=PATH"),
        ("vit:modality=rgb", "needs its model"),
        ("program:", "needs a command line"),
        ("program:'cat", "not a command line"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_tracker(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ckd:model=tinny", r"no model 'tinny': did you mean 'tiny'.*one of the shipped networks \(tiny.*\)"),
        ("ckd:model=nowhere/student.safetensors", "no model 'nowhere/student.safetensors'"),
        ("nano:models=nowhere", "'nowhere/backbone.onnx', which does not exist"),
        ("vit:model=nowhere.onnx", "'nowhere.onnx', which does not exist"),
        ("program:no-such-program x", "program 'no-such-program' was not found"),
        ("program:python nowhere.py", "file 'nowhere.py' does not exist"),
    ],
)
def test_missing_files_are_found_at_once(text, reason):
    with pytest.raises(FileNotFoundError, match=reason):
        parse_tracker(text)


def test_a_provider_that_is_not_here_is_refused_not_replaced():
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(ValueError, match="provider 'cuda'"):
        parse_tracker("ckd:provider=cuda")


def test_a_file_of_another_kind_is_no_model(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"x")
    with pytest.raises(ValueError, match="weights.pth' is not a model"):
        parse_tracker(f"ckd:model={tmp_path / 'weights.pth'}")


def test_a_damaged_model_of_opencv_is_a_fault_of_the_pass(tmp_path, easy):
    """VitTrack's real file is not at hand: this is as far as it can be taken."""
    (tmp_path / "vit.onnx").write_bytes(b"no network")
    done = one_pass(parse_tracker(f"vit:model={tmp_path / 'vit.onnx'}").make(), easy[1], 12, BOX)
    assert done.failed and "vit.onnx" in done.faults[0]


def test_settings_say_all_that_matters_for_repeating():
    settings = json.loads(json.dumps(parse_tracker("x=ckd:box_correction=0.25,modality=rgb").settings()))
    assert (settings["label"], settings["tracker"]) == ("x", "x=ckd:box_correction=0.25,modality=rgb")
    assert settings["settings"]["box_correction"] == 0.25 and settings["settings"]["modality"] == "rgb"
    assert settings["settings"]["confidence"]["lost_after"] == 10
    assert settings["provider"] == "CPUExecutionProvider"
    assert (settings["preset"], settings["precision"]) == ("tiny", "fp32")
    (file,) = settings["files"]
    assert file["sha256"] == sha256(default_model().read_bytes()).hexdigest()
    assert file["bytes"] == default_model().stat().st_size
    assert settings["versions"]["opencv"] == cv2.__version__
    assert {"python", "numpy", "onnxruntime"} <= settings["versions"].keys()
    assert settings["machine"]["cpu"] and settings["machine"]["cores"] >= 1


def test_settings_of_others(shared):
    settings = parse_tracker(f"nano:models={shared / 'peers' / 'nanotrack'},threads=2").settings()
    assert [file["file"].rpartition("/")[2] for file in settings["files"]] == ["backbone.onnx", "head.onnx"]
    assert settings["settings"] == {"modality": "rgb", "threads": 2}


def test_box_correction_reaches_the_tracker(easy):
    _, pairs = easy
    tracker = parse_tracker("ckd:box_correction=0,lost_windows=7").make()
    assert tracker.config == replace(tracker.config, box_correction=0.0, lost_windows=7)
    tracker.init(pairs[0], BOX)
    assert tracker.update(pairs[0]).inference_s > 0


def test_threads_are_opencvs():
    parse_tracker("kcf:threads=2").make()
    assert cv2.getNumThreads() == 2
    parse_tracker("kcf").make()
    assert cv2.getNumThreads() == 1


def test_every_kind_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "trackers.md").read_text()
    assert all(f"`{kind}" in text for kind in TRACKER_KINDS)
