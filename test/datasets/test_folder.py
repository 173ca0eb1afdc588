"""Sequence folders in which something is missing, doubled or strange: frames and truth stay together, or it is said."""

import csv

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.folder import FolderSequence
from ckd_ros.datasets.sources import open_source

NAN = [np.nan] * 4


def images(folder, numbers, names="{:06d}.png", value=0):
    """Images whose grey value is their number, and `value` more."""
    folder.mkdir(parents=True)
    for number in numbers:
        data = np.full((6, 8, 3), number + value, np.uint8)
        (folder / names.format(number)).write_bytes(cv2.imencode(".png", data)[1].tobytes())
    return folder


def boxes(numbers):
    """A box for each number, which is its left side."""
    return "".join(f"{number},2,3,4\n" for number in numbers)


def without(count, *lost, first=0):
    return [number for number in range(first, first + count) if number not in lost]


def lasher(folder, rgb, thermal, truth, thermal_truth=None):
    images(folder / "visible", rgb)
    images(folder / "infrared", thermal, value=100)
    (folder / "visible.txt").write_text(truth)
    (folder / "infrared.txt").write_text(truth if thermal_truth is None else thermal_truth)
    return folder


def shown(sequence):
    """Of each frame: the numbers of its colour and thermal image, and the left side of its box."""
    found = []
    for pair, box in zip(sequence.frames(), sequence.boxes, strict=True):
        rgb = None if pair.rgb is None else int(pair.rgb.data[0, 0, 0])
        thermal = None if pair.thermal is None else int(pair.thermal.data[0, 0]) - 100
        found.append((rgb, thermal, None if np.isnan(box[0]) else box[0]))
    return found


def test_cameras_that_lack_different_images_are_paired_by_number_where_the_truth_counts_so(tmp_path):
    """Colour lacks frame 10, thermal frame 30 of 1 to 40: by position, 20 of 39 pairs are of different moments."""
    rgb, thermal = without(40, 10, first=1), without(40, 30, first=1)
    sequence = FolderSequence(lasher(tmp_path / "car", rgb, thermal, boxes(range(1, 41))))
    everything = range(1, 41)
    assert shown(sequence) == [(n if n != 10 else None, n if n != 30 else None, n) for n in everything]
    np.testing.assert_array_equal(sequence.pair(9).thermal_stamp, round(9e9 / 30))
    assert len(sequence.notes) == 1 and "counted by the numbers" in sequence.notes[0]


@pytest.mark.parametrize("shift", [0, 5000])
def test_cameras_that_lack_different_images_are_named_where_it_is_not_clear(tmp_path, shift):
    folder = lasher(tmp_path / "car", without(40, 10, first=1), without(40, 30, first=1), boxes(range(39)))
    for path in sorted((folder / "infrared").iterdir(), reverse=True):
        path.rename(path.with_stem(f"{int(path.stem) + shift:06d}"))
    data = open_dataset("folder", tmp_path)
    (note,) = data["car"].notes
    assert f"behind visible/000009.png and infrared/{9 + shift:06d}.png the cameras lack different images" in note
    assert "frames.csv" in note and note in data.report()
    assert len(data["car"]) == 39


def test_another_number_of_images_is_refused_whatever_the_truth_counts(tmp_path):
    folder = lasher(tmp_path / "car", without(10, 3), without(10, 4, 5), boxes(range(10)))
    with pytest.raises(ValueError, match="has 9 images in visible and 8 in infrared"):
        FolderSequence(folder)


def test_cameras_with_numbers_of_their_own_are_paired_in_order_and_nothing_is_said(tmp_path):
    """As in LasHeR, whose cameras do not count alike."""
    for name, thermal in (("shifted", without(9, 24, first=21)), ("wider", range(20, 180, 20))):
        folder = tmp_path / name
        images(folder / "visible", without(9, 3) if name == "shifted" else range(8))
        images(folder / "infrared", thermal, "i{:05d}.png")
        for side in ("visible", "infrared"):
            (folder / f"{side}.txt").write_text(boxes(range(8)))
        sequence = FolderSequence(folder)
        assert sequence.notes == () and len(sequence) == 8
        np.testing.assert_array_equal(sequence.boxes[:, 0], range(8))


def test_images_lost_by_both_cameras_do_not_shift_a_truth_that_has_their_lines(tmp_path):
    left = without(8, 3, 4)
    sequence = FolderSequence(lasher(tmp_path / "car", left, left, boxes(range(8))))
    assert shown(sequence) == [(n, n, n) for n in left]
    assert [pair.stamp for pair in sequence.frames()] == [round(n * 1e9 / 30) for n in left]


def test_a_copied_image_shifts_nothing_and_is_named(tmp_path):
    folder = lasher(tmp_path / "car", range(5), range(5), boxes(range(5)))
    for side in ("visible", "infrared"):
        (folder / side / "000002 (1).png").write_bytes((folder / side / "000002.png").read_bytes())
    sequence = FolderSequence(folder)
    assert shown(sequence) == [(n, n, n) for n in range(5)]
    assert len(sequence.notes) == 2 and "visible holds 1 copies of other images (000002 (1).png)" in sequence.notes[0]


