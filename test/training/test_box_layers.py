"""The stage `boxes`: what learns, from which samples, and what stays exactly as it was."""

import math

import pytest

torch = pytest.importorskip("torch")

import micro
from micro import write
from students import coupled

from ckd_ros.network.checkpoint import load_checkpoint, load_weights, save_checkpoint
from ckd_ros.network.siamese_student import SiameseStudent
from ckd_ros.training import train as loop
from ckd_ros.training.box_layers import BoxMaps, BoxStudent, box_loss, freeze_all_but_boxes
from ckd_ros.training.config import Stage
from ckd_ros.training.initial_weights import build_model
from ckd_ros.training.stage_trainer import StageTrainer

CONFIG = micro.MICRO["micro-siamese"]  # 4 x 4 search cells
STAGE = {"name": "boxes", "steps": 4, "batch": 4, "lr_head": 1e-2}
BOTH, COLOUR, THERMAL = [True, True], [True, False], [False, True]
BOXES = torch.tensor([[0.3, 0.3, 0.4, 0.4]] * 4)
PRESENT = torch.tensor([BOTH, COLOUR, THERMAL, BOTH])


@pytest.fixture
def start(tmp_path):
    """The checkpoint of a student with a coupling."""
    save_checkpoint(tmp_path / "start.safetensors", coupled(CONFIG).state_dict(), CONFIG)
    return tmp_path / "start.safetensors"


@pytest.fixture
def file(tmp_path, start):
    """A training file: half of its samples lack a modality."""
    return write(
        tmp_path / "config.yaml", {"dropped": 0.25}, preset="micro-siamese", start=str(start), stages=[STAGE], ema=0.5
    )


def crops(present=PRESENT):
    """Random crops, zero where the modality is absent."""
    torch.manual_seed(0)
    found = [torch.randn(len(present), 3, size, size) for size in (128, 128, 64, 64)]
    return [crop * present[:, number % 2].view(-1, 1, 1, 1) for number, crop in enumerate(found)]


def loaded(path):
    student = SiameseStudent(CONFIG).eval()
    load_weights(student, load_checkpoint(path)[0])
    return student


def test_a_run_changes_the_box_layers_of_both_branches_and_nothing_else(file, start, tmp_path):
    before, after = load_checkpoint(start)[0], load_checkpoint(loop.train(file, out=tmp_path / "run"))[0]
    layers = {".".join(name.split(".")[:2]) for name in before if not torch.equal(before[name], after[name])}
    assert layers == {f"{m}_branch.{layer}" for m in ("rgb", "tir") for layer in ("box_correlation", "box_tower")}
    assert before.keys() == load_checkpoint(tmp_path / "run" / "boxes.safetensors")[0].keys()


def test_a_share_of_the_coupling_is_kept(start):
    before, after = loaded(start), build_model(Stage(**STAGE, coupling=0.3), CONFIG, start)
    assert torch.equal(after.coupling.to_rgb.weight, 0.3 * before.coupling.to_rgb.weight)
    assert torch.equal(after.coupling.gate[0].weight, before.coupling.gate[0].weight)


def test_scores_of_both_branches_are_the_same_bits_as_before(file, start, tmp_path):
    students = loaded(start), loaded(loop.train(file, out=tmp_path / "run"))
    with torch.no_grad():
        before, after = (student(*crops()) for student in students)
    for was, now in ((before.rgb, after.rgb), (before.tir, after.tir)):
        assert torch.equal(was.logits, now.logits) and torch.equal(was.scores, now.scores)
        assert not torch.equal(was.log_sides, now.log_sides)


def test_a_run_that_was_stopped_goes_on_from_the_same_start_to_the_same_weights(file, tmp_path, monkeypatch):
    straight = load_checkpoint(loop.train(file, out=tmp_path / "straight"))[0]
    step = StageTrainer.training_step

    def stopped(trainer, *args):
        if trainer.step == 3:
            raise InterruptedError
        return step(trainer, *args)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(StageTrainer, "training_step", stopped)
        loop.train(file, out=tmp_path / "resumed")
    assert torch.load(tmp_path / "resumed" / "last.pt", weights_only=True)["step"] == 2
    resumed = load_checkpoint(loop.train(file, out=tmp_path / "resumed"))[0]
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_the_maps_are_the_students_and_those_of_the_start(start):
    model = build_model(Stage(**STAGE), CONFIG, start)
    assert isinstance(model, BoxStudent)
    with torch.no_grad():
        before = loaded(start)(*crops())
        model.rgb_branch.box_tower.last.pointwise.bias += 0.25  # learned since then
        maps = model(*crops(), PRESENT)
    for modality, (found, expected) in enumerate(zip(maps, (before.rgb, before.tir), strict=True)):
        moved = 0.25 if modality == 0 else 0.0
        torch.testing.assert_close(found.log_sides, expected.log_sides + moved)
        torch.testing.assert_close(found.start, expected.log_sides)


