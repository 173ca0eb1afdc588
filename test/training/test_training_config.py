"""Training files: what they may hold, what is said of the rest, and how one setting is changed for a run."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch")

from micro import STAGES, write

from ckd_ros.cli import main as ckd
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.settings import RENAMED, REQUIRED, build, settings_of
from ckd_ros.tracking import ConfidenceConfig, ThermalConfig, TrackerConfig
from ckd_ros.training.config import Stage, TrainingConfig, ValidationConfig, load_config
from ckd_ros.training.samples.config import IdentityConfig

BAD_OF_A_STAGE = [
    ("steps", 0), ("steps", 2.0), ("batch", 1), ("batch", 2.0), ("batch", True), ("lr_branch", -1e-3),
    ("lr_head", 0), ("lr_head", float("nan")), ("lr_head", float("inf")), ("weight_decay", -1),
    ("betas", [0.9]), ("betas", [0.9, 1.0]),
    ("betas", [0.9, "0.99"]), ("betas", 0.9), ("clip", 0), ("warmup", -1), ("warmup", 1.5), ("lr_final", -0.1),
    ("regression", "sparse"), ("score", "square"), ("teachers", "absent"),
    ("mask_ratio", 1.0), ("mask_ratio", -0.1), ("style_weight", -1), ("content_weight", None),
    ("anchor_weight", -0.5),
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
        (
            {"stages": [{"name": "boxes", "steps": 1}]},
            "'boxes' needs .* Siamese .*'micro' is not: choose one of tiny, ",
        ),
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
    kinds = (TrackerConfig, ConfidenceConfig, ThermalConfig, Stage, SimulatorConfig)
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
