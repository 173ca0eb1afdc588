"""Whole data sets in the benchmarks' own layouts, as small trees with real truth, and everything that can be broken."""

import pickle
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.datasets import simulator
from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.images import list_images
from ckd_ros.datasets.rgbt_files import truth_folder
from ckd_ros.datasets.sources import open_source

TRUTH = truth_folder()


def picture(value, suffix=".png"):
    """An image file's bytes, all of one grey value."""
    return cv2.imencode(suffix, np.full((6, 8, 3), value, np.uint8))[1].tobytes()


def lines(*boxes, separator=","):
    return "".join(separator.join(map(str, box)) + "\n" for box in boxes)


def sequence(folder, images=("visible", "infrared"), count=4, names="{:05d}.png", **truth):
    """A sequence's folder with `count` images a modality, whose grey value is the frame's number (thermal: + 100)."""
    for side, name in enumerate(images):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            file = names.format(i)
            (folder / name / file).write_bytes(picture(i % 100 + 100 * side, Path(file).suffix))
    for name, text in truth.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


FOUR = lines(*((i, 2, 3, 4) for i in range(4)))


def lasher(folder):
    return sequence(folder, visible=FOUR, infrared=FOUR, init=FOUR)


def count_of(file):
    return len(file.read_text().split("\n")) - 1


# The five benchmarks, with their own truth


def test_gtot_has_corners_and_two_truths(tmp_path):
    real = TRUTH / "GTOT/groundtruth/Torabi"
    count = count_of(real / "groundTruth_v.txt")
    folder = sequence(tmp_path / "Torabi", ("v", "i"), count, "{:05d}v.png")
    shutil.copytree(real, folder, dirs_exist_ok=True)

    data = open_dataset("gtot", tmp_path)
    assert data.names == ["Torabi"] and len(data.missing) == 49
    torabi = data["Torabi"]
    corners = np.loadtxt(real / "groundTruth_v.txt")
    np.testing.assert_array_equal(torabi.boxes[:, :2] + torabi.boxes[:, 2:], corners[:, 2:])
    np.testing.assert_array_equal(torabi.boxes[0], np.loadtxt(real / "init.txt")[0])
    thermal = np.loadtxt(real / "groundTruth_i.txt")
    np.testing.assert_array_equal(torabi.thermal_boxes[:, 2], thermal[:, 2] - thermal[:, 0])


def test_gtot_corners_in_any_order(tmp_path):
    truth = {"groundTruth_v": "9 8 4 5\n4 8 9 5\n", "groundTruth_i": "4 5 9 8\n4 5 9 8\n"}
    sequence(tmp_path / "Torabi", ("v", "i"), 2, **truth)
    torabi = open_dataset("gtot", tmp_path)["Torabi"]
    np.testing.assert_array_equal(torabi.boxes, [[4, 5, 5, 3]] * 2)
    np.testing.assert_array_equal(torabi.thermal_boxes, torabi.boxes)


def test_rgbt210_has_one_truth_for_both(tmp_path):
    real = TRUTH / "RGBT210/groundtruth/dog/init.txt"
    truth = np.loadtxt(real, delimiter=",")
    folder = sequence(tmp_path / "dog", count=len(truth), names="{:05d}v.jpg")
    shutil.copy(real, folder)
    # of RGBT234, which some unpack into the same place: not this benchmark's truth
    (folder / "visible.txt").write_text(lines((1, 1, 1, 1)))

    data = open_dataset("rgbt210", tmp_path)
    assert len(data.missing) == 209
    np.testing.assert_array_equal(data["dog"].boxes, truth)
    assert data["dog"].thermal_boxes is None


def test_rgbt234_has_two_truths(tmp_path):
    real = TRUTH / "RGBT234/rgbt234_gt/dog"
    truth = [np.loadtxt(real / f"{name}.txt", delimiter=",") for name in ("visible", "infrared")]
    folder = sequence(tmp_path / "dog", count=len(truth[0]))
    shutil.copytree(real, folder, dirs_exist_ok=True)
    data = open_dataset("rgbt234", tmp_path)
    assert len(data.missing) == 233
    np.testing.assert_array_equal(data["dog"].boxes, truth[0])
    np.testing.assert_array_equal(data["dog"].thermal_boxes, truth[1])


