"""The checks of `make lint` run at each commit and on every promised platform too."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"


def lint_programs() -> list[str]:
    """What `make lint` runs in the environment, without the arguments."""
    rule = re.search(r"^lint:\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    return re.findall(r"\$\(ENV\) ((?:python -m )?[a-z-]+)", rule)


def steps(job: str) -> list[str]:
    """The commands of a job, a line each."""
    commands = [step.get("run", "") for step in yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]]
    return "\n".join(commands).splitlines()


def test_lint_checks_style_spelling_workflows_images_layers_and_types():
    expected = {"ruff", "codespell", "check-jsonschema", "hadolint", "lint-imports", "python -m mypy"}
    assert set(lint_programs()) == expected


def test_a_commit_is_checked_by_the_programs_of_lint():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    local = next(repository for repository in config["repos"] if repository["repo"] == "local")
    entries = [hook["entry"] for hook in local["hooks"]]
    assert all(entry.startswith("tools/env.sh ") for entry in entries)
    for program in lint_programs():
        assert any(entry.startswith(f"tools/env.sh {program}") for entry in entries), program


def test_the_workflow_fits_the_schema():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_supported_python_lints_and_tests(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from setup_environment import PYTHONS

    (major, first), (_, last) = PYTHONS
    matrix = yaml.safe_load(WORKFLOW.read_text())["jobs"]["pypi"]["strategy"]["matrix"]
    assert matrix["python"] == [f"{major}.{minor}" for minor in range(first, last + 1)]
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in steps("pypi") if line.startswith("make")] == [x for x in ci if x.startswith("make")]


def test_every_supported_distribution_builds_and_tests():
    matrix = yaml.safe_load(WORKFLOW.read_text())["jobs"]["distribution"]["strategy"]["matrix"]
    assert matrix["distribution"] == ["humble", "jazzy", "kilted", "lyrical"]
    commands = "\n".join(steps("distribution"))
    order = ["rosdep install", "colcon build", "colcon test ", "colcon test-result", "make test"]
    assert sorted(order, key=commands.index) == order
