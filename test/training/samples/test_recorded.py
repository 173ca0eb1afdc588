"""Samples from RGB-T sequences: which frames, what is cut from them, and what damaged data does."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from recordings import SIDE, write_sequence

from ckd_ros.network.presets import preset
from ckd_ros.training.samples.config import PAPER, AugmentationConfig, DataSetConfig, SampleConfig
from ckd_ros.training.samples.dataset import SampleDataset
from ckd_ros.training.samples.recorded import SequenceSource
from ckd_ros.training.samples.video_bank import VideoBank

NETWORK = preset("tinyvit")
#: The crop is the image: no brightness, no mirror.
PLAIN = {**vars(PAPER), "grey": 0.0, "flip": 0.0, "brightness_range": 0.0}


def samples(root, augmentation=None, sample=None, **settings) -> SampleDataset:
    config = SampleConfig(
        weights={},
        datasets=(DataSetConfig("folder", root, **settings),),
        augmentation=AugmentationConfig(**{**PLAIN, **(augmentation or {})}),
        **{"negatives": 0.0, "dropped": 0.0, "centre_jitter": 1.0, "narrow": 0.0, **(sample or {})},
    )
    return SampleDataset(config, NETWORK, seed=1, length=1000)


def bright(image: np.ndarray) -> tuple[float, float, float]:
    """Centre and side of the square in a crop, in pixels."""
    rows, columns = np.nonzero(image > 150)
    return columns.mean() + 0.5, rows.mean() + 0.5, np.sqrt(len(rows))


def frame_of(image: np.ndarray) -> int:
    """The frame that a colour crop is from, by the colour of its square."""
    return round(float(np.median(image[..., 0][image[..., 2] > 180])) / 5)


def drawn(data: SampleDataset, count: int) -> set[tuple[int, int]]:
    """Template and search frame of the first samples."""
    found = (data[index] for index in range(count))
    return {(frame_of(sample["template_rgb"]), frame_of(sample["search_rgb"])) for sample in found}


def test_the_box_lies_on_the_target_in_both_modalities(tmp_path):
    write_sequence(tmp_path / "a")
    data = samples(tmp_path)
    for index in range(6):
        sample = data[index]
        assert sample["present"].all() and sample["positive"] and sample["replaced"] == 0
        x, y, w, h = sample["box"] * 128
        for crop in (sample["search_rgb"][..., 2], sample["search_tir"]):
            assert bright(crop) == pytest.approx((x + w / 2, y + h / 2, np.sqrt(w * h)), abs=2)
        x, y, w, h = sample["template_box"] * 64
        for crop in (sample["template_rgb"][..., 2], sample["template_tir"]):
            assert bright(crop) == pytest.approx((x + w / 2, y + h / 2, np.sqrt(w * h)), abs=2)


def test_the_template_comes_first_within_the_gap_and_hidden_targets_never(tmp_path):
    write_sequence(tmp_path / "a", hidden=(3, 4, 8))
    causal = drawn(samples(tmp_path, max_gap=3), 30)
    assert all(0 < new - old <= 3 for old, new in causal)
    assert not {3, 4, 8} & {frame for pair in causal for frame in pair}
    assert len(causal) > 6
    both = drawn(samples(tmp_path, max_gap=3, causal=False), 15)
    assert all(abs(new - old) <= 3 for old, new in both) and any(new < old for old, new in both)


def test_a_target_that_is_away_for_longer_than_the_gap_is_met_again(tmp_path):
    write_sequence(tmp_path / "a", frames=8, hidden=(1, 2, 3, 4, 5))
    assert drawn(samples(tmp_path, max_gap=2), 12) == {(0, 6), (6, 7)}


def test_thermal_crops_are_cut_like_colour_or_at_their_own_truth(tmp_path):
    write_sequence(tmp_path / "a", thermal_offset=6)
    for thermal_crop, expected in (("rgb", 6), ("thermal", 0)):
        sample = samples(tmp_path, thermal_crop=thermal_crop)[3]
        scale = sample["box"][2] * 128 / SIDE
        offset = bright(sample["search_tir"])[0] - bright(sample["search_rgb"][..., 2])[0]
        assert offset == pytest.approx(expected * scale, abs=1)


def test_time_jitter_shows_the_thermal_target_where_it_was_at_another_moment(tmp_path):
    write_sequence(tmp_path / "a")
    data = samples(tmp_path, {"time_jitter": 1.0, "time_frames": 2})
    frames = set()
    for index in range(20):
        sample = data[index]
        scale = sample["box"][2] * 128 / SIDE
        frames.add(round((bright(sample["search_tir"])[0] - bright(sample["search_rgb"][..., 2])[0]) / scale / 4))
    assert frames >= {-2, -1, 0, 1} and max(map(abs, frames)) <= 2


def test_registration_jitter_moves_the_thermal_search_region_alone(tmp_path):
    write_sequence(tmp_path / "a")
    data = samples(tmp_path, {"registration": 0.1})
    off = []
    for index in range(25):
        sample = data[index]
        off.append((bright(sample["search_tir"])[0] - bright(sample["search_rgb"][..., 2])[0]) / (128 / 4))
        assert bright(sample["template_tir"])[:2] == pytest.approx(bright(sample["template_rgb"][..., 2])[:2], abs=1)
    assert 0.05 < np.std(off) < 0.16


def test_sequences_are_mixed_by_weight(tmp_path):
    for name in ("a", "b"):
        write_sequence(tmp_path / name / "s", frames=3)
    sets = tuple(DataSetConfig("folder", tmp_path / name, weight=w) for name, w in (("a", 3.0), ("b", 1.0)))
    data = SampleDataset(SampleConfig(weights={}, datasets=sets), NETWORK, 0, 10)
    assert data.probabilities == pytest.approx([0.75, 0.25])


def test_a_damaged_image_is_named_and_other_frames_take_its_place(tmp_path):
    write_sequence(tmp_path / "a")
    (tmp_path / "a" / "visible" / "000005.png").write_bytes(b"torn")
    data = samples(tmp_path)
    found = [data[i] for i in range(25)]
    frames = {frame_of(s[name]) for s in found for name in ("template_rgb", "search_rgb")}
    assert 5 not in frames and len(frames) > 7
    assert sum(s["replaced"] for s in found) > 0
    assert all(("000005.png" in s["faults"]) == bool(s["replaced"]) for s in found)
    assert all(len(s["faults"].splitlines()) <= 1 for s in found), "one image, one line"
    again = samples(tmp_path)
    replaced = next(i for i, s in enumerate(found) if s["replaced"])
    np.testing.assert_array_equal(again[replaced]["search_tir"], found[replaced]["search_tir"])


def test_a_data_set_full_of_damaged_images_ends_the_training(tmp_path):
    write_sequence(tmp_path / "a", frames=3)
    for file in (tmp_path / "a" / "infrared").iterdir():
        file.write_bytes(b"")
    with pytest.raises(OSError, match="20 samples in a row of folder in '.*infrared.*repair or remove them"):
        samples(tmp_path)[0]


def test_a_data_set_without_anything_to_learn_from_is_refused(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        samples(tmp_path)
    write_sequence(tmp_path / "a", frames=3, hidden=(1, 2))
    with pytest.raises(ValueError, match="none of 1 sequences has two frames with a visible target"):
        samples(tmp_path)


def test_without_a_split_only_training_sequences_are_used(tmp_path, monkeypatch):
    asked = []

    def opened(kind, root, split):
        asked.append((kind, split))
        raise ValueError("enough")

    monkeypatch.setattr("ckd_ros.training.samples.recorded.open_dataset", opened)
    for kind, split in (("lasher", None), ("vtuav", "train_st"), ("gtot", None)):
        with pytest.raises(ValueError, match="enough"):
            SequenceSource(DataSetConfig(kind, tmp_path, split), None)
    assert asked == [("lasher", "train"), ("vtuav", "train_st"), ("gtot", None)]


def test_videos_that_cannot_be_read_are_named(tmp_path, caplog):
    (tmp_path / "A_1.mp4").write_bytes(b"no video")
    (tmp_path / "A_1.csv").write_text("x,y,w,h\n1,2,30,40\n")
    with pytest.raises(ValueError, match=f"none of the 1 videos in '{tmp_path}'"):
        VideoBank(tmp_path, True, tmp_path / "cache")
    assert "A_1.mp4" in caplog.text
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())
    with pytest.raises(FileNotFoundError, match="no labelled video"):
        VideoBank(tmp_path / "empty", True, tmp_path / "cache")


def film(folder, frames=16, labelled=16, name="A_1"):
    """A labelled video of grey frames."""
    folder.mkdir(exist_ok=True)
    video = cv2.VideoWriter(str(folder / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 20, (64, 48))
    for _ in range(frames):
        video.write(np.full((48, 64, 3), 90, np.uint8))
    video.release()
    (folder / f"{name}.csv").write_text("x,y,w,h\n" + "20,10,16,16\n" * labelled)
    return folder / f"{name}.mp4"


def test_corrected_labels_are_cut_anew_even_in_as_many_letters(tmp_path):
    labels = film(tmp_path).with_suffix(".csv")
    first, stated = VideoBank(tmp_path, True, tmp_path / "cache"), labels.stat()
    labels.write_text("x,y,w,h\n" + "20,10,32,16\n" * 16)
    os.utime(labels, ns=(stated.st_atime_ns, stated.st_mtime_ns))
    assert labels.stat().st_size == stated.st_size
    second = VideoBank(tmp_path, True, tmp_path / "cache")
    shapes = [bank.boxes[0][2] / bank.boxes[0][3] for bank in (first, second)]
    assert shapes == pytest.approx([1.0, 2.0])


def test_a_video_that_took_the_place_of_another_is_cut_anew(tmp_path):
    video = film(tmp_path)
    VideoBank(tmp_path, True, tmp_path / "cache")
    os.utime(video, (1, 1))
    VideoBank(tmp_path, True, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    VideoBank(tmp_path, True, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2, "and kept where nothing has changed"


def test_what_is_wrong_with_videos_is_said_at_every_start(tmp_path, caplog):
    film(tmp_path, name="GOOD_1")
    film(tmp_path, frames=8, name="SHORT_1")
    film(tmp_path, labelled=12, name="LONG_1")
    film(tmp_path, name="TORN_1").write_bytes(b"no video")
    (tmp_path / "._GOOD_1.mp4").write_bytes(b"of another system")
    (tmp_path / "._GOOD_1.csv").write_bytes(b"of another system")
    for _ in range(2):
        caplog.clear()
        bank = VideoBank(tmp_path, True, tmp_path / "cache")
        assert len(bank.images) == 4 + 2 + 3
        for said in (
            "SHORT_1.mp4' has 8 frames, its truth 16 lines",
            "LONG_1.mp4' has 16 frames, its truth 12 lines",
            "left out: .*TORN_1.mp4 is empty, cut short, or not a video",
        ):
            assert re.search(said, caplog.text)
        assert "GOOD_1" not in caplog.text


def test_two_that_cut_the_same_videos_at_once_both_have_the_windows(tmp_path, monkeypatch):
    film(tmp_path, 8, 8)
    both, save = threading.Barrier(2, timeout=60), np.save

    def save_together(path, values):
        save(path, values)
        both.wait()  # neither is stored before both have begun

    monkeypatch.setattr(np, "save", save_together)
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(VideoBank, tmp_path, False, tmp_path / "cache") for _ in range(2))
    monkeypatch.undo()
    assert len(first.result().images) == 2
    np.testing.assert_array_equal(first.result().images, second.result().images)
    np.testing.assert_array_equal(first.result().images, VideoBank(tmp_path, False, tmp_path / "cache").images)
    assert len(list((tmp_path / "cache").iterdir())) == 1, "no draft is left"
