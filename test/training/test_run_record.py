"""What a run's record holds, and how two of them are told apart."""

import json

import pytest

torch = pytest.importorskip("torch")

import micro
from micro import write

from ckd_ros.network.presets import PRESETS
from ckd_ros.settings import settings_of
from ckd_ros.training.config import TrainingConfig, load_config
from ckd_ros.training.run_record import CARRIED_OUT, differences, run_record, up_to


@pytest.fixture
def record(tmp_path, monkeypatch):
    for name, config in micro.MICRO.items():
        monkeypatch.setitem(PRESETS, name, config)
    return lambda *changes: run_record(load_config(write(tmp_path / "a.yaml"), changes=changes))


def test_everything_that_decides_the_weights_is_in_the_record(record):
    found = record("validation.every=3")
    assert found.keys() == (settings_of(TrainingConfig).keys() | {"data", "validated_by"}) - {
        *CARRIED_OUT,
        "validation",
    }
    assert found == json.loads(json.dumps(found))
    assert [stage["name"] for stage in up_to(found, 2)["stages"]] == ["pretrain", "distil"]


@pytest.mark.parametrize(
    "change", ["workers=3", "compile=true", "checkpoint_every=7", "log_every=3", "samples.cache=x"]
)
def test_how_a_run_is_carried_out_is_not(record, change):
    assert differences(record(), record(change)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed=5", "seed was 1, is 5"),
        ("stages.distil.betas=[0.5, 0.9]", "stages[1].betas was [0.9, 0.98], is [0.5, 0.9]"),
        (
            "samples.weights={pasted: 1}",
            "samples.weights.in_place was 0.5, is not set; samples.weights.pasted was 0.5, is 1",
        ),
        (
            "samples.identity={look_alikes: 2, gait: 0, front: 0, light: 0, absent: 0}",
            "samples.identity.absent was 0.15, is 0; samples.identity.front was 0.4, is 0; samples.identity.gait was "
            "0.03, is 0; samples.identity.light was 0.15, is 0 and 1 more",
        ),
    ],
)
def test_what_differs_is_named_with_both_values(record, change, said):
    assert differences(record(), record(change)) == said


def test_folders_are_named_without_where_they_lie(record, tmp_path):
    assert str(tmp_path) not in json.dumps(record()) and record()["samples"]["pairs"] == "pairs"