@pytest.mark.parametrize(
    "places", [("TrainingSet/trainingset", "TestingSet/testingset"), ("trainingset", "testingset"), (".", ".")]
)
def test_lasher_is_split_by_name_wherever_its_folders_lie(tmp_path, places):
    lasher(tmp_path / places[0] / "2ndblkboy1_quezhen")
    lasher(tmp_path / places[1] / "10runone")
    lasher(tmp_path / places[1] / "yellowskirt")
    train, test = (open_dataset("lasher", tmp_path, split) for split in ("train", "test"))
    assert train.names == ["2ndblkboy1_quezhen"] and len(train.missing) == 978
    assert test.names == ["10runone", "yellowskirt"] and len(test.missing) == 243
    assert open_dataset("lasher", tmp_path).names == ["2ndblkboy1_quezhen", "10runone", "yellowskirt"]


def test_a_missing_sequence_is_expected_beside_the_others(tmp_path):
    lasher(tmp_path / "TestingSet/testingset/10runone")
    data = open_dataset("lasher", tmp_path, "test")
    assert str(tmp_path / "TestingSet/testingset/11leftboy") in data.faults["11leftboy"]
    assert "1 of 245" in data.report() and "11leftboy" in data.report()
    with pytest.raises(KeyError, match="11leftboy.*visible/ and infrared/"):
        data["11leftboy"]


def test_vtuav_is_annotated_every_tenth_frame(tmp_path):
    rgb, thermal = lines((5, 6, 7, 8), (6, 6, 7, 8), (0, 0, 0, 0), separator=" "), lines(*[(1, 2, 3, 4)] * 3)
    sequence(tmp_path / "train_ST_001/bus_001", ("rgb", "ir"), 23, "{:06d}.jpg", rgb=rgb, ir=thermal)
    bus = open_dataset("vtuav", tmp_path)["bus_001"]
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(bus.boxes).all(axis=1)), [0, 10])
    np.testing.assert_array_equal(bus.boxes[10], [6, 6, 7, 8])
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(bus.thermal_boxes).all(axis=1)), [0, 10, 20])
    np.testing.assert_array_equal(bus.init_box, [5, 6, 7, 8])
    assert len(bus.boxes) == len(bus.thermal_boxes) == len(bus) == 23


def test_vtuav_parts_tell_the_split(tmp_path):
    train = ["train_ST_001/a", "train_data/train_LT_002/b", "train_ST_002/a"]
    for part in [*train, "test_ST/c", "test_LT/d", "test/long-term/e"]:
        sequence(tmp_path / part, ("rgb", "ir"), 2, rgb="1 2 3 4\n", ir="1 2 3 4\n")
    expected = {
        None: "abcde", "train": "ab", "test": "cde", "train_st": "a", "train_lt": "b", "test_st": "c", "test_lt": "de"
    }  # fmt: skip
    found = {split: open_dataset("vtuav", tmp_path, split) for split in expected}
    assert {split: "".join(data.names) for split, data in found.items()} == expected
    # the benchmark repeats some training sequences in two parts
    assert list(found["train"].faults) == ["train_ST_002/a"] and found["test"].faults == {}
    assert open_dataset("vtuav", tmp_path / "test_LT", "test_lt").names == ["d"]


# Frames


def test_any_frame_by_its_number(tmp_path):
    lasher(tmp_path / "walker")
    walker = open_dataset("folder", tmp_path)["walker"]
    pair = walker.pair(2)
    assert (pair.rgb.data[0, 0, 0], pair.thermal.data[0, 0], pair.thermal.encoding) == (2, 102, "mono8")
    assert pair.stamp == pair.thermal_stamp == round(2e9 / 30)
    assert [known.rgb.data[0, 0, 0] for known in walker.frames()] == [0, 1, 2, 3]
    for index in (-1, 4):
        with pytest.raises(IndexError, match="walker has frames 0 to 3"):
            walker.pair(index)


def test_sequences_travel_to_other_processes(tmp_path):
    lasher(tmp_path / "walker")
    walker = pickle.loads(pickle.dumps(open_dataset("folder", tmp_path)))["walker"]
    assert walker.pair(3).rgb.data[0, 0, 0] == 3


def test_images_come_in_natural_order_whatever_their_form(tmp_path):
    for name in ("v10.JPG", "v9.bmp", "v1000.png", "v999.jpg", "._v1.jpg", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"")
    assert list_images(tmp_path) == ["v9.bmp", "v10.JPG", "v999.jpg", "v1000.png"]
    for name in ("v9.bmp", "v10.JPG", "v1000.png"):
        (tmp_path / name).unlink()
    (tmp_path / "v998.jpg").write_bytes(b"")
    assert list_images(tmp_path) == ["v998.jpg", "v999.jpg"]


