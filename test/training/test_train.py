import dataclasses
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import micro
from micro import STAGES, write

from ckd_ros.cli import main as ckd
from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.network.presets import PRESETS
from ckd_ros.settings import RENAMED, REQUIRED, build, settings_of
from ckd_ros.tracking import ConfidenceConfig, ThermalConfig, TrackerConfig
from ckd_ros.training import stage_trainer
from ckd_ros.training import train as loop
from ckd_ros.training.config import Stage, TrainingConfig, ValidationConfig, load_config
from ckd_ros.training.interruption import Interrupted
from ckd_ros.training.objectives import STAGE_LOSSES
from ckd_ros.training.reporting import TrainingLog
from ckd_ros.training.samples.config import IdentityConfig
from ckd_ros.training.stage_trainer import StageTrainer

VALIDATION = {"every": 2, "sequences": 1, "frames": 3}


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    for name, config in micro.MICRO.items():
        monkeypatch.setitem(PRESETS, name, config)


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
        OSError, match=r"20 samples in a row of (pasted|in_place) were .*a\d.png' is not .*repair or remove"
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


# -- settings --------------------


BAD_OF_A_STAGE = [
    ("steps", 0), ("steps", 2.0), ("batch", 1), ("batch", 2.0), ("batch", True), ("lr_branch", -1e-3),
    ("lr_head", 0), ("lr_head", float("nan")), ("lr_head", float("inf")), ("weight_decay", -1),
    ("betas", [0.9]), ("betas", [0.9, 1.0]),
    ("betas", [0.9, "0.99"]), ("betas", 0.9), ("clip", 0), ("warmup", -1), ("warmup", 1.5), ("lr_final", -0.1),
    ("regression", "sparse"), ("score", "square"), ("teachers", "absent"),
    ("mask_ratio", 1.0), ("mask_ratio", -0.1), ("style_weight", -1), ("content_weight", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "preset 'huge' is unknown"),
        ({"stages": []}, "at least one stage"),
        (
            {"stages": [{"name": "finetune", "steps": 1}]},
            r"stages\[0\]: name is 'finetune': it must be a string, pretrain \| distil \| eliminate",
        ),
        ({"stages": [{"name": "distil", "steps": 1, "speed": 2}]}, "unknown Stage setting.*speed"),
        (
            {"stages": [{"name": "distil", "steps": 1, "lr_head": "1e-3"}]},
            r"stages\[0\]: lr_head is '1e-3': it must be a number.*1.0e-3",
        ),
        ({"stages": [STAGES[0], STAGES[0]]}, "each name may appear once"),
        ({"preset": "tiny"}, "'eliminate' needs a preset with elimination"),
        ({"learning": 1}, "unknown TrainingConfig setting.*learning"),
        ({"precision": "fp8"}, r"precision is 'fp8': it must be a string, auto \| bf16"),
        ({"validation": {"sequences": 0}}, "validation: sequences is 0: it must be a whole number of at least 1"),
        ({"validation": {"frames": 1}}, "validation: frames is 1: it must be a whole number of at least 2"),
        ({"validation": {"every": 2.0}}, "validation: every is 2.0"),
        ({"validation": 3}, "validation is 3: it must be settings as 'name: value', or none"),
        *(({"stages": [{**STAGES[0], name: value}]}, rf"stages\[0\]: {name} is ") for name, value in BAD_OF_A_STAGE),
        ({"stages": [{"name": "distil"}]}, "Stage needs the setting 'steps'"),
        ({"stages": {"name": "distil", "steps": 1}}, "stages is .* a list of settings"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": -1}, "workers is -1: it must be a whole number of at least 0"),
        ({"workers": 1.0}, "workers is 1.0"),
        ({"ema": 1.0}, "ema is 1.0: it must be a number of at least 0 and below 1"),
        ({"ema": -0.1}, "ema is -0.1"),
        ({"ema": float("nan")}, "ema is nan"),
        ({"sync_batch_norm": 1}, "sync_batch_norm is 1: it must be true or false"),
        ({"log_every": 0}, "log_every is 0"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"checkpoint_minutes": 0}, "checkpoint_minutes is 0: it must be a number above 0, or none"),
        ({"compile": "yes"}, "compile is 'yes': it must be true or false"),
        ({"validation": True}, "validation is True: it must be settings as 'name: value', or none"),
        ({"seed": 10**10}, r"seed is 10000000000: it must be a whole number from 0 to 1e\+09"),
    ],
)
def test_bad_settings_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_config(write(tmp_path / "config.yaml", **changes))


@pytest.mark.parametrize("kind", [Stage, ValidationConfig, TrainingConfig])
def test_every_setting_is_described_and_takes_its_default(kind):
    for name, stated in settings_of(kind).items():
        assert stated.default is REQUIRED or stated.fault(stated.default) is None, name
        assert len(stated.description) > 4, name


def test_a_former_name_is_refused_with_the_present_one():
    with pytest.raises(ValueError, match="unknown Stage setting 'hidden': it is now called 'mask_ratio'"):
        build(Stage, {"name": "distil", "steps": 1, "hidden": 0.25})
    kinds = (TrackerConfig, ConfidenceConfig, ThermalConfig, Stage)
    everything = {name for kind in kinds for name in settings_of(kind)}
    assert set(RENAMED.values()) <= everything and not set(RENAMED) & everything


