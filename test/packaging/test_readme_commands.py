"""Every command in the README is run, in short form: small images, few frames, seconds instead of hours.

What cannot be run here says why, and how much of it is looked at all the same. A command that is not in `TABLE` fails.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
#: Indented lines; those of the list of packages are none.
LINE = re.compile(r"^ {4}(?! |ckd_ros/)(.*)$", re.MULTILINE)
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
TINY = "simulator:frames=4,width=160,height=128,thermal_width=160,thermal_height=128,target_size=24"


def commands(text: str) -> list[str]:
    """The commands of a document, without their comments."""
    return [shlex.join(shlex.split(line, comments=True)) for line in LINE.findall(re.sub("(?ms)^```.*?^```", "", text))]


# -- how a command is run: called with its words, in an empty folder --------------------------------------------------


def dry_make(*words: str) -> None:
    """What make would run, with what it is given."""
    given = [word for word in words[1:] if "=" in word]
    said = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert all(word.partition("=")[2] in said.stdout for word in given), said.stdout


def launch_file(_ros2: str, _launch: str, package: str, file: str, *arguments: str) -> None:
    assert package == "ckd_ros" and (ROOT / "launch" / file).is_file()
    assert all(":=" in argument for argument in arguments)


def request(_ros2: str, _service: str, _call: str, name: str, kind: str, content: str) -> None:
    """The service is the node's, and the request can be made of what is given."""
    srv = pytest.importorskip("ckd_ros.srv", reason="the interfaces are not built: run `make setup`")
    fill(getattr(srv, kind.rpartition("/")[2]).Request(), yaml.safe_load(content))
    assert name in ("/ckd/init_target", "/ckd/stop")


def fill(message: object, values: dict) -> None:
    """Set the fields of a message, which refuses what it has not, and what is of another type."""
    for field, value in values.items():
        if isinstance(value, dict):
            fill(getattr(message, field), value)
        else:
            setattr(message, field, type(getattr(message, field))(value))


