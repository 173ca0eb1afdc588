"""The folder of a run: only the run that it belongs to goes on in it, and what is finished stays as it is."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import micro
from micro import STAGES, write

from ckd_ros.cli import main as ckd
from ckd_ros.network.checkpoint import load_checkpoint, save_checkpoint
from ckd_ros.network.presets import PRESETS
from ckd_ros.training import train as loop
from ckd_ros.training.interruption import OutOfTime

ONE = {"stages": STAGES[:1]}


def content(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def refusal(config, out, **arguments) -> str:
    """What a training says that does not begin; the folder stays as it was."""
    before = content(out)
    with pytest.raises(ValueError) as refused:
        loop.train(config, out=out, **arguments)
    assert content(out) == before
    return str(refused.value)


@pytest.fixture
def stopped(tmp_path):
    """A run of three stages that was stopped in its first: only `last.pt` is there."""
    with pytest.raises(OutOfTime):
        loop.train(write(tmp_path / "a.yaml"), out=tmp_path / "run", minutes=1e-9)
    return tmp_path / "run"


OTHERS = [
    ({"seed": 2}, "seed was 1, is 2"),
    ({"preset": "micro-exact"}, 'preset was "micro", is "micro-exact"'),
    ({"stages": STAGES[:2]}, "its stages were pretrain, distil, eliminate, are pretrain, distil"),
    ({"stages": [{**STAGES[0], "lr_head": 0.5}, *STAGES[1:]]}, "stages[0].lr_head was 0.001, is 0.5"),
    ({"stages": [*STAGES[:2], {**STAGES[2], "steps": 9}]}, "stages[2].steps was 4, is 9"),
    ({"samples": {"dropped": 0.5}}, "samples.dropped was 0.05, is 0.5"),
    ({"samples": {"augmentation": {"smoke": 0.5}}}, "samples.augmentation.smoke was 0.0, is 0.5"),
    ({"validation": {"every": 2}}, "validated_by was null, is not set; validated_by.every was not set, is 2"),
    ({"ema": 0.5, "precision": "bf16", "seed": 3}, 'ema was 0.998, is 0.5; precision was "fp32", is "bf16"; seed was'),
]


@pytest.mark.parametrize(("changes", "message"), OTHERS)
def test_a_run_of_other_settings_does_not_go_on_from_the_weights_of_a_stopped_one(tmp_path, stopped, changes, message):
    said = refusal(write(tmp_path / "b.yaml", **changes), stopped)
    assert f"last.pt' belongs to another run: {message}" in said
    assert "another --out" in said


def test_how_a_run_is_carried_out_may_change(tmp_path, stopped):
    how = {"compile": True, "checkpoint_every": 1, "checkpoint_minutes": 3, "log_every": 1}
    config = write(tmp_path / "b.yaml", {"cache": str(tmp_path / "cache")}, **how)
    assert loop.train(config, out=stopped).exists()


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        for name, config in micro.MICRO.items():
            patch.setitem(PRESETS, name, config)
        loop.train(write(folder / "a.yaml", validation={"every": 4, "sequences": 1, "frames": 3}), out=folder / "run")
    return folder


@pytest.fixture
def finished(finished_once, tmp_path):
    """A finished run of three stages with its configuration `a.yaml` and data."""
    shutil.copytree(finished_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("file", ["pretrain", "eliminate", "student", "best"])
def test_weights_of_another_run_are_not_taken_for_finished_ones_nor_rewritten(finished, file):
    kept = finished / "run" / f"{file}.safetensors"
    for other in [*finished.glob("run/*.safetensors"), finished / "run" / "last.pt"]:
        if other != kept:
            other.unlink()
    config = write(finished / "b.yaml", seed=2, validation={"every": 4, "sequences": 1, "frames": 3})
    assert f"{file}.safetensors' belongs to another run: seed was 1, is 2" in refusal(config, finished / "run")


def test_a_finished_run_is_left_as_it_is(finished, caplog):
    before = content(finished / "run")
    with caplog.at_level(logging.WARNING):
        assert loop.train(finished / "a.yaml", out=finished / "run") == finished / "run" / "student.safetensors"
    assert content(finished / "run") == before
    assert "is finished: nothing is left to train" in caplog.text


def test_the_students_record_comes_from_its_own_run(finished):
    """`student.safetensors` lost, all else there: it is made again with the record that it had."""
    path = finished / "run" / "student.safetensors"
    state, _, record = load_checkpoint(path)
    path.unlink()
    loop.train(finished / "a.yaml", out=finished / "run")
    again, _, same = load_checkpoint(path)
    assert same == record and all(torch.equal(value, again[name]) for name, value in state.items())
    assert record["data"]["pairs"]["files"] == 16 and [stage["name"] for stage in record["stages"]] == [
        "pretrain", "distil", "eliminate"
    ]  # fmt: skip


# -- data and origin --------------------


def test_a_run_goes_on_with_a_copy_of_its_data_elsewhere(tmp_path, stopped):
    shutil.copytree(tmp_path / "pairs", tmp_path / "elsewhere" / "pairs")
    config = write(tmp_path / "elsewhere" / "b.yaml")
    assert loop.train(config, out=stopped).exists()


@pytest.mark.parametrize("change", ["another image", "one less"])
def test_a_run_does_not_go_on_with_other_data(tmp_path, stopped, change):
    file = tmp_path / "pairs" / "rgb" / "a3.png"
    if change == "one less":
        file.unlink()
    else:
        shutil.copy(tmp_path / "pairs" / "tir" / "a3.png", file)
    with pytest.raises(ValueError, match=r"last.pt'.*data.pairs was 16 files of \d+ bytes \(\w+\), is 1[56] files of"):
        loop.train(tmp_path / "a.yaml", out=stopped)


def test_a_run_does_not_go_on_from_another_start(tmp_path):
    settings = {"start": str(tmp_path / "start.safetensors"), **ONE}
    first = loop.train(write(tmp_path / "first.yaml", **ONE), out=tmp_path / "first")
    shutil.copy(first, tmp_path / "start.safetensors")
    out = tmp_path / "run"
    with pytest.raises(OutOfTime):
        loop.train(write(tmp_path / "a.yaml", **settings), out=out, minutes=1e-9)
    state, config, record = load_checkpoint(first)
    changed = {name: value + 1 for name, value in state.items()}
    save_checkpoint(tmp_path / "start.safetensors", changed, config, record)
    assert "start was 'start.safetensors' (" in refusal(tmp_path / "a.yaml", out)
    shutil.copy(first, tmp_path / "start.safetensors")
    record = load_checkpoint(loop.train(tmp_path / "a.yaml", out=out))[2]
    assert record["start"]["file"] == "start.safetensors" and record["start"]["seed"] == 1
    assert record["start"]["data"] == record["data"]


def test_a_start_that_is_no_checkpoint_of_ours_is_named(tmp_path):
    (tmp_path / "start.pth").write_bytes(b"PK\x03\x04")
    config = write(tmp_path / "a.yaml", start=str(tmp_path / "start.pth"))
    with pytest.raises(ValueError, match="start.pth is not a safetensors file.*`ckd import start.pth`"):
        loop.train(config, out=tmp_path / "run")


# -- files of other versions --------------------


def test_files_that_do_not_say_what_they_come_from_are_refused(tmp_path):
    """As those of versions before this record: whose they are cannot be told."""
    config, out = write(tmp_path / "a.yaml"), tmp_path / "run"
    out.mkdir()
    torch.save({"preset": "micro", "stages": ["pretrain", "distil", "eliminate"], "stage": "pretrain", "step": 2,
                "model": {}}, out / "last.pt")  # fmt: skip
    assert "last.pt' does not say which settings and data it comes from, as files of earlier" in refusal(config, out)
    torch.save([1, 2], out / "last.pt")
    assert "last.pt' does not say which" in refusal(config, out)
    (out / "last.pt").unlink()
    save_checkpoint(out / "pretrain.safetensors", {"a": torch.zeros(1)}, PRESETS["micro"], {"stages": STAGES[:1]})
    assert "pretrain.safetensors' does not say which" in refusal(config, out)


def test_a_checkpoint_whose_earlier_stage_is_missing_is_named(finished):
    (finished / "run" / "student.safetensors").unlink()
    (finished / "run" / "distil.safetensors").unlink()
    said = refusal(finished / "a.yaml", finished / "run")
    assert "last.pt' is from stage 'eliminate', but" in said and "distil.safetensors', the result of an earlier" in said


def test_damaged_weights_of_a_finished_stage_are_named(finished):
    distil = finished / "run" / "distil.safetensors"
    distil.write_bytes(distil.read_bytes()[:100])
    said = refusal(finished / "a.yaml", finished / "run")
    assert "distil.safetensors is not a safetensors file" in said and "remove it" in said


# -- where it lies --------------------


def test_a_start_in_the_folder_of_the_run_is_not_overwritten(tmp_path):
    out = tmp_path / "run"
    start = loop.train(write(tmp_path / "a.yaml", **ONE), out=out).rename(out / "best.safetensors")
    (out / "last.pt").unlink()
    config = write(tmp_path / "b.yaml", start=str(start), **ONE, validation={"every": 4, "sequences": 1, "frames": 3})
    assert "best.safetensors' belongs to another run: start was null, is 'best.safetensors'" in refusal(config, out)


def test_a_setting_is_changed_on_the_command_line(tmp_path, capsys):
    config = write(tmp_path / "a.yaml", **ONE)
    ckd(["train", str(config), "--out", str(tmp_path / "run"), "--set", "seed=7", "stages.pretrain.steps=1"])
    record = load_checkpoint(tmp_path / "run" / "pretrain.safetensors")[2]
    assert (record["seed"], record["stages"][0]["steps"], record["samples_seen"]) == (7, 1, 4)


def test_the_folder_is_called_as_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        config = write(tmp_path / f"{name}.yaml", **ONE, seed=ord(name))
        assert loop.train(config) == Path("runs") / name / "pretrain.safetensors"
    states = [load_checkpoint(tmp_path / "runs" / name / "pretrain.safetensors") for name in ("a", "b")]
    assert [record["seed"] for _, _, record in states] == [ord("a"), ord("b")]
    assert not np.array_equal(*(state["backbone.norm.weight"] for state, _, _ in states))
    assert str(tmp_path) not in json.dumps(states[0][2])
