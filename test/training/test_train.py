import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from micro import STAGES, write

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.training import stage_trainer
from ckd_ros.training import train as loop
from ckd_ros.training.interruption import Interrupted
from ckd_ros.training.objectives import STAGE_LOSSES
from ckd_ros.training.reporting import TrainingLog
from ckd_ros.training.stage_trainer import StageTrainer

VALIDATION = {"every": 2, "sequences": 1, "frames": 3}


def after_step(monkeypatch, step, act):
    """Do something when that many steps are done, counted over all stages."""
    training_step, steps = StageTrainer.training_step, 0

    def counted(trainer, *args):
        nonlocal steps
        steps += 1
        result = training_step(trainer, *args)
        if steps == step:
            act()
        return result

    monkeypatch.setattr(StageTrainer, "training_step", counted)


# -- stopping and going on --------------------


class Stopped(Exception):
    pass


def stop():
    raise Stopped


@pytest.mark.parametrize(("precision", "stages"), [("auto", STAGES), ("fp16", STAGES[:2])])
def test_a_run_that_was_stopped_and_resumed_gives_the_same_weights(tmp_path, precision, stages):
    """fp16 has a gradient scaler, whose state is part of the run."""
    config = write(tmp_path / "config.yaml", precision=precision, stages=stages, validation=VALIDATION)
    straight = load_checkpoint(loop.train(config, out=tmp_path / "straight"))[0]
    for step in (3, 5):  # in the middle of two stages, one step after a checkpoint
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            after_step(patch, step, stop)
            loop.train(config, out=tmp_path / "resumed")
    resumed = load_checkpoint(loop.train(config, out=tmp_path / "resumed"))[0]
    for name, value in straight.items():
        assert torch.equal(value, resumed[name]), name
    best = [load_checkpoint(tmp_path / run / "best.safetensors") for run in ("straight", "resumed")]
    assert best[0][2]["validation"] == best[1][2]["validation"]


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, monkeypatch):
    config = write(tmp_path / "config.yaml")
    after_step(monkeypatch, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted, match="step 4 of 4|step 3 of 4.*last.pt.*the same command resumes"):
        loop.train(config, out=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (saved["stage"], saved["step"]) in {("pretrain", 3), ("pretrain", 2)}
    assert loop.train(config, out=tmp_path / "run").exists()


# -- what can go wrong, each with the last good checkpoint intact --------------------


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    config = write(tmp_path / "config.yaml", stages=STAGES[:1])
    pretrain, calls = STAGE_LOSSES["pretrain"], []

    def explode(*args):
        loss, metrics = pretrain(*args)
        calls.append(1)
        return (loss * float("nan") if len(calls) == 4 else loss), metrics

    monkeypatch.setitem(STAGE_LOSSES, "pretrain", explode)
    with pytest.raises(FloatingPointError, match="lower the learning rate; .*last.pt"):
        loop.train(config, out=tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert saved["step"] == 2
    assert all(torch.isfinite(v).all() for v in saved["model"].values())


def test_a_full_disk_keeps_the_former_checkpoint(tmp_path, monkeypatch):
    """A limit on the size of files stands in for the disk: the system refuses to write on, as when it is full."""
    config, last = write(tmp_path / "config.yaml", stages=STAGES[:1]), tmp_path / "run" / "last.pt"
    often = write(tmp_path / "often.yaml", stages=STAGES[:1], checkpoint_every=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    after_step(monkeypatch, 3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1])))
    try:
        with pytest.raises(OSError, match="'.*pretrain.safetensors' could not be written .*free space on the disk"):
            loop.train(config, out=tmp_path / "run")
        kept = last.read_bytes()
        with pytest.raises(OSError, match="'.*pretrain.safetensors' could not be written"):
            loop.train(config, out=tmp_path / "run")
        with pytest.raises(OSError, match="'.*last.pt' could not be written .*the previous 'last.pt' is unchanged"):
            loop.train(often, out=tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert last.read_bytes() == kept
    assert {path.name for path in last.parent.iterdir()} == {"last.pt", "tensorboard"}
    assert loop.train(config, out=tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_named_and_kept(tmp_path):
    config, last = write(tmp_path / "config.yaml", stages=STAGES[:1]), tmp_path / "run" / "last.pt"
    last.parent.mkdir()
    for content in (b"", b"nonsense", b"PK\x03\x04 cut off"):
        last.write_bytes(content)
        with pytest.raises(ValueError, match="'.*last.pt' is damaged .*remove it"):
            loop.train(config, out=tmp_path / "run")
        assert last.read_bytes() == content


def test_an_out_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError) as error:
        loop.train(write(tmp_path / "config.yaml"), out=tmp_path / "run")
    assert error.value.filename == tmp_path / "run" or error.value.filename == str(tmp_path / "run")


def test_a_start_that_is_missing_is_named(tmp_path):
    config = write(tmp_path / "config.yaml", start=str(tmp_path / "absent.safetensors"))
    with pytest.raises(FileNotFoundError, match="absent.safetensors"):
        loop.train(config, out=tmp_path / "run")


def test_an_empty_data_set_is_named(tmp_path):
    for folder in ("rgb", "tir"):
        (tmp_path / "empty" / folder).mkdir(parents=True)
    config = write(tmp_path / "config.yaml", {"pairs": "empty"})
    with pytest.raises(FileNotFoundError, match="no train pair .*empty"):
        loop.train(config, tmp_path, tmp_path / "run")


def test_a_damaged_pair_is_named_once_left_out_and_counted(tmp_path, monkeypatch, caplog):
    config = write(tmp_path / "config.yaml", stages=STAGES[:1])
    (tmp_path / "pairs" / "tir" / "a3.png").write_bytes(b"torn")
    counted, log_metrics = [], TrainingLog.log_metrics
    monkeypatch.setattr(
        TrainingLog, "log_metrics", lambda *args: counted.append(args[2]["replaced"]) or log_metrics(*args)
    )
    straight = load_checkpoint(loop.train(config, out=tmp_path / "straight"))[0]
    assert caplog.text.count("left out") == caplog.text.count("a3.png") == 1
    assert 0 < counted[0] <= counted[-1] < 60
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        after_step(patch, 3, stop)
        loop.train(config, out=tmp_path / "resumed")
    resumed = load_checkpoint(loop.train(config, out=tmp_path / "resumed"))[0]
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_many_damaged_pairs_end_a_training_with_what_to_do(tmp_path):
    config = write(tmp_path / "config.yaml", stages=STAGES[:1])
    for number in range(8):
        (tmp_path / "pairs" / "tir" / f"a{number}.png").write_bytes(b"torn")
    with pytest.raises(
        OSError, match=r"20 samples in a row of (pasted|in_place) were .*a\d.png is not .*repair or remove"
    ):
        loop.train(config, out=tmp_path / "run")


# -- learning --------------------


def test_training_learns(tmp_path, monkeypatch):
    """A few dozen steps on one kind of sample must find the target more often than chance does."""
    stage = {"name": "pretrain", "steps": 60, "batch": 16, "lr_head": 4e-3, "lr_branch": 4e-3, "regression": "dense"}
    losses, training_step = [], StageTrainer.training_step

    def recording(*args):
        metrics, stopping = training_step(*args)
        losses.append(float(metrics["loss"]))
        return metrics, stopping

    monkeypatch.setattr(StageTrainer, "training_step", recording)
    config = write(tmp_path / "config.yaml", stages=[{**stage, "clip": 5.0}], log_every=60, checkpoint_every=60)
    loop.train(config, out=tmp_path / "run")
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])


def test_validation_keeps_the_student_that_tracks_best(tmp_path, monkeypatch):
    aucs = iter([0.2, 0.6, 0.5])
    monkeypatch.setattr(stage_trainer, "validate", lambda *_: next(aucs))
    stages = [{**STAGES[1], "steps": 6}]
    loop.train(write(tmp_path / "config.yaml", stages=stages, validation=VALIDATION), out=tmp_path / "run")
    state, config, record = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert record["validation"] == {"step": 4, "auc": 0.6}
    assert config.preset == "micro"
    assert state.keys() == load_checkpoint(tmp_path / "run" / "student.safetensors")[0].keys()


def test_the_average_can_be_switched_off(tmp_path):
    loop.train(write(tmp_path / "config.yaml", ema=0, checkpoint_every=2), out=tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert all(torch.equal(saved["model"][name], value) for name, value in saved["average"].items())


# -- the command line --------------------


def test_the_command_line_prints_one_line(tmp_path):
    config = write(tmp_path / "config.yaml", preset="tiny", stages=STAGES[:1])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.pt").write_bytes(b"nonsense")
    command = [sys.executable, "-m", "ckd_ros.cli", "train", str(config), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("ckd: error: '") and "is damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1