def test_no_image_is_opened_before_it_is_asked_for_and_a_bad_one_is_named(tmp_path):
    folder = lasher(tmp_path / "walker")
    (folder / "infrared" / "00001.png").write_bytes(picture(1)[:40])
    walker = open_dataset("folder", tmp_path)["walker"]
    assert walker.pair(0).thermal is not None
    with pytest.raises(ValueError, match="walker/infrared/00001.png is not an image"):
        walker.pair(1)


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
def test_one_modality_with_its_own_truth(tmp_path, modality):
    sequence(tmp_path / "walker", visible=FOUR, infrared=FOUR.replace("2,3,4", "5,6,7"))
    walker = open_dataset("folder", tmp_path, modality=modality)["walker"]
    assert walker.modality == modality
    np.testing.assert_array_equal(walker.boxes[1], [1, 2, 3, 4] if modality == "rgb" else [1, 5, 6, 7])
    pair = walker.pair(1)
    assert (pair.rgb is None, pair.thermal is None) == (modality == "thermal", modality == "rgb")


@pytest.mark.parametrize(
    ("images", "truth"),
    [
        (("v", "i"), {"groundTruth_v": "1 2 4 6\n2 2 5 6\n", "groundTruth_i": "1 2 4 6\n"}),
        (("rgb", "ir"), {"rgb": "1 2 3 4\n2 2 3 4\n", "ir": "1 2 3 4\n2 2 3 4\n"}),
        (("visible", "infrared"), {"init": "1 2 3 4\n2 2 3 4\n"}),
        (("visible", "infrared"), {"visible": "1\t2\t3\t4\n2\t2\t3\t4", "infrared": "1, 2, 3, 4\r\n"}),
    ],
)
def test_a_source_is_any_of_the_layouts_by_its_looks(tmp_path, images, truth):
    sequence(tmp_path / "walker", images, 2, **truth)
    walker = open_source(str(tmp_path / "walker"))
    assert len(list(walker.frames())) == 2 and walker.modality == "both"
    np.testing.assert_array_equal(walker.boxes, [[1, 2, 3, 4], [2, 2, 3, 4]])


# Folders of one's own, videos, the simulator


def test_a_folder_of_any_layouts(tmp_path):
    lasher(tmp_path / "monday" / "walker")
    lasher(tmp_path / "tuesday" / "walker")
    sequence(tmp_path / "bus", ("rgb", "ir"), 2, rgb="1 2 3 4\n", ir="1 2 3 4\n")
    assert open_dataset("folder", tmp_path).names == ["bus", "monday-walker", "tuesday-walker"]
    assert open_dataset("folder", tmp_path / "bus").names == ["bus"]


def test_real_labelled_videos_by_their_split(shared):
    root = shared / "data" / "drone_visible"
    data = open_dataset("videos", root, "held_out", modality="rgb")
    assert 0 < len(data) < len(list(root.glob("*.mp4"))) and not data.faults
    video = data[0]
    assert video.modality == "rgb" and len(video.boxes) == len(video)
    for i, pair in zip(range(31), video.frames(), strict=False):
        if i % 15 == 0:
            np.testing.assert_array_equal(video.pair(i).rgb.data, pair.rgb.data)
            assert video.pair(i).stamp == pair.stamp


def test_a_video_without_truth_or_without_frames_is_named(tmp_path):
    (tmp_path / "bird.mp4").write_bytes(b"")
    (tmp_path / "plane.mp4").write_bytes(b"")
    (tmp_path / "plane.csv").write_text("x,y,w,h\n1,2,3,4\n")
    with pytest.raises(
        ValueError,
        match="(?s)bird: no truth: expected .*bird.csv.*plane: .*plane.mp4 is empty, cut short, or not a video",
    ):
        open_dataset("videos", tmp_path, modality="thermal")
    with pytest.raises(ValueError, match="modality rgb or thermal"):
        open_dataset("videos", tmp_path)


@pytest.mark.parametrize("modality", ["both", "thermal"])
def test_the_simulator_is_a_data_set_whose_sequences_are_made_on_use(monkeypatch, modality):
    small = {"frames": 3, "width": 96, "height": 64, "thermal_width": 48, "thermal_height": 32, "target_size": 16}
    monkeypatch.setattr(simulator, "SimulatorConfig", partial(simulator.SimulatorConfig, **small))
    data = open_dataset("simulator", None, modality=modality)
    sequence = data["simulator-7"]
    assert len(data) == 64 and len(sequence) == 3
    truth = simulator.SimulatedSequence(simulator.SimulatorConfig(seed=7))
    np.testing.assert_array_equal(sequence.boxes, truth.boxes if modality == "both" else truth.thermal_boxes)
    pair = sequence.pair(2)
    assert (pair.rgb is None) == (modality == "thermal")
    np.testing.assert_array_equal(pair.thermal.data, truth.pair(2).thermal.data)


