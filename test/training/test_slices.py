"""Training in slices on somebody else's machine: limits of time, workers, pinned memory, compiled networks."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import micro
from micro import STAGES, write

from ckd_ros.app.cli import main as ckd
from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.training import interruption, loading, stage_trainer
from ckd_ros.training import train as loop
from ckd_ros.training.config import load_config
from ckd_ros.training.interruption import OutOfTime
from ckd_ros.training.stage_trainer import StageTrainer


def test_a_run_in_slices_gives_the_same_weights(tmp_path, monkeypatch):
    """A clock on which a step takes half a minute."""
    config = write(tmp_path / "config.yaml", checkpoint_every=100)
    straight = load_checkpoint(loop.train(config, out=tmp_path / "straight", minutes=60))[0]
    clock = [0.0]
    monkeypatch.setattr(interruption.time, "monotonic", lambda: clock[0])
    training_step = StageTrainer.training_step

    def slow(trainer, *args):
        clock[0] += 31
        return training_step(trainer, *args)

    monkeypatch.setattr(StageTrainer, "training_step", slow)
    places = []
    for _ in range(4):  # the third step of a start begins when its minute is over
        with pytest.raises(OutOfTime, match="the same command resumes there") as stopped:
            loop.train(config, out=tmp_path / "sliced", minutes=1)
        places.append(re.match(r"stopped at step (\d) of 4 of stage '(\w+)'", str(stopped.value)).groups())
    assert places == [("3", "pretrain"), ("2", "distil"), ("1", "eliminate"), ("4", "eliminate")]
    sliced = load_checkpoint(loop.train(config, out=tmp_path / "sliced", minutes=1))[0]
    assert all(torch.equal(value, sliced[name]) for name, value in straight.items())


def test_checkpoints_are_written_by_the_clock_too(tmp_path, monkeypatch):
    clock, saved = [0.0], []
    monkeypatch.setattr(interruption.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(StageTrainer, "_save_checkpoint", lambda trainer: saved.append(trainer.step))
    training_step = StageTrainer.training_step

    def slow(trainer, *args):
        clock[0] += 50
        return training_step(trainer, *args)

    monkeypatch.setattr(StageTrainer, "training_step", slow)
    stages = [{**STAGES[0], "steps": 7}]
    loop.train(write(tmp_path / "c.yaml", stages=stages, checkpoint_every=100, checkpoint_minutes=2), out=tmp_path)
    assert saved == [3, 6]


def test_a_compiled_network_trains_the_same_and_keeps_its_names(tmp_path, monkeypatch):
    """Traced as on a GPU, but run by PyTorch as it is: no compiler is needed."""
    compiled, of_module = [], torch.nn.Module.compile

    def traced(model):
        compiled.append(type(model).__name__)
        of_module(model, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    monkeypatch.setattr(stage_trainer, "can_compile", lambda device: True)
    changes = {"preset": "micro-exact", "stages": [{**STAGES[0], "steps": 2}]}
    plain = load_checkpoint(loop.train(write(tmp_path / "a.yaml", **changes), out=tmp_path / "plain"))[0]
    found = load_checkpoint(loop.train(write(tmp_path / "b.yaml", **changes, compile=True), out=tmp_path / "fast"))[0]
    assert compiled == ["SingleModalityTracker"]
    assert list(found) == list(plain)
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_nothing_is_compiled_on_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "compile", lambda model: pytest.fail("compiled"))
    config = write(tmp_path / "c.yaml", compile=True, stages=[{**STAGES[0], "steps": 1}])
    assert loop.train(config, out=tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("cores", "processes", "workers"), [(16, 1, 15), (16, 4, 3), (2, 2, 0), (1, 2, 0)])
def test_workers_are_the_cores_that_are_left(tmp_path, monkeypatch, cores, processes, workers):
    monkeypatch.setattr(loading, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    settings = load_config(write(tmp_path / "c.yaml", workers=None))
    fabric = SimpleNamespace(world_size=1, global_rank=0, device=torch.device("cpu"))
    assert loading.make_loader(settings, 0, 0, fabric).num_workers == workers


def test_processes_that_make_samples_start_after_a_validation_too(tmp_path):
    """OpenCV's threads, which a validation starts, are missing in processes that are forked after it."""
    validation = {"every": 4, "sequences": 1, "frames": 3}
    config = write(tmp_path / "c.yaml", workers=1, stages=STAGES[1:], validation=validation, preset="micro-exact")
    command = [sys.executable, micro.__file__, str(config), str(tmp_path / "run"), str(tmp_path / "record.pt")]
    root = Path(micro.__file__).parents[2]
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True, timeout=240)
    assert len(torch.load(tmp_path / "record.pt", weights_only=True)) == 8


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_wait_in_pinned_memory_where_there_is_a_gpu(tmp_path, device):
    fabric = SimpleNamespace(world_size=1, global_rank=0, device=torch.device(device))
    loader = loading.make_loader(load_config(write(tmp_path / "c.yaml")), 0, 0, fabric)
    assert loader.pin_memory == (device == "cuda")


def test_the_command_line_tells_a_slice_that_is_over_from_a_failure(tmp_path, capsys):
    config = write(tmp_path / "config.yaml", stages=STAGES[:1])
    for minutes, status, message in (
        ("1e-9", 75, "ckd: stopped at step 1 of 4 of stage 'pretrain', saved in"),
        ("0", 2, "ckd: error: minutes is 0.0: it must be a number above 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            ckd(["train", str(config), "--out", str(tmp_path / "run"), "--minutes", minutes])
        assert ended.value.code == status
        assert capsys.readouterr().err.startswith(message)
