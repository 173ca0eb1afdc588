"""The images of every distribution are made alike, as hadolint asks; what compose starts is there to be started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DISTRIBUTIONS = ["humble", "jazzy", "kilted", "lyrical"]


def test_every_distribution_has_its_file():
    assert sorted(path.stem for path in DOCKER.glob("*.Dockerfile")) == DISTRIBUTIONS


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_they_differ_in_the_distribution_alone(distribution):
    def instructions(name: str) -> list[str]:
        lines = (DOCKER / f"{name}.Dockerfile").read_text().splitlines()
        return [line for line in lines if not line.startswith("#")]

    expected = [line.replace("ros:jazzy-", f"ros:{distribution}-") for line in instructions("jazzy")]
    assert instructions(distribution) == expected
    assert f"FROM ros:{distribution}-ros-base AS tracker" in expected


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_hadolint_finds_nothing(distribution):
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: `make test` brings it")
    done = subprocess.run([hadolint, DOCKER / f"{distribution}.Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_fits_its_schema_and_starts_what_is_there():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    file = DOCKER / "compose.yaml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load(file.read_text())["services"]
    assert list(services) == ["demo", "tracker", "viewer"]
    stages = re.findall(r"^FROM \S+ AS (\w+)", (DOCKER / "jazzy.Dockerfile").read_text(), re.MULTILINE)
    for service in services.values():
        assert service["build"]["target"] in stages
        for launch_file in re.findall(r"\w+\.launch\.py", service["command"]):
            text = (ROOT / "launch" / launch_file).read_text()
            assert all(f"{name}:=" in text for name in re.findall(r"(\w+):=", service["command"]))
        for path in re.findall(r"/opt/ckd_ros/(\S+)", service["command"]):
            assert (ROOT / path).is_file()


def test_the_entry_can_be_run():
    entry = DOCKER / "entrypoint.sh"
    assert os.access(entry, os.X_OK)
    assert f'ENTRYPOINT ["/opt/ckd_ros/docker/{entry.name}"]' in (DOCKER / "jazzy.Dockerfile").read_text()
