"""The file that a calibration writes says what was found, to whoever reads it."""

import numpy as np
import pytest

from ckd_ros import geometry
from ckd_ros.app.node_settings import read_node_settings
from ckd_ros.calibration.outcome import outcome_of
from ckd_ros.calibration.parameter_file import parameter_text
from ckd_ros.ros.parameter_files import unusable_files

SIZES = ((640, 480), (320, 256))
HOMOGRAPHY = {"type": "homography", "matrix": [0.5, 0.0, 1e16 / 3e15, -1e-05, 0.5, 2.0, 1e-07, 0.0, 1.0]}
CALIBRATED = {
    "type": "calibrated",
    "rgb_intrinsics": [500.0, 501.0, 320.0, 240.0],
    "thermal_intrinsics": [300.0, 300.0, 160.0, 128.0],
    "rotation": np.eye(3).ravel().tolist(),
    "translation": [-0.08, 1e-05, 0.0],
    "distance": 12.0,
}


@pytest.mark.parametrize("settings", [HOMOGRAPHY, CALIBRATED], ids=["homography", "calibrated"])
@pytest.mark.parametrize("crop", [(0, 0), (2, 0)])
def test_the_node_and_ckd_track_read_the_same_numbers(tmp_path, settings, crop):
    outcome = outcome_of(settings, SIZES, 0.5, "nine views")
    file = tmp_path / "registration.yaml"
    file.write_text(parameter_text(outcome, crop))
    assert unusable_files(["--params-file", str(file)]) == []
    read = read_node_settings(file)
    points = geometry.grid(SIZES[0], 5)
    mapped = [one.map_points(points, *SIZES) for one in (read.registration, outcome.registration)]
    np.testing.assert_array_equal(*mapped)
    assert (read.registration.rgb_size, read.registration.thermal_size, read.thermal_crop) == (*SIZES, crop)
    assert "nine views, expected error 0.50 thermal pixels" in file.read_text()


def test_little_overlap_is_stated_so_that_the_tracker_takes_it():
    narrow = outcome_of({"type": "homography", "matrix": [1.0, 0, -160, 0, 1, -112, 0, 0, 1]}, SIZES, 0.5, "one")
    assert narrow.registration.min_overlap == pytest.approx(0.8 * 0.25, abs=0.03)
    assert "min_overlap" not in outcome_of(HOMOGRAPHY, SIZES, 0.5, "one").settings
