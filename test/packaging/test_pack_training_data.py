"""What is packed for a machine that trains shows what the originals show."""

import importlib
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training is not installed")

NOISE = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)


@pytest.fixture
def pack_pairs(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
    return importlib.import_module("pack_training_data").pack_pairs


@pytest.fixture
def pairs(tmp_path):
    """A wide pair with 16-bit counts, 800 x 600."""
    wide = cv2.resize(NOISE, (800, 600), interpolation=cv2.INTER_CUBIC)
    for name in ("rgb", "tir"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "pairs/rgb/a.jpg"), wide)
    cv2.imwrite(str(tmp_path / "pairs/tir/a.png"), 8000 + wide.astype(np.uint16))
    return tmp_path / "pairs"


def test_counts_of_sixteen_bits_stay_counts(pack_pairs, pairs, tmp_path):
    pack_pairs(pairs, tmp_path / "pack", quality=90)
    counts = cv2.imread(str(tmp_path / "pack/tir/a.png"), cv2.IMREAD_UNCHANGED)
    assert counts.shape == (480, 640) and counts.dtype == np.uint16
    assert 8000 <= counts.min() < counts.max() <= 8255
    assert cv2.imread(str(tmp_path / "pack/rgb/a.jpg")).shape == (480, 640, 3)


def test_half_an_image_is_not_packed_as_a_whole_one(pack_pairs, pairs, tmp_path):
    content = (pairs / "rgb/a.jpg").read_bytes()
    (pairs / "rgb/a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="rgb/a.jpg is (damaged|not an image)"):
        pack_pairs(pairs, tmp_path / "pack", quality=90)