def test_an_empty_line_of_a_truth_is_a_frame_without_a_target(tmp_path):
    truth = boxes(range(5)).replace("2,2,3,4", "")
    sequence = FolderSequence(lasher(tmp_path / "car", range(5), range(5), truth))
    assert [box for _, _, box in shown(sequence)] == [0, 1, None, 3, 4]


def test_a_truth_that_is_shorter_than_the_images_is_named(tmp_path):
    sequence = FolderSequence(lasher(tmp_path / "car", range(5), range(5), boxes(range(3)), boxes(range(5))))
    (note,) = sequence.notes
    assert "visible.txt has 3 boxes for 5 frames: in the last 2 the target counts as not visible" in note
    assert [box for _, _, box in shown(sequence)] == [0, 1, 2, None, None]


def test_the_whole_truth_in_init_stands_for_a_missing_colour_truth(tmp_path):
    folder = lasher(tmp_path / "car", range(4), range(4), boxes(range(4)))
    (folder / "visible.txt").rename(folder / "init.txt")
    data = open_dataset("folder", tmp_path)
    np.testing.assert_array_equal(data["car"].boxes[:, 0], range(4))
    (note,) = data["car"].notes
    assert "visible.txt is missing: init.txt, which has 4 boxes, is used" in note
    (folder / "init.txt").write_text("0,2,3,4\n")
    with pytest.raises(ValueError, match="no truth: expected .*visible.txt"):
        open_dataset("folder", tmp_path)


def test_a_truth_of_corners_that_its_first_box_belies_is_named(tmp_path):
    folder = lasher(tmp_path / "car", range(3), range(3), "100,80,140,110\n" * 3)
    (folder / "init.txt").write_text("100,80,40,30\n")
    (note,) = FolderSequence(folder).notes
    assert (
        "visible.txt: the first box 100,80,140,110 is not that of init.txt, 100,80,40,30: it looks like two c" in note
    )
    (folder / "init.txt").write_text("102,81,138,110\n")
    assert FolderSequence(folder).notes == ()
    (folder / "infrared.txt").write_text("400,80,140,110\n" * 3)  # of a camera that looks elsewhere
    assert FolderSequence(folder, modality="thermal").notes == ()


# VTUAV: one number for both cameras, a truth for every tenth


def vtuav(folder, rgb, thermal, lines=5):
    images(folder / "rgb", rgb)
    images(folder / "ir", thermal, value=100)
    truth = boxes(range(0, 10 * lines, 10)).replace(",", " ")
    for side in ("rgb", "ir"):
        (folder / f"{side}.txt").write_text(truth)
    return folder


@pytest.mark.parametrize("first", [0, 1])
def test_images_lost_in_the_middle_of_vtuav_do_not_shift_its_truth(tmp_path, first):
    lost = [first + n for n in (12, 13, 14, 33)]
    left = without(50, *lost, first=first)
    sequence = FolderSequence(vtuav(tmp_path / "bus", left, left))
    known = [(rgb - first, box) for rgb, _, box in shown(sequence) if box is not None]
    assert known == [(n, n) for n in (0, 10, 20, 30, 40)]
    assert len(sequence) == len(sequence.annotated) == 46
    np.testing.assert_array_equal(sequence.annotated, np.isfinite(sequence.boxes[:, 0]))
    assert "counted by the numbers" in sequence.notes[0]


def test_vtuav_is_paired_by_number_where_one_camera_lost_images(tmp_path):
    sequence = FolderSequence(vtuav(tmp_path / "bus", without(50, 7), without(50, 20, 21)))
    found = shown(sequence)
    assert [rgb for rgb, _, _ in found] == [n if n != 7 else None for n in range(50)]
    assert [thermal for _, thermal, _ in found] == [n if n not in (20, 21) else None for n in range(50)]
    assert found[20] == (20, None, 20)


def test_vtuav_with_a_line_for_each_image_that_is_left_is_read_line_by_line(tmp_path):
    left = without(30, 4, 17)
    folder = vtuav(tmp_path / "bus", left, left)
    for side in ("rgb", "ir"):
        (folder / f"{side}.txt").write_text(boxes(left))
    sequence = FolderSequence(folder)
    assert shown(sequence) == [(n, n, n) for n in left] and sequence.annotated is None


def test_vtuav_with_numbers_of_each_cameras_own_is_paired_in_order(tmp_path):
    sequence = FolderSequence(vtuav(tmp_path / "bus", without(41, 7), range(60, 100), lines=4))
    assert [thermal - 60 for _, thermal, _ in shown(sequence)] == list(range(40))
    assert [n for n, (_, _, box) in enumerate(shown(sequence)) if box is not None] == [0, 10, 20, 30]
    assert "the cameras lack different images" in sequence.notes[0]


