"""Calibration: what a network's file is fed with on targets that are made up."""

import pytest

from ckd_ros.evaluation import calibration
from ckd_ros.evaluation.calibration import calibration_inputs


def test_degradations_give_different_frames(model_path, monkeypatch):
    monkeypatch.setattr(calibration, "FRAMES", 3)
    monkeypatch.setattr(calibration, "SEEDS", range(1))
    frames = [inputs["search_rgb"].tobytes() for inputs in calibration_inputs(model_path)]
    assert len(frames) == len(calibration.DEGRADATIONS)
    assert len(set(frames)) > 3  # crossover and offset change what the thermal camera sees, scale what comes later


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.onnx"):
        next(calibration_inputs(tmp_path / "absent.onnx"))
