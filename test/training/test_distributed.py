"""Two processes on one machine train as one does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import micro

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.training import train as loop

#: Absent modalities and search regions without the target: the processes' parts differ in what is counted.
CHANGES = {
    "samples": {"dropped": 0.3, "negatives": 0.4},
    "preset": "micro-exact",
    "validation": {"every": 10, "sequences": 2, "frames": 3},
}


def trained_by(processes: int, *args) -> subprocess.CompletedProcess:
    """A training in processes of its own, with two threads in all: other tests have no part in how it rounds."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    root = Path(micro.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": str(2 // processes)}
    command = [*launcher, micro.__file__, *map(str, args)]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of a run of two processes."""
    folder = tmp_path_factory.mktemp("two")
    done = trained_by(2, micro.write(folder / "c.yaml", **CHANGES), folder / "out", folder / "record.pt")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("number", range(3))
def test_losses_and_gradients_are_those_of_one_process(together, tmp_path, number):
    """Stage by stage from the same weights. Steps drift apart by what Adam makes of rounding errors."""
    (tmp_path / "out").mkdir()
    for stage in micro.STAGES[:number]:
        shutil.copy(together / "out" / f"{stage['name']}.safetensors", tmp_path / "out")
    config = micro.write(tmp_path / "c.yaml", **CHANGES, stages=micro.STAGES[: number + 1])
    done = trained_by(1, config, tmp_path / "out", tmp_path / "record.pt")
    assert done.returncode == 0, done.stderr
    alone = torch.load(tmp_path / "record.pt", weights_only=True)
    steps = torch.load(together / "record.pt", weights_only=True)[4 * number :][:4]
    for step, (one, two) in enumerate(zip(alone, steps, strict=True)):
        assert two["metrics"] == pytest.approx(one["metrics"], rel=2e-2 if step else 1e-4, abs=1e-6), step
    one, two = alone[0]["gradients"], steps[0]["gradients"]
    assert one.keys() == two.keys()
    largest = max(float(value.norm()) for value in one.values())
    for name, value in one.items():
        assert float((two[name] - value).norm()) < 1e-3 * max(float(value.norm()), largest * 1e-2), name


def test_one_process_takes_up_what_two_have_left(together, tmp_path):
    """`last.pt` is from step 2 of the last stage: done again from there, it gives the same weights."""
    shutil.copytree(together / "out", tmp_path / "out")
    (tmp_path / "out" / "eliminate.safetensors").unlink()
    loop.train(together / "c.yaml", out=tmp_path / "out")
    states = [load_checkpoint(folder / "out" / "student.safetensors")[0] for folder in (together, tmp_path)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_frozen_branches_and_their_idle_teachers_train_in_two_processes_as_in_one(tmp_path):
    """What has no gradient must not be waited for."""
    stage = {**micro.STAGES[1], "steps": 2, "lr_branch": 0, "score": "ellipse"}
    config = micro.write(tmp_path / "c.yaml", preset="micro-siamese", samples=CHANGES["samples"], stages=[stage])
    steps = []
    for processes in (1, 2):
        out, record = tmp_path / f"out{processes}", tmp_path / f"{processes}.pt"
        done = trained_by(processes, config, out, record)
        assert done.returncode == 0, done.stderr
        steps.append(torch.load(record, weights_only=True))
    assert len(steps[0]) == len(steps[1]) == 2
    assert steps[1][0]["metrics"] == pytest.approx(steps[0][0]["metrics"], rel=1e-3, abs=1e-6)
    assert {name.split(".")[0] for name in steps[1][0]["gradients"]} == {"coupling"}


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "make_fabric", lambda *_: SimpleNamespace(world_size=2))
    config = micro.write(tmp_path / "c.yaml", stages=[{**micro.STAGES[0], "batch": 5}])
    with pytest.raises(ValueError, match="a batch of 5 cannot be shared by 2 processes: choose a multiple"):
        loop.train(config, out=tmp_path / "out")
