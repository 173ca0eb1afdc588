"""Typical slips of the command line and of the node's parameter file: each is answered in one line that says what is
wrong and what would be right, with an exit status that is not 0, before anything is run or written."""

import re

import cv2
import numpy as np
import pytest
from test_cli import run

SIM = "simulator:width=96,height=64,thermal_width=96,thermal_height=64,frames=2"
SCORED = ("evaluate", "--dataset", "simulator", "--sequences", "simulator-0", "--out", "out", "--tracker")
FOLDER = ("evaluate", "--dataset", "folder", "--tracker", "kcf", "--root")

#: What is typed -> what the answer must say: the fault, then the remedy.
SLIPS = {
    "no command": ([], "a command is missing: track, evaluate"),
    "a misspelt command": (["trak", SIM], "no command 'trak': did you mean 'track'"),
    "nothing to track": (["track"], r"SOURCE is missing .ckd track --help"),
    "a misspelt option": (["track", SIM, "--modalty", "rgb"], "--modalty.*did you mean --modality.*ckd track --help"),
    "a word for a number": (["track", SIM, "--start", "two"], "--start.*two.*whole number"),
    "an impossible choice": (["track", SIM, "--modality", "ir"], "'ir'.*'rgb', 'thermal'"),
    "a source that is not there": (["track", "nowhere"], "'nowhere' does not exist: expected 'simulator'"),
    "a misspelt file": (["track", "flim.avi,"], "no video flim.avi"),
    "a misspelt source": (["track", "simulatr"], "'simulatr' does not exist: did you mean 'simulator'"),
    "an empty folder as a source": (["track", "empty"], "holds no source: expected rgb/ and tir/"),
    "a sequence without images": (["track", "hollow"], "has no images that are read.*unpack it again"),
    "a text as a video": (["track", "notes.txt,"], "notes.txt is empty, cut short, or not a video"),
    "an empty video": (["track", "empty.mp4,"], "empty.mp4 is empty, cut short, or not a video"),
    "a video without frames": (["track", "cut.avi,"], "cut.avi"),
    "one video for two cameras": (["track", "film.avi"], "one modality: choose the modality rgb or thermal"),
    "no bag": (["track", "empty.mcap"], "empty.mcap is not a bag"),
    "an unknown setting of a source": (["track", "simulator:nights=1"], "'nights=1'.*did you mean 'night'"),
    "a value out of range": (["track", "simulator:night=9"], "night is 9.0: it must be a number from 0 to 1"),
    "two identical cameras": (["track", "0,0"], "same camera twice: name the colour and the thermal one"),
    "no camera": (["track", "77"], "no camera /dev/video77: choose another one"),
    "an unreachable stream": (["track", "rtsp://127.0.0.1:9/x"], "cannot be opened.*is its address right"),
    "a box of three numbers": (["track", SIM, "--init", "1,2,3"], "box '1,2,3'.*expected x,y,w,h in pixels"),
    "a box outside the image": (["track", SIM, "--init", "900,900,9,9"], "inside the image of 96 x 64: draw it on"),
    "a frame after the end": (["track", SIM, "--start", "2"], "no frame 2 to start in: it has the frames 0 to 1"),
    "a misspelt network": (["track", SIM, "--model", "tiny-in8"], "'tiny-in8': did you mean 'tiny-int8'"),
    "a text as a network": (["track", SIM, "--model", "notes.txt"], "'notes.txt' is not a model: expected one of"),
    "a text called a network": (["track", SIM, "--model", "fake.onnx"], "fake.onnx cannot be loaded, is it an ONNX"),
    "a folder as a network": (["track", SIM, "--model", "empty"], "'empty' is not a model: expected one of"),
    "a folder as an output": (["track", SIM, "--out", "empty"], "'empty' is a folder: name a file to write"),
    "an output below a file": (["track", SIM, "--out", "notes.txt/b.csv"], "cannot be written.*name another place"),
    "an output over an input": (["track", "film.avi,", "--video", "film.avi"], "is an input.*name another file"),
    "an unknown kind of video": (["track", SIM, "--video", "out.gif"], "'out.gif' must end with .mp4"),
    "a misspelt registration": (["track", SIM, "--registration", "offest:1,2"], "'offest:1,2'.*offset:NUMBERS"),
    "too few numbers": (["track", SIM, "--registration", "offset:1"], "offset has 1 number.*expected 2"),
    "no parameter file": (["track", SIM, "--config", "no.yaml"], "no parameter file 'no.yaml'.*config/tracker.yaml"),
    "another file as parameters": (["track", SIM, "--config", "notes.txt"], "no parameters of the tracker: expected"),
    "a misspelt parameter": (["track", SIM, "--config", "odd.yaml"], "'tracker.lead_': did you mean 'tracker.lead'"),
    "a parameter out of range": (["track", SIM, "--config", "far.yaml"], "'tracker.lead' is 7.0: it must be"),
    "a misspelt data set": (["evaluate", "--dataset", "lashr", "--tracker", "kcf"], "'lashr'.*did you mean 'lasher'"),
    "a data set without a root": (["evaluate", "--dataset", "folder", "--tracker", "kcf"], "folder needs a root"),
    "a root that is not there": ([*FOLDER, "nowhere"], "no folder '.*nowhere' to read folder from"),
    "a file as a root": ([*FOLDER, "notes.txt"], "no folder '.*notes.txt' to read folder from"),
    "an empty root": ([*FOLDER, "empty"], "empty' holds no sequence of folder"),
    "nothing to evaluate": (["evaluate", "--dataset", "simulator"], "nothing to evaluate: name a --tracker"),
    "a misspelt tracker": ([*SCORED, "csrtt"], "'csrtt' is unknown: did you mean 'csrt'"),
    "an unknown setting of a tracker": ([*SCORED, "ckd:laed=1"], "'laed=1'.*did you mean 'lead'"),
    "no processes": ([*SCORED, "kcf", "--processes", "0"], "0 processes are not possible: expected at least 1"),
    "a file as an output folder": ([*SCORED, "kcf", "--out", "notes.txt"], "cannot be written.*name another place"),
    "a misspelt split": (["evaluate", "--dataset", "lasher", "--split", "tst", "--list", "--root", "."], "train, test"),
    "a misspelt sequence": (
        ["evaluate", "--dataset", "simulator", "--list", "--sequences", "simulator0"],
        "did you mean 'simulator-0'",
    ),
    "a folder that is in use": (["simulate", "hollow"], "hollow exists and is not empty: name a new folder"),
    "no frames": (["simulate", "new", "--frames", "0"], "frames is 0: it must be a whole number of at least 1"),
    "no configuration": (["train", "tiny.yml"], "no configuration 'tiny.yml': give a YAML file as those in config"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with files of all kinds, in which the commands are typed."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("empty", "hollow/visible", "hollow/infrared"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("empty.mp4", "empty.mcap"):
        (tmp_path / name).touch()
    for name in ("notes.txt", "fake.onnx"):
        (tmp_path / name).write_text("remember the milk")
    for name, setting in (("odd", "lead_: 0.5"), ("far", "lead: 7.0")):
        (tmp_path / f"{name}.yaml").write_text(f"/**: {{ros__parameters: {{tracker: {{{setting}}}}}}}")
    writer = cv2.VideoWriter("film.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(3):
        writer.write(np.full((64, 96, 3), 90, np.uint8))
    writer.release()
    (tmp_path / "cut.avi").write_bytes((tmp_path / "film.avi").read_bytes()[:600])
    return tmp_path


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_answered_in_one_line_with_the_remedy(place, capsys, slip):
    words, answer = SLIPS[slip]
    if any(word.endswith(".yaml") for word in words):
        pytest.importorskip("yaml")
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert run(*words) == 2
    said = capsys.readouterr()
    (line,) = said.err.strip().splitlines()
    assert line.startswith("ckd: error: ") and re.search(answer, line) and not said.out
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before, "nothing was written"
