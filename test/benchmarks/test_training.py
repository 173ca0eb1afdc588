"""The benchmark of loader and trainer measures both, for every stage and precision."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

import micro
import training

from ckd_ros.network.presets import PRESETS


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    for name, config in micro.MICRO.items():
        monkeypatch.setitem(PRESETS, name, config)


@pytest.mark.parametrize("workers", [0, 1])
def test_every_stage_is_measured_and_the_slower_part_is_named(tmp_path, capsys, workers):
    config = micro.write(tmp_path / "c.yaml", stages=micro.STAGES[:2])
    training.main(tmp_path, (config,), ("fp32", "bf16"), workers=workers, steps=1)
    cells = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("micro")]
    assert [row[:4] for row in cells] == [
        ["micro", stage, "4", precision] for stage in ("pretrain", "distil") for precision in ("fp32", "bf16")
    ]
    for row in cells:
        loader, trainer, ratio = map(float, row[4:7])
        assert loader > 0 and trainer > 0
        assert ratio == pytest.approx(loader / trainer, rel=0.05)
        assert row[7] == ("loader" if loader < trainer else "trainer")


def test_nothing_is_left_in_the_folder_where_it_runs(tmp_path, monkeypatch):
    config = micro.write(tmp_path / "c.yaml", stages=micro.STAGES[:1])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    training.main(tmp_path, (config,), steps=1)
    assert not list((tmp_path / "here").iterdir())
