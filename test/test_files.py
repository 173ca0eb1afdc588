import errno

import pytest

from ckd_ros.files import replacing


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
