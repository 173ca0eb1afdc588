import errno
import os

import pytest

from ckd_ros.files import is_stray, refuse_inputs, replacing, text_of


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "student.safetensors"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_file_and_makes_missing_folders(tmp_path):
    path = tmp_path / "new" / "boxes.txt"
    for text in ("first", "second"):
        with replacing(path) as temporary:
            temporary.write_text(text)
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_named_by_the_file_that_did_not_fit(tmp_path):
    with pytest.raises(OSError) as error, replacing(tmp_path / "boxes.txt") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(tmp_path / "boxes.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_text_is_read_without_its_byte_order_mark(tmp_path, encoding):
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    (tmp_path / "boxes.txt").write_bytes(mark + "1,2\r\nä\r3\n".encode(encoding))
    assert text_of(tmp_path / "boxes.txt") == "1,2\nä\n3\n"
    (tmp_path / "binary").write_bytes(b"1\xff2")
    assert text_of(tmp_path / "binary") == "1\ufffd2"


def test_what_a_system_left_is_stray():
    strays = ["._x.jpg", ".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"]
    assert [name for name in (*strays, "x.jpg", "README.txt", "macosx") if not is_stray(name)] == [
        "x.jpg", "README.txt", "macosx"
    ]  # fmt: skip


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path):
    truth, images = tmp_path / "car" / "visible.txt", tmp_path / "car" / "visible"
    images.mkdir(parents=True)
    truth.write_text("1,2,3,4")
    (tmp_path / "link.txt").symlink_to(truth)
    (tmp_path / "again").symlink_to(tmp_path / "car")
    os.link(truth, tmp_path / "hard.txt")
    inputs = [truth, images, tmp_path / "car" / "infrared.txt"]
    for name in ("car/visible.txt", "car/../car/visible.txt", "link.txt", "again/visible.txt", "hard.txt",
                 "car/visible/new.txt", "car/infrared.txt"):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}' is an input .*name another file"):
            refuse_inputs([tmp_path / "free.txt", tmp_path / name], inputs)
    refuse_inputs([tmp_path / "free.txt", tmp_path / "car" / "visible.csv", tmp_path / "car"], inputs)
