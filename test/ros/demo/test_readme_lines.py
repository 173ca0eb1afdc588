"""Every `make demo` of the README, in short form: the recordings that it names are small ones, of a few frames."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

for name in ("onnxruntime", "rich", "tyro", "av"):
    pytest.importorskip(name, reason=f"{name} is not installed: run `make setup`")

from ckd_ros.cli import main as ckd
from ckd_ros.datasets.boxes import write_boxes
from ckd_ros.datasets.places import make_place
from ckd_ros.datasets.sources import open_source

ROOT = Path(__file__).resolve().parents[3]
FRAMES = 12
LINES = re.findall(r"^    (make demo SOURCE=.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """What the lines name: registered pairs, a sequence folder, two videos and a bag."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(3):
        texture = make_place(np.random.default_rng(number), 30).texture
        for name, image in (("rgb", texture.rgb[0]), ("tir", texture.thermal[0])):
            (folder / "roadscene" / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "roadscene" / name / f"{number}.png"), image)
    ckd(["simulate", str(folder / "whiteboy"), "--frames", str(FRAMES), "--bag"])
    bag = next((folder / "whiteboy").rglob("*.mcap"))
    truth = next(file for file in (bag.with_suffix(".csv"), bag.parent.with_suffix(".csv")) if file.exists())
    shutil.copy(bag, folder / "recording.mcap")
    shutil.copy(truth, folder / "recording.csv")
    sequence = open_source(f"simulator:frames={FRAMES}")
    films = [
        cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*"mp4v"), 20, (640, 512))
        for name in ("rgb.mp4", "thermal.mp4")
    ]
    for pair in sequence.frames():
        films[0].write(cv2.cvtColor(pair.rgb.data, cv2.COLOR_RGB2BGR))
        films[1].write(cv2.cvtColor(pair.thermal.data, cv2.COLOR_GRAY2BGR))
    for film in films:
        film.release()
    write_boxes(folder / "rgb.csv", sequence.boxes)
    return folder


def shortened(line: str) -> str:
    """The same with few frames, and with the recordings of this folder."""
    line = re.sub(r"(frames=|FRAMES=)\d+", rf"\g<1>{FRAMES}", line)
    line = re.sub(r"SOURCE=/data/(?:\w+/)*(\w+)", r"SOURCE=\1", line)
    return line if "FRAMES=" in line else f"{line} FRAMES={FRAMES}"


def test_the_readme_has_examples():
    assert len(LINES) >= 6 and any("INIT=" in line for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_each_ends_well(line, recordings, tmp_path):
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    words = shlex.split(shortened(line))
    words = [word for word in words if not word.startswith("OUT=")] + [f"OUT={tmp_path / 'out'}"]
    # What the Makefile would run, in this environment: that it sets up another one is not the matter here.
    told = subprocess.run([*words, "--dry-run", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    command = shlex.split(told.replace("\\\n", " ").splitlines()[-2 if "Leaving directory" in told else -1])
    assert command[:4] == ["tools/env.sh", "python", "-m", "ckd_ros.ros.demo"], told
    run = [sys.executable, *command[2:]]
    done = subprocess.run(run, cwd=recordings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"] == FRAMES and (tmp_path / "out" / "video.mp4").stat().st_size > 1000
