"""Help: at the terminal's width, with an example for each command, and nothing that only a programmer understands."""

import pytest
from test_cli import run

from ckd_ros.app.commands import COMMANDS


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("command", COMMANDS)
def test_it_fits_the_terminal_and_has_an_example(capsys, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(command, "--help") == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    assert f"Example: ckd {command}" in " ".join(said.split()) and "None" not in said


def test_all_commands_are_listed_with_a_sentence_each(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert all(f"• {command} " in said for command in COMMANDS) and "Example" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_the_version(capsys):
    from ckd_ros import __version__

    assert run("--version") == 0
    assert capsys.readouterr().out == f"ckd {__version__}\n"


def test_the_shipped_networks_are_listed_with_size_licence_and_figures(capsys):
    assert run("models") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "tiny-int8 (4 MB)" in said and "licence: built on MIT weights" in said and "m3svd 74.8 (2 %)" in said


def test_every_setting_of_training_is_listed_by_the_way_to_it(capsys):
    pytest.importorskip("torch")
    from ckd_ros.settings import all_settings
    from ckd_ros.training.config import TrainingConfig

    assert run("train", "--settings") == 0
    shown = [line.partition(" =")[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown == list(all_settings(TrainingConfig))
