"""Runs of the Siamese family: from a tracker of one camera to a student, its branches trained or frozen."""

import pytest

torch = pytest.importorskip("torch")

import micro
from micro import write
from students import FEAR_XS

from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese_student import SiameseTracker
from ckd_ros.network.student import SingleModalityTracker
from ckd_ros.training import train as loop
from ckd_ros.training.config import Stage
from ckd_ros.training.initial_weights import build_model

NAME = "micro-siamese"
STAGE = {"steps": 2, "batch": 4, "lr_head": 1e-2, "score": "ellipse", "regression": "dense"}


@pytest.fixture
def start(tmp_path):
    """A tracker's checkpoint of random weights."""
    torch.manual_seed(0)
    config = micro.MICRO[NAME]
    save_checkpoint(tmp_path / "start.safetensors", SiameseTracker(config).state_dict(), config)
    return tmp_path / "start.safetensors"


def trained(tmp_path, start, *stages):
    """The state dict that a run leaves."""
    file = write(
        tmp_path / "config.yaml", preset=NAME, start=str(start), stages=[{**STAGE, **stage} for stage in stages], ema=0
    )
    state, config, record = load_checkpoint(loop.train(file, out=tmp_path / "run"))
    assert config == micro.MICRO[NAME] and record["start"]["file"] == "start.safetensors"
    return state


def changed(state, start):
    """Parts of a student in which anything differs from the tracker that its branches started from."""
    tracker, found = load_checkpoint(start)[0], set()
    for name, value in state.items():
        part, rest = name.split(".", 1)
        before = torch.zeros_like(value) if part == "coupling" else tracker[f"backbone.{rest}"]
        if not torch.equal(value, before):
            found.add(part if part != "coupling" else ".".join(name.split(".")[:2]))
    return found


COUPLING = {f"coupling.{part}" for part in ("to_rgb", "to_tir", "parts_rgb", "parts_tir", "gate")}


@pytest.mark.parametrize("teachers", ["trained", "frozen"])
def test_a_branch_rate_of_zero_leaves_the_branches_and_moves_the_coupling(tmp_path, start, teachers):
    state = trained(tmp_path, start, {"name": "distil", "lr_branch": 0, "teachers": teachers})
    assert changed(state, start) == COUPLING
    stage = load_checkpoint(tmp_path / "run" / "distil.safetensors")[0]
    assert changed({n: v for n, v in stage.items() if n.startswith("teacher_")}, start) == set()


def test_branches_that_learn_change_and_so_do_their_teachers_unless_these_are_frozen(tmp_path, start):
    state = trained(tmp_path, start, {"name": "distil", "lr_branch": 1e-3, "teachers": "frozen"})
    assert changed(state, start) == COUPLING | {"rgb_branch", "tir_branch"}
    stage = load_checkpoint(tmp_path / "run" / "distil.safetensors")[0]
    assert changed({n: v for n, v in stage.items() if n.startswith("teacher_")}, start) == set()


def test_all_three_stages_follow_one_another_and_the_last_trains_the_coupling_alone(tmp_path, start):
    stages = ({"name": name, "lr_branch": 1e-3} for name in ("pretrain", "distil", "eliminate"))
    state = trained(tmp_path, start, *stages)
    results = {name: load_checkpoint(tmp_path / "run" / f"{name}.safetensors")[0] for name in ("pretrain", "distil")}
    assert any(not torch.equal(v, load_checkpoint(start)[0][name]) for name, v in results["pretrain"].items())
    assert changed(results["distil"], tmp_path / "run" / "pretrain.safetensors") >= {"teacher_rgb", "teacher_tir"}
    last = {name.split(".")[0] for name, value in state.items() if not torch.equal(value, results["distil"][name])}
    assert last == {"coupling"}


@pytest.mark.parametrize("stage", ["pretrain", "distil", "eliminate", "boxes"])
def test_every_stage_starts_from_the_tracker_that_comes_with_the_package(stage):
    model = build_model(Stage(stage, steps=1), preset("tiny-mce"), FEAR_XS)
    branches = [model.backbone] if stage == "pretrain" else model.branches
    state = load_checkpoint(FEAR_XS)[0]
    for branch in branches:
        assert all(torch.equal(value, state[f"backbone.{name}"]) for name, value in branch.state_dict().items())


def test_a_file_of_the_other_family_is_refused_with_both_names(tmp_path, start):
    transformer = micro.MICRO["micro"]
    save_checkpoint(tmp_path / "vit.safetensors", SingleModalityTracker(transformer).state_dict(), transformer)
    named = "of preset 'micro', the network to train of 'micro-siamese', which differs in architecture: train with"
    with pytest.raises(CheckpointError, match=named):
        build_model(Stage("distil", steps=1), micro.MICRO[NAME], tmp_path / "vit.safetensors")
    with pytest.raises(CheckpointError, match="of preset 'micro-siamese'.*differs in architecture"):
        build_model(Stage("distil", steps=1), transformer, start)
