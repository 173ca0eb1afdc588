"""The benchmark of `ckd calibrate` warps pairs by what it says, and finds that again."""

import json

import calibration
import cv2
import numpy as np
import pytest
from real_like import pair_of, scene

from ckd_ros import geometry
from ckd_ros.calibration.images import GreyPair

SIZE = (320, 240)


@pytest.fixture
def data(tmp_path):
    """Two registered pairs of scenes, the colour images larger and stretched, as those of the set are."""
    for seed in range(2):
        pair = pair_of(scene(seed), np.eye(3), SIZE, SIZE, seed)
        for folder, image in (("rgb", cv2.resize(pair.colour, (800, 640))), ("tir", pair.thermal)):
            (tmp_path / "roadscene" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "roadscene" / folder / f"FLIR_{seed}.jpg"), image)
    return tmp_path


def test_both_views_lie_inside_the_images_and_the_truth_leads_from_one_to_the_other():
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    ramp = ((x + 2 * y) / 8 + 60).astype(np.uint8)  # grey values say where a pixel was
    doubled = cv2.resize(ramp, (640, 480), interpolation=cv2.INTER_LINEAR)
    for seed in range(5):
        warped = calibration.random_view([GreyPair(doubled, ramp)], np.random.default_rng(seed))
        (pair,) = warped.pairs
        assert pair.thermal.min() >= 60  # no border
        points = geometry.grid(pair.sizes[0], 7)
        mapped = geometry.transform_points(warped.truth, points)
        seen = ((mapped >= 1) & (mapped < np.subtract(pair.sizes[1], 1))).all(axis=1) & (points < pair.sizes[0]).all(
            axis=1
        )
        (column, row), (other_column, other_row) = points[seen].astype(int).T, mapped[seen].astype(int).T
        difference = pair.colour[row, column].astype(int) - pair.thermal[other_row, other_column]
        assert seen.sum() > 20 and abs(difference).max() <= 2


def test_what_is_measured_is_printed_and_written(data, tmp_path, capsys):
    calibration.main(data, ("roadscene",), "train", scenes=2, json_file=tmp_path / "figures.json")
    said = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "figures.json").read_text())["sets"]["roadscene"]
    assert [row["scene"] for row in rows] == ["FLIR_0", "FLIR_1"]
    assert all(row["error"] < 1 and row["repeat"] < 1 and row["unrelated"] == "refused" for row in rows)
    assert said[-1].startswith("2 of 2 accepted; error: median 0.") and said[-1].endswith("unrelated: 2 of 2 refused")
