"""The comparison runs trackers over a set, keeps what is finished, and says how each did, with intervals."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import comparison
import cv2
import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig

FRAMES = 12


@pytest.fixture
def data(tmp_path):
    """One paired video with two annotated people: the target of a simulated sequence, and a place that stays."""
    sequence = SimulatedSequence(
        SimulatorConfig(frames=FRAMES, width=320, height=240, thermal_width=320, thermal_height=240, night=0, glare=0)
    )
    folder = tmp_path / "data" / "m3svd"
    (folder / "boxes").mkdir(parents=True)
    pairs = list(sequence.frames())
    for side, images in (
        ("visible", [pair.rgb.data[..., ::-1] for pair in pairs]),
        ("infrared", [cv2.cvtColor(pair.thermal.data, cv2.COLOR_GRAY2BGR) for pair in pairs]),
    ):
        writer = cv2.VideoWriter(str(folder / f"0001_{side}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, (320, 240))
        for image in images:
            writer.write(np.ascontiguousarray(image))
        writer.release()
    for person, boxes in (("p1", sequence.boxes), ("p2", np.tile([20.0, 20.0, 40.0, 40.0], (FRAMES, 1)))):
        lines = [",".join([str(number), *(f"{v:.1f}" for v in box)]) for number, box in enumerate(boxes, start=1)]
        (folder / "boxes" / f"0001_{person}.csv").write_text("\n".join(["frame,x,y,w,h", *lines]) + "\n")
    return folder.parent


def test_a_set_is_compared_and_what_is_finished_stays(data, tmp_path, capsys):
    out = tmp_path / "out"
    options = comparison.Options(data=data, out=out, models=("tiny",), sets=("m3svd",), processes=1)
    comparison.main(options)
    table = capsys.readouterr().out
    figures = json.loads((out / "comparison.json").read_text())["m3svd"]
    assert set(figures) == {"tiny", "tiny-rgb", "tiny-thermal", "csrt-rgb", "csrt-thermal"}
    assert all(label in table for label in figures) and "m3svd, 2 sequences" in table
    ours = figures["tiny"]
    assert 40 < ours["SR"] <= 100 and 0 <= ours["lost"] <= 50 and ours["wrong"] <= 50
    assert 0 <= ours["calibration"] <= 1
    assert np.isnan(figures["csrt-rgb"]["ROC"]), "CSRT says no confidence"
    assert (out / "m3svd" / "report.html").is_file()

    alone = max(figures["tiny-rgb"]["SR"], figures["tiny-thermal"]["SR"])
    assert ours["both"] == pytest.approx(ours["SR"] - alone)

    files = list((out / "m3svd").glob("*/0001_p?.txt"))
    written = [file.stat().st_mtime_ns for file in files]
    model = shutil.copy(Path(__file__).parents[2] / "models" / "tiny.onnx", tmp_path / "student.onnx")
    comparison.main(replace(options, models=("tiny", f"new={model}")))
    assert len(files) == 10 and [file.stat().st_mtime_ns for file in files] == written
    figures = json.loads((out / "comparison.json").read_text())["m3svd"]
    assert figures["tiny"] == ours and figures["new"] == ours


def test_sets_of_one_camera_are_compared_with_it_alone():
    options = comparison.Options(data=None, models=("tiny",))
    assert list(comparison.list_trackers(options, "thermal")) == [
        "tiny-thermal=ckd:model=tiny,modality=thermal",
        "csrt:modality=thermal",
    ]


def test_ours_can_be_run_without_others():
    options = comparison.Options(data=None, models=("new=runs/a/student.onnx",), ours=True)
    assert list(comparison.list_trackers(options, "both")) == [
        "new=ckd:model=runs/a/student.onnx",
        "new-rgb=ckd:model=runs/a/student.onnx,modality=rgb",
        "new-thermal=ckd:model=runs/a/student.onnx,modality=thermal",
    ]
