import json
from dataclasses import asdict
from pathlib import Path

import pytest

from ckd_ros.settings import REQUIRED, build, settings_of
from ckd_ros.training.samples.config import (
    PAPER,
    AugmentationConfig,
    ComposingConfig,
    DataSetConfig,
    IdentityConfig,
    SampleConfig,
    plain,
    read_sample_config,
)


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
        ({"augmentation": "moon"}, "'moon' is unknown: expected one of robot, paper, field"),
        ({"augmentation": {"flip": 1.5}}, "augmentation: flip is 1.5: it must be a number from 0 to 1"),
        ({"augmentation": {"night": 0.6, "glare": 0.5}}, "sum must not be above 1"),
        ({"augmentation": {"blur_length": 3}}, r"blur_length is 3: it must be two numbers \[low, high\]"),
        ({"composing": {"grow": -1}}, "composing: grow is -1: it must be a number of at least 0"),
        ({"augmentation": {"blur_length": [3, 2]}}, r"blur_length is \(3, 2\)"),
        ({"augmentation": {"night_strength": [0.5, 1.5]}}, r"night_strength is \(0.5, 1.5\).* from 0 to 1"),
        ({"augmentation": {"time_frames": 2.0}}, "time_frames is 2.0: it must be a whole number"),
        ({"augmentation": None}, "augmentation is None: it must be settings"),
        ({"composing": {"target_size": [0, 10]}}, r"target_size is \(0, 10\).* above 0"),
        ({"composing": {"region_size": [20, float("nan")]}}, "region_size"),
        ({"composing": {"distractors": True}}, "distractors is True: it must be a whole number"),
        ({"identity": {"cover": [1, 0]}}, r"identity: cover is \(1, 0\)"),
        ({"centre_jitter": "1e-3"}, "centre_jitter is '1e-3': it must be a number.*1.0e-3"),
        ({"dropped": 0.7}, "dropped is 0.7: it must be a number from 0 to 0.5.*one must remain"),
        ({"weights": {"magic": 1.0}}, r"magic.*pasted \| procedural"),
        ({"weights": {"pasted": -1.0}}, "weights is .*: it must be numbers of at least 0 by name"),
        ({"weights": [1.0]}, "weights is"),
        ({"video_gap": -1}, "video_gap is -1"),
        ({"narrow": float("nan")}, "narrow is nan"),
        ({"datasets": [{"kind": "lasher"}]}, r"datasets\[0\]: DataSetConfig needs the setting 'root'"),
        ({"datasets": [{"kind": "lasher", "root": ".", "causal": 1}]}, "causal is 1: it must be true or false"),
        ({"datasets": [{"kind": "lasher", "root": ".", "weight": -1}]}, "weight is -1"),
        ({"datasets": [{"kind": "lasher", "root": ".", "max_gap": 0}]}, r"datasets\[0\]: max_gap is 0"),
        (
            {"datasets": [{"kind": "lasher", "root": ".", "thermal_crop": "own"}]},
            "thermal_crop is 'own': it must be a string, rgb | thermal",
        ),
        ({"datasets": [{"kind": "videos", "root": "."}]}, "thermal_videos or visible_videos"),
        ({"datasets": {"kind": "lasher"}}, "datasets"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        read_sample_config(settings)


@pytest.mark.parametrize("kind", [AugmentationConfig, ComposingConfig, IdentityConfig, DataSetConfig, SampleConfig])
def test_every_setting_is_described_and_takes_its_default(kind):
    for name, stated in settings_of(kind).items():
        assert stated.default is REQUIRED or stated.fault(stated.default) is None, name
        assert len(stated.description) > 4, name
        for value in (float("nan"), -1.0, "1") if isinstance(stated.default, float) else ():
            with pytest.raises(ValueError, match=f"{name} is "):
                build(kind, {"kind": "lasher", "root": "."} | {name: value} if kind is DataSetConfig else {name: value})


@pytest.mark.parametrize("settings", [{"pairs": "absent"}, {"datasets": [{"kind": "lasher", "root": "absent"}]}])
def test_a_missing_folder_is_named(tmp_path, settings):
    with pytest.raises(FileNotFoundError, match="no folder.*absent.*--data"):
        read_sample_config(settings, tmp_path)


@pytest.mark.parametrize("name", ["crops", "cutouts", "thermal_images"])
def test_an_archive_is_a_file_of_the_data_folder(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"{name}: no file .*a.tar.*--data"):
        read_sample_config({name: "a.tar"}, tmp_path)
    (tmp_path / "a.tar").touch()
    assert getattr(read_sample_config({name: "a.tar"}, tmp_path), name) == tmp_path / "a.tar"


def test_the_record_names_no_folder_of_this_machine(tmp_path):
    (tmp_path / "sets").mkdir()
    config = read_sample_config({"pairs": "sets", "datasets": [{"kind": "folder", "root": "sets"}]}, tmp_path)
    record = json.dumps(plain(asdict(config)))
    assert '"pairs": "sets"' in record and str(Path(tmp_path)) not in record