def test_a_setting_that_is_there_twice_is_refused(tmp_path):
    """PyYAML alone would train the last one, without a word."""
    file = write(tmp_path / "config.yaml")
    file.write_text(file.read_text() + "seed: 2\n")
    with pytest.raises(ValueError, match="config.yaml': 'seed' is set twice"):
        load_config(file)


@pytest.mark.parametrize("samples", ["[]", "false", "0"])
def test_samples_that_are_no_settings_are_not_taken_for_the_default_ones(tmp_path, samples):
    (tmp_path / "config.yaml").write_text(
        f"preset: micro\nstages: [{{name: pretrain, steps: 1}}]\nsamples: {samples}\n"
    )
    with pytest.raises(ValueError, match="samples: SampleConfig needs settings as 'name: value', not "):
        load_config(tmp_path / "config.yaml")


def test_settings_are_changed_for_one_run(tmp_path):
    file = write(tmp_path / "config.yaml", {"augmentation": "field"})
    changes = [
        "seed=3", "stages.distil.steps=9", "stages.distil.lr_head=1e-3", "stages.pretrain.betas=[0.5, 0.9]",
        "samples.augmentation.smoke=0.125", "samples.weights={procedural: 1}", "validation.every=7", "workers=none",
    ]  # fmt: skip
    before, after = load_config(file), load_config(file, changes=changes)
    assert (after.seed, after.workers, after.validation) == (3, None, ValidationConfig(every=7))
    assert [stage.steps for stage in after.stages] == [4, 9, 4]
    assert after.stages[1].lr_head == 1e-3 and after.stages[0].betas == (0.5, 0.9)
    assert after.samples.augmentation == dataclasses.replace(before.samples.augmentation, smoke=0.125)
    assert after.samples.weights == {"procedural": 1} and after.samples.pairs == before.samples.pairs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed", "'seed' is not a change of a setting: expected KEY=VALUE"),
        ("=3", "'=3' is not a change of a setting"),
        ("seeds=3", "unknown TrainingConfig setting 'seeds': did you mean 'seed'"),
        ("stages.finetune.steps=3", "'stages.finetune.steps=3': there is no 'stages.finetune' that holds settings"),
        ("seed.more=3", "there is no 'seed' that holds settings"),
        ("stages.distil.step=3", "unknown Stage setting 'step': did you mean 'steps'"),
        ("stages.steps=3", "'stages' is a list, say which of it, as in stages.distil.steps=3"),
        ("seed=[", "'seed=\\[': its value is not YAML"),
        ("stages.distil.lr_head=-1e-3", "lr_head is -0.001: it must be a number above 0"),
    ],
)
def test_a_change_that_leads_nowhere_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load_config(write(tmp_path / "config.yaml"), changes=[change])


def test_every_setting_of_a_training_is_listed_with_a_default_that_a_file_may_hold(tmp_path, capsys):
    ckd(["train", "--settings"])
    lines = capsys.readouterr().out.splitlines()
    listed = dict(line.partition(" = ")[::2] for line in lines if not line.startswith(" "))
    for kind, group in ((TrainingConfig, ""), (Stage, "stages[]."), (IdentityConfig, "samples.identity.")):
        assert listed.keys() >= {group + name for name in settings_of(kind)}
    settable = {name: text for name, text in listed.items() if text and "[]" not in name}
    changes = [f"{name}={text}" for name, text in settable.items()]
    config = write(tmp_path / "config.yaml")
    config.write_text("preset: micro\nstages: [{name: pretrain, steps: 1}]\n")
    assert len(changes) > 80
    expected = dataclasses.replace(load_config(config), validation=ValidationConfig())
    assert load_config(config, changes=changes) == expected


def test_a_training_without_a_file_is_asked_for_one(capsys):
    with pytest.raises(SystemExit, match="2"):
        ckd(["train"])
    assert "CONFIG is missing" in capsys.readouterr().err


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="config.yaml' is not YAML"):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("block", ["samples", "validation"])
def test_missing_data_is_named(tmp_path, block):
    config = write(tmp_path / "config.yaml", **{block: {"pairs": "roadscene"}})
    with pytest.raises(FileNotFoundError, match="no folder.*roadscene.*--data"):
        load_config(config, tmp_path)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "config" / "training").glob("*.yaml")))
def test_every_training_file_that_comes_with_the_package_can_be_read(file, tmp_path, monkeypatch):
    if file.stem == "ablation":
        pytest.skip("a budget whose variants benchmarks/ablation.py makes, each with its preset")
    for exists in ("is_dir", "is_file"):  # no data here
        monkeypatch.setattr(Path, exists, lambda path: True)
    settings = load_config(file, tmp_path)
    assert dataclasses.asdict(settings)["stages"]


def test_the_command_line_prints_one_line(tmp_path):
    config = write(tmp_path / "config.yaml", preset="tiny", stages=STAGES[:1])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.pt").write_bytes(b"nonsense")
    command = [sys.executable, "-m", "ckd_ros.cli", "train", str(config), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("ckd: error: '") and "is damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1
