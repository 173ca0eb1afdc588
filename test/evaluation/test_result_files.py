"""Box files: written so that a benchmark's toolkit reads them, read however they were written, whole or not at all."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.result_files import BOX_FORMATS, finished, read_results, result_folders, write_result

NAN = [np.nan] * 4
BOXES = np.array([[10, 20, 30, 40], NAN, [1.234, 2.5, 3, 4.126]])


def made(boxes=BOXES, faults=(), failed=False) -> OnePassResult:
    count = len(boxes)
    return OnePassResult(np.asarray(boxes, float), np.full(count, 0.01), np.full(count, 0.5), tuple(faults), failed)


@pytest.mark.parametrize(
    ("kind", "name", "lines"),
    [
        ("gtot", "ours_Torabi.txt", "10.00 20.00 40.00 20.00 40.00 60.00 10.00 60.00"),
        ("rgbt210", "ours_Torabi.txt", "10.00 20.00 40.00 20.00 40.00 60.00 10.00 60.00"),
        ("rgbt234", "ours_Torabi.txt", "10.00 20.00 40.00 20.00 40.00 60.00 10.00 60.00"),
        ("lasher", "Torabi.txt", "10.00\t20.00\t30.00\t40.00"),
        ("vtuav", "Torabi.txt", "10.00 20.00 30.00 40.00"),
        ("folder", "Torabi.txt", "10.00,20.00,30.00,40.00"),
    ],
)
def test_every_benchmark_has_its_own_form(tmp_path, kind, name, lines):
    write_result(tmp_path, "ours", "Torabi", made(), BOX_FORMATS[kind])
    written = (tmp_path / name).read_text().splitlines()
    assert written[0] == lines
    assert {float(number) for number in written[1].replace(",", " ").split()} == {0.0}  # no answer


@pytest.mark.parametrize("kind", BOX_FORMATS)
def test_what_was_written_is_read_back(tmp_path, kind):
    done = OnePassResult(BOXES, np.array([0.5, np.nan, 0.25]), np.array([1.0, 0.25, np.nan]), ("frame 1: torn\nimage",))
    write_result(tmp_path, "ours", "Torabi", done, BOX_FORMATS[kind])
    back = read_results(tmp_path, {"Torabi": 3})
    assert back.faults == {}
    read = back.passes["Torabi"]
    np.testing.assert_allclose(read.boxes, BOXES, atol=0.0101)  # two decimals, of corners too
    np.testing.assert_array_equal(read.seconds, done.seconds)
    np.testing.assert_array_equal(read.confidences, done.confidences)
    assert read.faults == ("frame 1: torn image",)
    assert not read.failed
    assert back.label == tmp_path.name


@pytest.mark.parametrize("separator", [",", " ", "\t", ", ", "   "])
@pytest.mark.parametrize(
    "numbers", [["10", "20", "30", "40"], ["10", "20", "40", "20", "40", "60", "10", "60"]], ids=["xywh", "corners"]
)
def test_boxes_of_others_are_read_however_they_are_separated(tmp_path, separator, numbers):
    (tmp_path / "car.txt").write_text(f"{separator.join(numbers)}\n" * 2)
    read = read_results(tmp_path, {"car": 2}, "theirs")
    assert read.label == "theirs"
    np.testing.assert_array_equal(read.passes["car"].boxes, [[10, 20, 30, 40]] * 2)
    assert np.isnan(read.passes["car"].seconds).all()


def test_the_prefix_of_files_is_found(tmp_path):
    for name in ("our_car", "our_car_2", "our_man", "our_notes", "car"):
        (tmp_path / f"{name}.txt").write_text(f"{len(name)},1,5,5\n")
    read = read_results(tmp_path, {"car": 1, "car_2": 1, "man": 1, "dog": 1})
    assert {name: done.boxes[0, 0] for name, done in read.passes.items()} == {"car": 7, "car_2": 9, "man": 7}
    assert list(read.faults) == ["dog"]
    assert str(tmp_path / "our_dog.txt") in read.faults["dog"]


def test_a_name_that_ends_another_is_not_mistaken_for_it(tmp_path):
    for name in ("redcar", "blue_car", "my_red"):
        (tmp_path / f"{name}.txt").write_text("1,1,5,5\n")
    lengths = {"redcar": 1, "car": 1, "blue_car": 1, "red": 1}
    assert set(read_results(tmp_path, lengths).passes) == {"redcar", "blue_car"}
    # Even where the only wanted name ends another's file.
    assert set(read_results(tmp_path, {"car": 1, "blue_car": 1}).passes) == {"blue_car"}
    assert set(read_results(tmp_path, {"ar": 1}).passes) == set()


def test_what_lies_beside_the_boxes_is_not_mistaken_for_boxes(tmp_path):
    write_result(tmp_path, "tracker", "car", made(), BOX_FORMATS["gtot"])
    read = read_results(tmp_path, {"car": 3, "time": 3})  # car_time.txt holds times
    assert set(read.passes) == {"car"}
    assert finished(tmp_path, ["car", "time"]) == {"car"}


def test_bad_files_are_named_and_the_others_used(tmp_path):
    (tmp_path / "good.txt").write_text("1,1,5,5\n2,2,5,5\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "torn.txt").write_text("1,1,5,5\n1,1,")
    (tmp_path / "words.txt").write_text("no box here\n")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "folder.txt").mkdir()
    names = ("good", "empty", "torn", "words", "binary", "folder", "absent")
    read = read_results(tmp_path, dict.fromkeys(names, 2))
    assert set(read.passes) == {"good"}
    assert set(read.faults) == set(names) - {"good"}
    for name in ("empty", "torn", "words", "binary", "folder", "absent"):
        assert str(tmp_path / f"{name}.txt") in read.faults[name]
    assert "line 2" in read.faults["torn"]


@pytest.mark.parametrize(("written", "boxes"), [(1, [[1, 1, 5, 5], NAN]), (3, [[1, 1, 5, 5]] * 2)])
def test_a_wrong_length_is_reported_and_what_is_there_is_used(tmp_path, written, boxes):
    (tmp_path / "car.txt").write_text("1,1,5,5\n" * written)
    read = read_results(tmp_path, {"car": 2})
    np.testing.assert_array_equal(read.passes["car"].boxes, boxes)
    assert len(read.rows["car"]) == written
    assert f"has {written} boxes for 2 frames" in read.passes["car"].faults[0]


def test_damaged_times_and_settings_cost_no_boxes(tmp_path):
    write_result(tmp_path, "ours", "car", made(), BOX_FORMATS["folder"])
    (tmp_path / "car_time.txt").write_text("0.1\nnever\n0.1\n")
    (tmp_path / "settings.json").write_text("{")
    read = read_results(tmp_path, {"car": 3})
    assert np.isnan(read.passes["car"].seconds).all()
    assert "car_time.txt" in read.passes["car"].faults[0]
    assert "settings.json" in read.faults[""]
    (tmp_path / "settings.json").write_text(json.dumps({"model": "tiny"}))
    assert read_results(tmp_path, {"car": 3}).settings == {"model": "tiny"}


def test_a_folder_that_is_not_there_or_fits_nothing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_results(tmp_path / "nowhere", {"car": 1})
    assert "none of the 1 sequences" in read_results(tmp_path, {"car": 1}).faults[""]
    with pytest.raises(ValueError, match="holds no results"):
        result_folders(tmp_path)


def test_a_folder_of_trackers_is_told_from_one_of_a_tracker(tmp_path):
    for tracker in ("b", "a"):
        write_result(tmp_path / tracker, tracker, "car", made(), BOX_FORMATS["folder"])
    assert result_folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert result_folders(tmp_path / "a") == [tmp_path / "a"]


def test_what_lies_beside_folders_of_results_is_no_result(tmp_path):
    for tracker in ("b", "a"):
        write_result(tmp_path / tracker, tracker, "car", made(), BOX_FORMATS["folder"])
        (tmp_path / tracker / "._car.txt").write_bytes(b"\0\5\x16\7")
        (tmp_path / tracker / "README.txt").write_text("boxes of a tracker")
    write_result(tmp_path / "__MACOSX", "c", "car", made(), BOX_FORMATS["folder"])
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "._car.txt").write_bytes(b"\0\5\x16\7")
    (tmp_path / "README.txt").write_text("results of two trackers\n")
    (tmp_path / "._README.txt").write_bytes(b"\0\5\x16\7")
    assert result_folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert result_folders(tmp_path / "a") == [tmp_path / "a"]
    read = read_results(tmp_path / "a", {"car": 3})
    assert read.faults == {} and read.passes["car"].faults == ()
    np.testing.assert_allclose(read.passes["car"].boxes, BOXES, atol=0.0101)


def test_results_of_a_single_tracker_beside_a_folder_of_pictures_are_its_own(tmp_path):
    write_result(tmp_path, "a", "car", made(), BOX_FORMATS["folder"])
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "about.txt").write_text("pictures of it")
    assert result_folders(tmp_path) == [tmp_path]


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("\ufeff1,1,5,5\n2,2,5,5\n3,3,5,5\n", [[1, 1, 5, 5], [2, 2, 5, 5], [3, 3, 5, 5]]),
        ("1,1,5,5\n\n3,3,5,5\n", [[1, 1, 5, 5], NAN, [3, 3, 5, 5]]),
        ("40,5;90,0;30,0;20,0\n" * 3, [[40.5, 90, 30, 20]] * 3),
        ("x,y,w,h\n1,1,5,5\n2,2,5,5\n3,3,5,5\n", [[1, 1, 5, 5], [2, 2, 5, 5], [3, 3, 5, 5]]),
    ],
)
def test_results_of_spreadsheets_and_empty_lines_keep_their_frames(tmp_path, text, boxes):
    (tmp_path / "car.txt").write_text(text, encoding="utf-8")
    read = read_results(tmp_path, {"car": 3})
    np.testing.assert_array_equal(read.passes["car"].boxes, boxes)
    assert read.passes["car"].faults == ()


def test_results_without_a_single_box_are_named(tmp_path):
    (tmp_path / "car.txt").write_text("40,0,90,0,30,0,20,0\n" * 3)  # decimal commas, as corners without a height
    (tmp_path / "man.txt").write_text("0,0,0,0\n" * 2 + "1,1,5,5\n")
    read = read_results(tmp_path, {"car": 3, "man": 3})
    assert (
        "car.txt holds no box with a width and a height above 0 in any of its 3 lines" in read.passes["car"].faults[0]
    )
    assert read.passes["man"].faults == ()


def test_two_boxes_a_line_are_refused(tmp_path):
    (tmp_path / "car.txt").write_text("100,80,30,20,102,81,30,20\n" * 3)
    assert "are not the four corners of a box" in read_results(tmp_path, {"car": 3}).faults["car"]


@pytest.mark.parametrize("kind", ["gtot", "folder"])
def test_finished_is_what_the_tracker_did_not_give_up_on(tmp_path, kind):
    names = ["clean", "damaged", "failed", "absent"]
    assert finished(tmp_path / "not yet", names) == set()
    write_result(tmp_path, "ours", "clean", made(), BOX_FORMATS[kind])
    write_result(tmp_path, "ours", "damaged", made(faults=["frame 3: cannot be read"]), BOX_FORMATS[kind])
    write_result(tmp_path, "ours", "failed", made(faults=["frame 3: it raised"], failed=True), BOX_FORMATS[kind])
    assert finished(tmp_path, names) == {"clean", "damaged"}
    assert read_results(tmp_path, {"failed": 3}).passes["failed"].failed
    write_result(tmp_path, "ours", "failed", made(), BOX_FORMATS[kind])
    assert finished(tmp_path, names) == {"clean", "damaged", "failed"}
    assert read_results(tmp_path, {"failed": 3}).passes["failed"].faults == ()


WRITER = """
import sys
import numpy as np
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.result_files import BOX_FORMATS, write_result
count = 20000
print("ready", flush=True)
for number in range(100000):
    values = np.full(count, float(number % 7))
    boxes = np.tile([number % 7 + 1.0, 1.0, 5.0, 5.0], (count, 1))
    write_result(sys.argv[1], "ours", f"s{number % 3}", OnePassResult(boxes, values, values), BOX_FORMATS["folder"])
"""


def test_a_killed_process_leaves_whole_results_or_none(tmp_path):
    pytest.importorskip("onnxruntime")
    seen = 0
    for number, pause in enumerate((0.05, 0.12, 0.21)):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause)
        limit = time.monotonic() + 60
        while number and not list(tmp_path.glob("s?.txt")):  # a busy machine takes longer over the first result
            assert writer.poll() is None and time.monotonic() < limit
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=30)
        writer.stdout.close()
        names = finished(tmp_path, ["s0", "s1", "s2"])
        read = read_results(tmp_path, dict.fromkeys(names, 20000))
        assert not {name: fault for name, fault in read.faults.items() if name}
        for done in read.passes.values():
            seen += 1
            assert done.faults == ()
            np.testing.assert_array_equal(done.boxes[:, 0], done.seconds + 1)  # of one and the same pass
    assert seen