def test_vtuav_whose_first_images_are_lost_begins_with_the_truth_of_the_next(tmp_path):
    left = range(15, 50)
    sequence = FolderSequence(vtuav(tmp_path / "bus", left, left))
    assert [(rgb, box) for rgb, _, box in shown(sequence) if box is not None] == [(20, 20), (30, 30), (40, 40)]
    assert sequence.init_box is None


def test_every_tenth_image_of_vtuav_alone_is_annotated_each(tmp_path):
    left = range(0, 50, 10)
    sequence = FolderSequence(vtuav(tmp_path / "bus", left, left))
    assert shown(sequence) == [(n, n, n) for n in left]


# RGBT234: some of its sequences have one line, or one image, more for one camera


@pytest.mark.parametrize("lines", [(6, 5), (5, 6), (6, 7)])
def test_rgbt234_is_cut_to_the_shorter_truth_as_its_toolkit_does(tmp_path, lines):
    lasher(tmp_path / "dog", range(6), range(6), *(boxes(range(count)) for count in lines))
    dog = open_dataset("rgbt234", tmp_path)["dog"]
    count = min(lines)
    assert len(dog) == len(dog.boxes) == len(dog.thermal_boxes) == count
    assert shown(dog) == [(n, n, n) for n in range(count)]
    assert f"has {lines[0]} boxes and infrared.txt {lines[1]}: cut to the shorter" in dog.notes[0]


def test_rgbt234_is_cut_to_the_camera_with_one_image_less(tmp_path):
    lasher(tmp_path / "dog", range(6), range(5), boxes(range(5)))
    dog = open_dataset("rgbt234", tmp_path)["dog"]
    assert shown(dog) == [(n, n, n) for n in range(5)]
    assert "6 images in visible and 5 in infrared: cut to the shorter" in dog.notes[0]
    lasher(tmp_path / "child1", range(6), range(5), boxes(range(6)))
    assert shown(open_dataset("rgbt234", tmp_path)["child1"]) == [(n, n, n) for n in range(5)]
    lasher(tmp_path / "call", range(6), range(4), boxes(range(4)))
    assert "6 images in visible and 4 in infrared" in open_dataset("rgbt234", tmp_path).faults["call"]


# frames.csv


def test_times_may_begin_with_a_byte_order_mark_and_images_that_they_leave_out_are_named(tmp_path):
    folder = lasher(tmp_path / "car", range(4), range(4), boxes(range(3)))
    with open(folder / "frames.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("stamp", "thermal_stamp"), (0, 0), (100, ""), (200, 200)])
    sequence = FolderSequence(folder)
    assert shown(sequence) == [(0, 0, 0), (1, None, 1), (2, 1, 2)]
    assert [note.rpartition("/")[2] for note in sequence.notes] == [
        "frames.csv names 3 of the 4 images in visible: the others are left out",
        "frames.csv names 2 of the 4 images in infrared: the others are left out",
    ]


# What lies about


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    folder = lasher(tmp_path / "car", range(3), range(3), boxes(range(3)))
    for side in ("visible", "infrared"):
        for name in ("._000001.png", ".DS_Store", "Thumbs.db"):
            (folder / side / name).write_bytes(b"stray")
    (folder / "._visible.txt").write_bytes(b"stray")
    (tmp_path / ".DS_Store").write_bytes(b"stray")
    (tmp_path / "README.txt").write_text("about these sequences")
    images(tmp_path / "__MACOSX" / "car" / "visible", [1], "._{:06d}.png")
    images(tmp_path / "@eaDir" / "car" / "visible", [1])
    data = open_dataset("folder", tmp_path)
    assert data.names == ["car"] and data.faults == {} and data["car"].notes == ()
    assert len(open_source(str(folder))) == 3


def test_two_videos_of_one_name_are_one_sequence_and_the_other_is_named(tmp_path):
    for name in ("clip.avi", "clip.mp4", "._clip.mp4", "other.avi"):
        writer = cv2.VideoWriter(
            str(tmp_path / name), cv2.VideoWriter.fourcc(*"MJPG" if name[-1] == "i" else "mp4v"), 10, (64, 48)
        )
        for value in range(3):
            writer.write(np.full((48, 64, 3), value, np.uint8))
        writer.release()
    for name in ("clip", "other"):
        (tmp_path / f"{name}.csv").write_text(boxes(range(3)))
    data = open_dataset("videos", tmp_path, modality="rgb")
    assert data.names == ["clip", "other"]
    assert data.faults == {"clip.mp4": "clip again, with another suffix: the one before it is used"}


def test_a_video_with_less_truth_than_frames_and_what_it_is_read_from(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for value in range(5):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    (tmp_path / "clip.csv").write_text("\ufeffx,y,w,h\n" + boxes(range(3)), encoding="utf-8")
    sequence = open_source(f"{tmp_path / 'clip.avi'},")
    np.testing.assert_array_equal(sequence.boxes[:, 0], [0, 1, 2, np.nan, np.nan])
    assert "clip.csv has 3 boxes for 5 frames" in sequence.notes[0]
    assert sequence.inputs == (tmp_path / "clip.avi", tmp_path / "clip.csv")
