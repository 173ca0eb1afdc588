"""A fingerprint changes with the data, and not with where they lie or when they were copied."""

import io
import os
import shutil
import tarfile

import pytest

pytest.importorskip("torch")

from ckd_ros.training.samples.config import DataSetConfig, SampleConfig
from ckd_ros.training.samples.fingerprint import fingerprint, sample_fingerprints

LABELS = "x,y,w,h\n10,20,30,40\n"
CORRECTED = "x,y,w,h\n10,20,30,50\n"  # as long as before


def folder(path, label=LABELS):
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "V_1.csv").write_text(label)
    (path / "V_1.mp4").write_bytes(b"film")
    return path


def archive(path, label=LABELS, image=b"image"):
    with tarfile.open(path, "w") as file:
        for name, content in (("tir/a.jpg", image), ("boxes.csv", label.encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_a_copy_has_the_same_and_hidden_files_do_not_count(tmp_path):
    first = folder(tmp_path / "a")
    shutil.copytree(first, tmp_path / "b")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"x")
    os.utime(tmp_path / "b" / "V_1.mp4", (1, 1))
    found = fingerprint(first)
    assert found == fingerprint(tmp_path / "b")
    assert (found["files"], found["bytes"]) == (2, 4 + len(LABELS))


def test_a_corrected_label_and_another_film_are_noticed(tmp_path):
    found = [fingerprint(folder(tmp_path / "a")), fingerprint(folder(tmp_path / "b", CORRECTED))]
    assert found[0]["bytes"] == found[1]["bytes"] and found[0]["digest"] != found[1]["digest"]
    (tmp_path / "a" / "V_1.mp4").write_bytes(b"films")
    assert fingerprint(tmp_path / "a")["digest"] != found[0]["digest"]


def test_archives_are_told_by_their_members(tmp_path):
    found = fingerprint(archive(tmp_path / "a.tar"))
    assert found == fingerprint(archive(tmp_path / "b.tar"))
    assert found["files"] == 2
    others = archive(tmp_path / "c.tar", CORRECTED), archive(tmp_path / "d.tar", image=b"images")
    assert len({found["digest"], *(fingerprint(other)["digest"] for other in others)}) == 3
    (tmp_path / "e.tar").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="e.tar' is not an uncompressed tar archive"):
        fingerprint(tmp_path / "e.tar")


def test_every_source_has_its_own(tmp_path):
    config = SampleConfig(
        thermal_videos=folder(tmp_path / "a"),
        crops=archive(tmp_path / "a.tar"),
        datasets=(DataSetConfig("folder", folder(tmp_path / "b")),),
    )
    assert sample_fingerprints(config).keys() == {"thermal_videos", "crops", "datasets[0]"}
