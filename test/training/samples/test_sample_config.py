import json
from pathlib import Path

import pytest

from ckd_ros.training.samples.config import PAPER, SampleConfig, read_sample_config, sample_record


def test_settings_are_read_by_name(tmp_path):
    (tmp_path / "LasHeR").mkdir()
    config = read_sample_config(
        {
            "weights": {},
            "centre_jitter": 3.0,
            "augmentation": "paper",
            "composing": {"crossover": 0.3, "cover": [0.1, 0.2]},
            "datasets": [{"kind": "lasher", "root": "LasHeR", "weight": 2, "max_gap": 100}],
        },
        tmp_path,
    )
    assert config.augmentation == PAPER and config.centre_jitter == 3.0
    assert config.composing.crossover == 0.3 and config.composing.cover == (0.1, 0.2)
    (data,) = config.datasets
    assert data.root == tmp_path / "LasHeR" and data.max_gap == 100 and data.causal and data.weight == 2


def test_nothing_given_is_the_recipe_of_the_shipped_student():
    assert read_sample_config({}) == SampleConfig()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": 1}, "unknown SampleConfig setting.*speed"),
        ({"augmentation": {"fog": 1.0}}, "unknown AugmentationConfig setting.*fog"),
        ({"augmentation": "moon"}, "'moon' is unknown: expected robot or paper"),
        ({"augmentation": {"flip": 1.5}}, "flip is 1.5, expected 0 to 1"),
        ({"augmentation": {"night": 0.6, "glare": 0.5}}, "sum must not be above 1"),
        ({"augmentation": {"blur_length": 3}}, r"blur_length is 3, expected two numbers"),
        ({"composing": {"grow": -1}}, "grow is -1, expected 0 or more"),
        ({"composing": {"target_size": [0, 10]}}, "target_size"),
        ({"centre_jitter": "1e-3"}, "centre_jitter is '1e-3', expected a number"),
        ({"dropped": 0.7}, "dropped is 0.7"),
        ({"weights": {"magic": 1.0}}, "magic"),
        ({"weights": {"pasted": -1.0}}, "must not be negative"),
        ({"datasets": [{"kind": "lasher"}]}, "root"),
        ({"datasets": [{"kind": "lasher", "root": ".", "max_gap": 0}]}, "max_gap is 0"),
        ({"datasets": [{"kind": "lasher", "root": ".", "thermal_crop": "own"}]}, "'own' is unknown"),
        ({"datasets": [{"kind": "videos", "root": "."}]}, "thermal_videos or visible_videos"),
        ({"datasets": {"kind": "lasher"}}, "datasets"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        read_sample_config(settings)


@pytest.mark.parametrize("settings", [{"pairs": "absent"}, {"datasets": [{"kind": "lasher", "root": "absent"}]}])
def test_a_missing_folder_is_named(tmp_path, settings):
    with pytest.raises(FileNotFoundError, match="no folder.*absent.*--data"):
        read_sample_config(settings, tmp_path)


def test_the_record_names_no_folder_of_this_machine(tmp_path):
    (tmp_path / "sets").mkdir()
    config = read_sample_config({"pairs": "sets", "datasets": [{"kind": "folder", "root": "sets"}]}, tmp_path)
    record = json.dumps(sample_record(config))
    assert '"pairs": "sets"' in record and str(Path(tmp_path)) not in record