def losses_of_steps(start, anchor_weight):
    model = build_model(Stage(**STAGE), CONFIG, start)
    optimizer, losses = torch.optim.AdamW(freeze_all_but_boxes(model), lr=1e-3), []
    for _ in range(15):
        losses.append(box_loss(model(*crops(), PRESENT), BOXES, torch.ones(4) > 0, PRESENT, anchor_weight))
        optimizer.zero_grad()
        losses[-1].total.backward()
        optimizer.step()
    return losses


def test_boxes_of_one_camera_are_learned_and_the_anchor_holds_the_others(start):
    free, anchored = (losses_of_steps(start, weight) for weight in (0.0, 10.0))
    for losses in (free, anchored):
        assert losses[0].anchor == 0 and losses[-1].box < 0.9 * losses[0].box and losses[-1].iou > losses[0].iou
    assert 0 < anchored[-1].anchor < free[-1].anchor / 2


def sides(left, top, right, bottom, count):
    """Log sides of one box (in crop pixels from the middle of the crop) at every one of 4 x 4 cells."""
    axis = torch.arange(4.0) * 16 - 32
    x, y = axis.expand(4, 4), axis.view(4, 1).expand(4, 4)
    return torch.stack([x + left, y + top, right - x, bottom - y]).clamp(min=1e-3).log().expand(count, 4, 4, 4)


def loss_of(*box, truth=(0.375, 0.375, 0.25, 0.25), positive=True, moved=0.0):
    """The loss where `box` was found in one thermal sample; the truth has 16 pixels a side around the middle."""
    held = sides(*box, count=2)
    maps = (BoxMaps(held + moved * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), held),) * 2
    present = torch.tensor([THERMAL, BOTH])
    return box_loss(maps, torch.tensor([truth] * 2), torch.tensor([positive, True]), present, anchor_weight=2.0)


def test_the_right_box_costs_nothing_and_one_of_another_size_the_logarithm_of_its_ratio():
    assert loss_of(8, 8, 8, 8).total.item() == pytest.approx(0, abs=1e-5)
    wide = loss_of(16, 8, 16, 8)
    assert wide.box.item() == pytest.approx(1.5 * math.log(2), rel=1e-4)  # half the overlap, twice the width
    assert wide.anchor == 0 and wide.total == wide.box
    assert loss_of(4, 4, 4, 4).box.item() == pytest.approx(2 * math.log(2) + math.log(2), rel=1e-4)


def test_the_right_box_may_reach_out_of_the_crop():
    assert loss_of(40, 8, 8, 8, truth=(-0.125, 0.375, 0.75, 0.25)).total.item() == pytest.approx(0, abs=1e-5)


def test_a_sample_without_the_target_teaches_no_box():
    assert loss_of(16, 8, 16, 8, positive=False).total == 0


def test_with_both_cameras_only_the_way_from_the_start_counts():
    loss = loss_of(8, 8, 8, 8, moved=0.1)
    assert loss.anchor.item() == pytest.approx(0.2, rel=1e-4)  # 0.1 in each branch
    assert loss.total.item() == pytest.approx(0.4, rel=1e-4) and loss.box.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", [BOTH, COLOUR, THERMAL])
def test_a_batch_of_one_kind_of_sample_gives_finite_losses_and_gradients_to_all_box_layers(start, kind):
    model, present = build_model(Stage(**STAGE), CONFIG, start), torch.tensor([kind] * 2)
    learned = freeze_all_but_boxes(model)
    loss = box_loss(model(*crops(present), present), BOXES[:2], torch.ones(2) > 0, present, anchor_weight=1.0)
    loss.total.backward()
    assert torch.isfinite(loss.total) and (loss.box > 0) == (kind != BOTH)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learned)
