import pytest
import yaml

torch = pytest.importorskip("torch")

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.training import train as loop
from ckd_ros.training.config import load_config

STAGES = [{"name": name, "steps": 4, "batch": 2, "lr_head": 1e-3, "lr_branch": 1e-3, "regression": "dense"}
          for name in ("pretrain", "distil", "eliminate")]  # fmt: skip


def write(path, **changes):
    settings = {
        "preset": "tiny-mce", "seed": 1, "workers": 0, "checkpoint_every": 2, "log_every": 2,
        "samples": {"weights": {"procedural": 1.0}}, "stages": STAGES, **changes,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_run_that_was_stopped_and_resumed_gives_the_same_weights(tmp_path, monkeypatch):
    config = write(tmp_path / "config.yaml")
    straight = load_checkpoint(loop.train(config, out=tmp_path / "straight"))[0]

    class Stopped(Exception):
        pass

    steps = 0
    train_step = loop._Run._train_step

    def interrupted(self, batch):
        nonlocal steps
        steps += 1
        if steps in (4, 8):  # in the middle of two stages, one step after a checkpoint
            raise Stopped
        return train_step(self, batch)

    monkeypatch.setattr(loop._Run, "_train_step", interrupted)
    for _ in range(2):
        with pytest.raises(Stopped):
            loop.train(config, out=tmp_path / "resumed")
    resumed = load_checkpoint(loop.train(config, out=tmp_path / "resumed"))[0]
    assert steps > 9
    for name, value in straight.items():
        assert torch.equal(value, resumed[name]), name


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    config = write(tmp_path / "config.yaml", stages=STAGES[:1])
    pretrain = loop._pretrain_loss

    def explode(model, inputs, stage):
        loss, figures = pretrain(model, inputs, stage)
        explode.calls += 1
        return (loss * float("nan") if explode.calls == 4 else loss), figures

    explode.calls = 0
    monkeypatch.setitem(loop._LOSSES, "pretrain", explode)
    with pytest.raises(FloatingPointError, match="learning rate"):
        loop.train(config, out=tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert saved["step"] == 2
    assert all(torch.isfinite(v).all() for v in saved["model"].values())


def test_training_learns(tmp_path):
    """A few dozen steps on one kind of sample must find the target more often than chance does."""
    stage = {"name": "pretrain", "steps": 40, "batch": 12, "lr_head": 1e-3, "lr_branch": 1e-3, "regression": "dense"}
    stage |= {"clip": 5.0, "weight_decay": 0.05}
    seen = []
    train_step = loop._Run._train_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Run, "_train_step", lambda s, b: seen.append(train_step(s, b)) or seen[-1])
        loop.train(write(tmp_path / "config.yaml", stages=[stage, STAGES[1]]), out=tmp_path / "run")
    focal = [float(figures["focal"]) for figures in seen[:40]]
    assert sum(focal[-10:]) < 0.85 * sum(focal[:10])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "preset 'huge' is unknown"),
        ({"stages": []}, "at least one stage"),
        ({"stages": [{"name": "finetune", "steps": 1}]}, "stage 'finetune' is unknown"),
        ({"stages": [{"name": "distil", "steps": 1, "speed": 2}]}, "unknown Stage setting.*speed"),
        ({"preset": "tiny"}, "'eliminate' needs a preset with elimination"),
        ({"learning": 1}, "unknown TrainingConfig setting.*learning"),
    ],
)
def test_bad_settings_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_config(write(tmp_path / "config.yaml", **changes))


def test_missing_data_is_named(tmp_path):
    config = write(tmp_path / "config.yaml", samples={"pairs": "roadscene"})
    with pytest.raises(FileNotFoundError, match="pairs: no folder.*--data"):
        load_config(config, tmp_path)
