"""The launch files under ROS 2's own `launch`, which comes with a distribution only."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="ROS 2's launch comes with a distribution only")
pytest.importorskip("ros2launch", reason="`ros2 launch` comes with a distribution only")
pytest.importorskip("ckd_ros.srv", reason="the interfaces are not built")

FOLDER = Path(__file__).resolve().parents[2] / "launch"
FILES = ("tracker.launch.py", "demo.launch.py")


class Launch:
    """`ros2 launch` of one of our files; everything that it said so far is `said`."""

    def __init__(self, log: Path, name: str, *arguments: str) -> None:
        self._log = log
        command = [sys.executable, "-c", "from ros2cli.cli import main; raise SystemExit(main())"]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "PYTHONUNBUFFERED": "1"}
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*command, "launch", str(FOLDER / name), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str, count: int = 1, timeout: float = 60.0) -> None:
        """Wait until a pattern was said `count` times."""
        end = time.monotonic() + timeout
        while len(re.findall(pattern, self.said)) < count:
            assert self.process.poll() is None and time.monotonic() < end, f"no '{pattern}': {self.said}"
            time.sleep(0.05)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@pytest.fixture
def launch(tmp_path):
    made: list[Launch] = []

    def make(name: str, *arguments: str) -> Launch:
        made.append(Launch(tmp_path / f"{len(made)}.log", name, *arguments))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end()


@pytest.mark.parametrize("name", FILES)
def test_it_runs_and_ends_in_order(launch, name):
    started = launch(name, "namespace:=launch_test", "log_level:=info")
    started.wait_for("launch_test.tracker.: IDLE: nothing is followed")
    if name == "demo.launch.py":
        started.wait_for("following target 1")
    assert started.end() == 0
    assert "Traceback" not in started.said and "has died" not in started.said
    assert started.said.count("has finished cleanly") == (2 if name == "demo.launch.py" else 1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("argument", ["params_file:=/nowhere.yaml", "rviz:=perhaps", "transports:=/nowhere.xml"])
def test_a_bad_argument_ends_it_before_anything_is_started(launch, name, argument):
    started = launch(name, argument)
    assert started.process.wait(timeout=60) == 1
    assert argument.partition(":=")[2] in started.said and "process started" not in started.said


def test_a_bad_parameter_is_no_clean_end(launch, tmp_path):
    (tmp_path / "bad.yaml").write_text("/**: {ros__parameters: {sync.slop: often}}\n")
    started = launch("tracker.launch.py", f"params_file:={tmp_path / 'bad.yaml'}")
    assert started.process.wait(timeout=60) == 1
    assert "exit code 1" in started.said and "parameter 'sync.slop' is 'often'" in started.said


def test_a_killed_tracker_comes_back_and_says_that_it_is_idle(launch):
    started = launch("tracker.launch.py", "use_respawn:=true", "respawn_delay:=0.1", "namespace:=respawn_test")
    started.wait_for("IDLE: nothing is followed")
    (pid,) = re.findall(r"process started with pid \[(\d+)\]", started.said)
    os.kill(int(pid), signal.SIGKILL)
    started.wait_for("exit code -9")
    started.wait_for("IDLE: nothing is followed", count=2)
    assert started.end() == 0
