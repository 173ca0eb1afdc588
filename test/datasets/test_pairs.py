import cv2
import numpy as np
import pytest

from ckd_ros.datasets.pairs import CLIP_STEP, PairLibrary


@pytest.fixture
def data(tmp_path):
    for folder in ("pairs/rgb", "pairs/tir", *(f"clips/c_{i}/{m}" for i in range(4) for m in ("visible", "infrared"))):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2 * CLIP_STEP):
            cv2.imwrite(str(tmp_path / folder / f"{number:04d}.png"), np.full((12, 16), 10 * number, np.uint8))
    return tmp_path


def test_clips_add_one_pair_in_several_and_keep_the_last_of_them_for_judging(data):
    alone = PairLibrary(data / "pairs", "train")
    both = PairLibrary(data / "pairs", "train", clips=data / "clips")
    added = both.names[len(alone) :]
    assert both.names[: len(alone)] == alone.names
    assert added == [f"c_{clip}/{number:04d}" for clip in range(3) for number in (0, CLIP_STEP)]
    assert both.background(len(both) - 1).thermal[0][0, 0] == 10 * CLIP_STEP


def test_a_folder_without_clips_is_named(data):
    with pytest.raises(FileNotFoundError, match="no train clip.*visible.*absent"):
        PairLibrary(data / "pairs", "train", clips=data / "absent")
