"""Two processes on one machine train as one does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import micro

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.network.config import PRESETS
from ckd_ros.training.train import train


def by_two(*args) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, micro.__file__, *map(str, args)]
    root = Path(micro.__file__).parents[2]
    return subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, timeout=300)


def environment(root: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    for name, config in micro.MICRO.items():
        monkeypatch.setitem(PRESETS, name, config)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of a run of two processes."""
    folder = tmp_path_factory.mktemp("two")
    validation = {"every": 10, "sequences": 2, "frames": 3}
    # Absent modalities and search regions without the target: the processes' parts differ in what is counted.
    samples = {"weights": {"procedural": 1.0}, "dropped": 0.3, "negatives": 0.4}
    config = micro.write(folder / "c.yaml", preset="micro-exact", samples=samples, validation=validation)
    done = by_two(config, folder / "out", folder / "record.pt")
    assert done.returncode == 0, done.stderr
    return folder


def test_losses_and_gradients_are_those_of_one_process(together, tmp_path):
    alone = micro.recorded(together / "c.yaml", tmp_path / "out")
    steps = torch.load(together / "record.pt", weights_only=True)
    assert len(alone) == len(steps) == 12
    for number, (one, two) in enumerate(zip(alone, steps, strict=True)):
        assert two["figures"] == pytest.approx(one["figures"], rel=2e-3, abs=1e-5), number
    for number in (0, 4, 8):  # the first step of each stage; later ones differ by what Adam makes of rounding errors
        one, two = alone[number]["gradients"], steps[number]["gradients"]
        assert one.keys() == two.keys()
        scale = max(float(value.norm()) for value in one.values())
        for name, value in one.items():
            assert float((two[name] - value).norm()) < 1e-4 * max(float(value.norm()), scale * 1e-2), (number, name)


def test_one_process_takes_up_what_two_have_left(together, tmp_path):
    """`last.pt` is from step 2 of the last stage: done again from there, it gives the same weights."""
    shutil.copytree(together / "out", tmp_path / "out")
    (tmp_path / "out" / "eliminate.safetensors").unlink()
    train(together / "c.yaml", out=tmp_path / "out")
    states = [load_checkpoint(folder / "out" / "student.safetensors")[0] for folder in (together, tmp_path)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    config = micro.write(tmp_path / "c.yaml", stages=[{**micro.STAGES[0], "batch": 5}])
    done = by_two(config, tmp_path / "out", tmp_path / "record.pt")
    assert done.returncode != 0
    assert "a batch of 5 cannot be shared by 2 processes: choose a multiple" in done.stderr