def node(_environment: str, script: str, *arguments: str) -> None:
    """The node starts, and ends in order."""
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup`")
    process = subprocess.Popen([sys.executable, script, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(60, process.kill)
    timer.start()
    said = ""
    while "waiting for images on" not in said and "a source of" not in said and process.poll() is None:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    said += process.communicate()[1]
    timer.cancel()
    assert process.returncode == 0 and "Traceback" not in said, said


def view(_environment: str, script: str) -> None:
    """Here it has no display, and says so."""
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
    nowhere = {key: value for key, value in os.environ.items() if key not in DISPLAYS}
    done = subprocess.run([sys.executable, script], cwd=ROOT, env=nowhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "ckd: error: there is no display" in done.stderr, done.stderr


def ckd(*words: str) -> None:
    """The command itself on files that are small, and there."""
    from ckd_ros.cli import main

    short = {"simulator": TINY, "200": "3"}
    if "--init" in words and "mouse" in words:
        pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
        threading.Thread(target=draw, daemon=True).start()
    main([short.get(word, word) for word in words[1:]])
    written = words[words.index("--out") + 1] if "--out" in words else "OUT" if "OUT" in words else "runs/track"
    assert Path(written).exists()
    assert "--video" not in words or Path(words[words.index("--video") + 1]).stat().st_size > 0


def draw() -> None:
    """A person who drags a box in the window as soon as there is one, and takes it."""
    import pygame

    end = time.monotonic() + 30
    while not (pygame.display.get_init() and pygame.display.get_surface()) and time.monotonic() < end:
        time.sleep(0.02)
    for kind, details in (
        (pygame.MOUSEBUTTONDOWN, {"pos": (100, 100), "button": 1}),
        (pygame.MOUSEMOTION, {"pos": (200, 220), "rel": (0, 0), "buttons": (1, 0, 0)}),
        (pygame.MOUSEBUTTONUP, {"pos": (200, 220), "button": 1}),
        (pygame.KEYDOWN, {"key": pygame.K_RETURN}),
    ):
        pygame.event.post(pygame.event.Event(kind, **details))


def parsed(*words: str) -> None:
    """The command line is understood; what it would do takes data, or hours."""
    import tyro

    from ckd_ros.app.commands import COMMANDS

    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog="ckd", args=words[1:], config=(tyro.conf.FlagCreatePairsOff,)
    )
    assert callable(command.run)


def none(*words: str) -> None:
    """Nothing of it is run."""


#: A command, how it is run here, and where its whole is run, or why it is not.
TABLE: list[tuple[str, Callable[..., None], str]] = [
    (r"make demo.*", dry_make, "test/ros/demo/test_demo.py"),
    (r"make (setup|test)", dry_make, "test/packaging/test_setup.py; it is what sets up and runs these tests"),
    (r"source .*|rosdep .*", none, "an installed ROS 2 distribution; test/packaging/test_rosdep.py has the packages"),
    (r"ros2 launch .*", launch_file, "no ros2 on PyPI; test/launch/test_real_launch.py where there is launch"),
    (r"ros2 service call .*", request, "no ros2 on PyPI; test/ros/test_tracker_node.py calls the service"),
    (r"ros2 topic echo /ckd/track", none, "no ros2 on PyPI; test/ros/test_tracker_node.py receives the topic"),
    (r"ros2 run ckd_ros view", none, "no ros2 on PyPI; test/ros/test_viewer.py"),
    (r"tools/env.sh scripts/view", view, "test/ros/test_viewer.py"),
    (r"tools/env.sh scripts/\w+_node .*", node, "test/ros/test_scripts.py"),
    (r"ckd (track|simulate) .*", ckd, "test/app/test_cli.py"),
    (r"ckd calibrate .*", ckd, "test/app/test_calibrate.py"),
    (r"ckd evaluate .*", parsed, "data sets; test/evaluation/test_evaluate.py has small ones"),
    (r"ckd train .*", parsed, "hours, and data; test/training/test_train.py has a small run"),
    (r"ckd (export|quantise) .*", parsed, "what a training leaves; test/app/test_network_files.py"),
    (r"pip install .*", none, "an index of packages; test/packaging/test_pip_install.py installs what is built"),
]


def entry(command: str) -> tuple[str, Callable[..., None], str]:
    """The entry of a command. Raises LookupError for one that nobody has thought of."""
    for one in TABLE:
        if re.fullmatch(one[0], command):
            return one
    raise LookupError(f"'{command}' is a new command of the README: have it run here, or say in TABLE why it is not")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with the files that the commands name, and a screen that nobody sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return tmp_path


def films() -> None:
    from films import write_film

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (512, 640, 3), np.uint8)] * 3
    for name in ("rgb", "thermal"):
        write_film(Path(f"{name}.mp4"), images, codec="mpeg4")


def recording() -> None:
    from ckd_ros.datasets.bag import write_bag
    from ckd_ros.datasets.sources import open_source

    write_bag(open_source(TINY), Path("bag"))
    next(Path("bag").glob("*.mcap")).rename("recording.mcap")


@pytest.mark.parametrize("command", dict.fromkeys(commands(README)))
def test_it_is_run_or_says_why_not(command, place):
    _, run, _ = entry(command)
    if run is ckd:
        pytest.importorskip("av", reason="videos need PyAV")
        if ".mp4" in command:
            films()
        if ".mcap" in command:
            recording()
    run(*shlex.split(command))


def test_every_entry_is_of_a_command_and_what_it_names_is_there():
    there = commands(README)
    for pattern, _, where in TABLE:
        assert any(re.fullmatch(pattern, command) for command in there), f"no command is left like {pattern}"
        assert all((ROOT / path).is_file() for path in re.findall(r"test/[\w/]+\.py", where)), where


def test_a_new_command_has_to_be_entered():
    assert commands("text\n\n    ckd dance --fast   # a comment\n\n```python\n    x = 1\n```\n") == ["ckd dance --fast"]
    with pytest.raises(LookupError, match="'ckd dance' is a new command of the README"):
        entry("ckd dance")
