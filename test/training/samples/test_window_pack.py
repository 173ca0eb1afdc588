"""Packed data trains as the originals do: same targets, pixels but for the compression."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

from ckd_ros.network.presets import preset
from ckd_ros.training.samples.config import SampleConfig
from ckd_ros.training.samples.dataset import SampleDataset
from ckd_ros.training.samples.video_bank import VideoBank
from ckd_ros.training.samples.window_pack import PACK, write_pack

NETWORK = preset("tinyvit")
CONFIG = """
preset: tinyvit
stages: [{name: pretrain, steps: 1}]
samples: {pairs: pairs, thermal_videos: ir, visible_videos: vis}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Pairs and videos of both modalities, and the pack of them."""
    data, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for modality, width in (("rgb", 800), ("tir", 400)):
        (data / "pairs" / modality).mkdir(parents=True)
        for number in range(4):
            image = cv2.resize(rng.integers(0, 255, (24, 32, 3), np.uint8), (width, width // 4 * 3))
            cv2.imwrite(str(data / "pairs" / modality / f"a{number}.jpg"), image)
    ground = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120))
    for folder in ("ir", "vis"):
        (data / folder).mkdir()
        for name in range(4):
            video = cv2.VideoWriter(
                str(data / folder / f"V_{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30, (160, 120)
            )
            for t in range(12):
                frame = ground.copy()
                frame[50:62, 40 + t : 60 + t] = (30, 90, 250)
                video.write(frame)
            video.release()
            (data / folder / f"V_{name}.csv").write_text(
                "x,y,w,h\n" + "".join(f"{40 + t},50,20,12\n" for t in range(12))
            )
    return data, tmp_path_factory.mktemp("pack")


@pytest.fixture(scope="module")
def packed(folders):
    data, pack = folders
    (data / "config.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3] / "tools"))
        patch.chdir(data)  # the cache lies where training starts
        from pack_training_data import main

        main(data / "config.yaml", data, pack)
    return data, pack


def samples_of(folder, source):
    config = SampleConfig(
        pairs=folder / "pairs", thermal_videos=folder / "ir", visible_videos=folder / "vis",
        cache=folder / "cache", weights={source: 1.0}, dropped=0.0,
    )  # fmt: skip
    dataset = SampleDataset(config, NETWORK, seed=3, length=100)
    return [dataset[index] for index in range(10)]


@pytest.mark.parametrize("source", ["in_place", "thermal_video", "visible_video"])
def test_samples_of_a_pack_are_those_of_the_originals(packed, source):
    originals, found = (samples_of(folder, source) for folder in packed)
    for one, other in zip(originals, found, strict=True):
        for name, value in one.items():
            if isinstance(value, np.ndarray) and value.dtype == np.uint8:
                assert np.abs(value.astype(int) - other[name].astype(int)).mean() < 5, name
            else:
                np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_a_pack_holds_no_video_and_pairs_at_the_width_they_are_read_at(packed):
    _, pack = packed
    assert [file.name for folder in ("ir", "vis") for file in (pack / folder).iterdir()] == [PACK, PACK]
    assert cv2.imread(str(pack / "pairs" / "rgb" / "a0.jpg")).shape == (480, 640, 3)
    assert cv2.imread(str(pack / "pairs" / "tir" / "a0.jpg")).shape == (300, 400, 3)


def test_a_pack_that_cannot_be_read_is_named(tmp_path):
    for content in (b"no pack", b"PK\x03\x04 cut off", b""):
        (tmp_path / PACK).write_bytes(content)
        with pytest.raises(ValueError, match=f"{PACK}' is not a pack of windows .*make it again"):
            VideoBank(tmp_path, True, tmp_path / "cache")
    write_pack(tmp_path / PACK, np.zeros((2, 8, 8), np.uint8), np.zeros((2, 4)), np.zeros(2, int), 80)
    with pytest.raises(ValueError, match="holds thermal windows, expected were colour ones"):
        VideoBank(tmp_path, False, tmp_path / "cache")
