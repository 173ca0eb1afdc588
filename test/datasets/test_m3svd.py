"""Real paired video: each annotated person is a sequence, the others of the video are known beside it."""

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.m3svd import open_m3svd

FRAMES = 8


@pytest.fixture
def folder(tmp_path):
    """A video in which each frame's level says which it is (thermal: 100 more), and two people."""
    (tmp_path / "boxes").mkdir()
    for side, offset in (("visible", 0), ("infrared", 100)):
        writer = cv2.VideoWriter(str(tmp_path / f"0001_{side}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
        for number in range(FRAMES):
            writer.write(np.full((48, 64, 3), 10 * number + offset, np.uint8))
        writer.release()
    write(tmp_path, "a", [(3, "10,10,8,16"), (4, "11,10,8,16"), (5, "nan,nan,nan,nan"), (6, "13,10,8,16")])
    write(tmp_path, "b", [(n, f"{30 + n},10,8,16") for n in range(4, 9)])
    return tmp_path


def write(folder, person, rows):
    lines = [f"{frame},{box}" for frame, box in rows]
    (folder / "boxes" / f"0001_{person}.csv").write_text("\n".join(["frame,x,y,w,h", *lines]) + "\n")


def test_a_person_is_a_sequence_from_the_first_annotated_frame_to_the_last(folder):
    first, second = open_m3svd(folder)
    assert (first.name, len(first), first.rate, first.modality) == ("0001_a", 4, 25.0, "both")
    assert (second.name, len(second)) == ("0001_b", 5)
    assert np.allclose(first.boxes[:, 0], [10, 11, np.nan, 13], equal_nan=True)
    assert np.allclose(first.init_box, [10, 10, 8, 16])
    levels = [(int(pair.rgb.data.mean()), int(pair.thermal.data.mean())) for pair in first.frames()]
    expected = [(10 * n, 10 * n + 100) for n in range(2, 6)]  # frame 3 of the file is number 2
    assert np.allclose(levels, expected, atol=4)
    assert np.allclose(first.pair(3).rgb.data.mean(), 50, atol=4)


def test_the_others_are_known_frame_by_frame(folder):
    first, second = open_m3svd(folder)
    assert first.other_boxes.shape == (4, 1, 4) and second.other_boxes.shape == (5, 1, 4)
    assert np.allclose(first.other_boxes[:, 0, 0], [np.nan, 34, 35, 36], equal_nan=True)
    assert np.allclose(second.other_boxes[:, 0, 0], [11, np.nan, 13, np.nan, np.nan], equal_nan=True)


def test_a_person_alone_has_no_others(folder):
    (folder / "boxes" / "0001_b.csv").unlink()
    (only,) = open_m3svd(folder)
    assert only.other_boxes is None


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, "1,2,3")], "0001_c.csv: expected"),
        ([(1, "1,2,3,x")], "0001_c.csv: expected"),
        ([(0, "1,2,3,4")], "frames from 1"),
        ([(9, "1,2,3,4")], "0001_c is annotated up to frame 9, but 0001_visible has 8 frames"),
    ],
)
def test_annotations_that_do_not_fit_are_named(folder, rows, reason):
    write(folder, "c", rows)
    with pytest.raises(ValueError, match=reason):
        open_m3svd(folder)


def test_a_folder_without_annotations_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="boxes/VIDEO_TARGET.csv"):
        open_m3svd(tmp_path)


def test_the_real_one(shared):
    root = shared / "data" / "m3svd"
    if not root.is_dir():
        pytest.skip(f"no videos at {root}")
    sequences = {sequence.name: sequence for sequence in open_m3svd(root)}
    assert len(sequences) == 13 and len(sequences["0117_1605_p2"]) == 291
    hidden = ~np.isfinite(sequences["0117_1605_p2"].boxes).all(axis=1)
    assert 0 < hidden.sum() < 100
    pair = sequences["1230_1202_p1"].pair(0)
    assert pair.rgb.size == pair.thermal.size == (640, 480)
