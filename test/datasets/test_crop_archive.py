"""Crops of people and cars in a tar archive."""

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.crop_archive import CropArchive


def write_archive(path: Path, names: list[str]) -> Path:
    """Each pair is red in colour and bright by its place in the list in thermal."""
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(names):
            images = {
                "rgb": np.full((40, 20, 3), (0, 0, 200), np.uint8),  # BGR
                "tir": np.full((40, 20), 10 * number, np.uint8),
            }
            for modality, image in images.items():
                data = cv2.imencode(".png", image)[1].tobytes()
                member = tarfile.TarInfo(f"{modality}/{name}.png")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def names() -> list[str]:
    return [f"day_train_{kind}_{image:05d}_0" for kind in ("person", "car") for image in range(8)]


def test_pairs_are_read_by_class(tmp_path, names):
    archive = CropArchive(write_archive(tmp_path / "crops.tar", names))
    assert archive.names == {"person": names[:8], "car": names[8:]}
    rgb, thermal = archive.pair(names[9])
    assert rgb.shape == (40, 20, 3) and (rgb == (200, 0, 0)).all()
    assert thermal.shape == (40, 20) and (thermal == 90).all()


def test_the_last_quarter_of_each_kind_is_kept_out(tmp_path, names):
    path = write_archive(tmp_path / "crops.tar", names)
    kept_out, train = CropArchive(path, "held_out").names, CropArchive(path, "train").names
    assert kept_out == {"person": names[6:8], "car": names[14:]}
    assert train == {"person": names[:6], "car": names[8:14]}


def test_what_cannot_be_read_is_named(tmp_path, names):
    with pytest.raises(ValueError, match="subset 'test' is unknown"):
        CropArchive(write_archive(tmp_path / "crops.tar", names), "test")
    (tmp_path / "text.tar").write_text("no archive")
    with pytest.raises(ValueError, match="not an uncompressed tar archive"):
        CropArchive(tmp_path / "text.tar")
    with pytest.raises(FileNotFoundError, match="no all pair"):
        CropArchive(write_archive(tmp_path / "empty.tar", []))


def test_the_shared_crops_have_three_classes(shared):
    archive = CropArchive(shared / "data" / "flir_crops.tar", "held_out")
    assert set(archive.names) == {"person", "car", "bicycle"}
    rgb, thermal = archive.pair(archive.names["person"][0])
    assert rgb.shape[:2] == thermal.shape and min(thermal.shape) > 8