def test_the_simulator_refuses_a_folder_without_pairs_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="registered pairs lie in rgb/ and tir/"):
        open_dataset("simulator", tmp_path)


# What is broken, all of it at once


def test_every_damaged_sequence_is_named_with_what_was_expected_where(tmp_path):
    def spoil(name, change):
        change(lasher(tmp_path / name))

    def keep_only(*names):
        return lambda folder: [shutil.rmtree(folder / n) for n in ("visible", "infrared") if n not in names]

    spoil("half", keep_only("visible"))
    spoil("none", keep_only())
    spoil("uneven", lambda folder: (folder / "infrared" / "00003.png").unlink())
    spoil("untold", lambda folder: (folder / "infrared.txt").unlink())
    spoil("unread", lambda folder: (folder / "visible.txt").write_text("1,2,3,4\n1,2,three,4\n"))
    spoil("short", lambda folder: (folder / "visible.txt").write_text("1,2,3,4\n1,2,3\n"))
    spoil("long", lambda folder: (folder / "infrared.txt").write_text(FOUR + "1,2,3,4\n"))
    spoil("blank", lambda folder: (folder / "visible.txt").write_text(""))
    spoil("untimed", lambda folder: (folder / "frames.csv").write_bytes(b"stamp,thermal_stamp\n1,1\n\xff,2\n"))
    (tmp_path / "empty").mkdir()
    sequence(tmp_path / "sparse", ("rgb", "ir"), 23, rgb="1 2 3 4\n" * 4, ir="1 2 3 4\n" * 3)
    lasher(tmp_path / "whole")

    data = open_dataset("folder", tmp_path)
    assert data.names == ["whole"]
    expected = {
        "half": "half/infrared has no images",
        "none": "none has no folder visible or infrared with images",
        "uneven": "uneven has 4 images in visible and 3 in infrared",
        "untold": "no truth: expected .*untold/infrared.txt",
        "unread": "unread/visible.txt, line 2: expected the four numbers x,y,w,h, found '1,2,three,4'",
        "short": "short/visible.txt, line 2: expected the four numbers",
        "long": "long/infrared.txt has 5 boxes for 4 frames",
        "blank": "blank/visible.txt .*does not show the target in any frame",
        "untimed": "untimed/frames.csv, line 3: expected 'stamp,thermal_stamp' in nanoseconds",
        "empty": "empty has no folder",
        "sparse": "sparse/rgb.txt has 4 boxes for 23 frames: expected one for every 10th frame .3. or one for each",
    }
    assert data.faults.keys() == expected.keys()
    for name, reason in expected.items():
        with pytest.raises(ValueError, match=reason):
            raise ValueError(data.faults[name])
        assert data.faults[name] in data.report()


def test_what_does_not_belong_to_a_benchmark_is_named(tmp_path):
    lasher(tmp_path / "testingset" / "10runone")
    lasher(tmp_path / "testingset" / "holiday")
    lasher(tmp_path / "again" / "10runone")
    data = open_dataset("lasher", tmp_path, "test")
    assert data.names == ["10runone"]
    assert "is not among the 1224 sequences" in data.faults["holiday"]
    assert "again/10runone is used" in data.faults["testingset/10runone"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("kitti", "."), ValueError, "'kitti' is unknown: expected one of gtot"),
        (("lasher", ".", "val"), ValueError, "no split 'val': expected train, test"),
        (("gtot", ".", "test"), ValueError, "no split 'test': expected none"),
        (("gtot", "nowhere"), FileNotFoundError, "no folder 'nowhere'"),
        (("gtot", None), ValueError, "gtot needs a root"),
        (("gtot", ".", None, "sonar"), ValueError, "modality 'sonar' is unknown"),
    ],
)
def test_what_cannot_be_opened(arguments, error, message):
    with pytest.raises(error, match=message):
        open_dataset(*arguments)


def test_a_root_that_holds_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"(?s)0 of 50.*50 missing.*BlackCar"):
        open_dataset("gtot", tmp_path)
    with pytest.raises(ValueError, match="holds no sequence of vtuav"):
        open_dataset("vtuav", tmp_path)
