"""`ckd calibrate`, called as a user calls it: the file it writes is the one that the tracker reads."""

import cv2
import numpy as np
import pytest
from real_like import pair_of, scene
from test_cli import run

from ckd_ros import geometry
from ckd_ros.app.calibration_frames import frames_of
from ckd_ros.app.node_settings import read_node_settings
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair, Image

COLOUR, THERMAL = (320, 240), (240, 180)
TRUTH = geometry.translation(9.0, -7.0) @ geometry.scaling(0.78, 0.78)


def recording(folder, seeds, thermal_seeds=None):
    """A sequence folder of two moments."""
    for number, (seed, other) in enumerate(zip(seeds, thermal_seeds or seeds, strict=True), start=1):
        pair = pair_of(scene(seed), TRUTH, COLOUR, THERMAL)._replace(
            thermal=pair_of(scene(other), TRUTH, COLOUR, THERMAL).thermal
        )
        for name, image in (("visible", pair.colour), ("infrared", pair.thermal)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{number:05d}.png"), image)
    return folder


def distance(registration):
    points = geometry.grid(COLOUR, 5)
    apart = geometry.transform_points(registration.matrix(COLOUR, THERMAL) @ np.linalg.inv(TRUTH), points) - points
    return np.linalg.norm(apart, axis=1).max()


def test_the_tracker_reads_what_is_written(tmp_path, model_path, capsys):
    source = recording(tmp_path / "walk", [0, 1])
    file = tmp_path / "new" / "registration.yaml"
    assert run("calibrate", source, "--out", file) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "homography from the edges of 2 frames, expected error 0." in said
    assert distance(read_node_settings(file).registration) < 1.5
    picture = cv2.imread(str(file.with_suffix(".png")))
    assert picture.shape == (240, 2 * 320 + 8, 3)
    assert sorted(path.name for path in file.parent.iterdir()) == ["registration.png", "registration.yaml"]

    track = ["track", source, "--init", "100,80,40,40", "--model", model_path, "--out", tmp_path / "boxes.csv"]
    assert run(*track, "--config", file) == 0
    assert "registration" not in capsys.readouterr().err  # no fault of it


def test_rows_of_telemetry_are_left_out_and_the_file_says_so(tmp_path):
    source = recording(tmp_path / "walk", [2, 3])
    for path in (source / "infrared").iterdir():
        cv2.imwrite(str(path), cv2.copyMakeBorder(cv2.imread(str(path), 0), 12, 0, 0, 0, cv2.BORDER_CONSTANT))
    config = tmp_path / "robot.yaml"
    config.write_text("/**:\n  ros__parameters:\n    thermal:\n      crop: [12, 0]\n")
    assert run("calibrate", source, "--config", config, "--out", tmp_path / "found.yaml") == 0
    settings = read_node_settings(tmp_path / "found.yaml")
    assert settings.thermal_crop == (12, 0) and settings.registration.thermal_size == THERMAL
    assert distance(settings.registration) < 1.5


def test_nothing_is_written_where_the_scenes_have_nothing_in_common(tmp_path, capsys):
    source = recording(tmp_path / "walk", [0, 1], [4, 5])
    file = tmp_path / "registration.yaml"
    file.write_text("mine")
    said = refusal(capsys, "calibrate", source, "--out", file)
    assert "the scene cannot tell" in said and "record a scene" in said
    assert file.read_text() == "mine" and not file.with_suffix(".png").exists()


def test_points_that_a_person_found(tmp_path, capsys):
    source = recording(tmp_path / "walk", [0])
    points = geometry.grid((240, 180), 3) + 20
    lines = np.concatenate([points, geometry.transform_points(TRUTH, points)], axis=1)
    np.savetxt(tmp_path / "points.txt", lines)
    assert run("calibrate", source, "--points", tmp_path / "points.txt", "--out", tmp_path / "found.yaml") == 0
    assert distance(read_node_settings(tmp_path / "found.yaml").registration) < 0.01


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--pattern", "circles", "--size", "5", "4"], "no frame shows the circles pattern of 5 x 4"),
        (["--points", "nowhere.txt"], "No such file or directory: nowhere.txt"),
        (["--points", "p.txt", "--pattern", "circles"], "give --points or --pattern"),
        (["--square", "0.03"], "--square is that of a pattern: give --pattern"),
        (["--out", "found.png"], "'found.png' is the name of the picture"),
        (["--out", "walk/visible/00001.yaml"], "is an input"),
        (["--max-error", "0"], "above 0"),
    ],
)
def test_mistakes_are_named_with_the_remedy(tmp_path, monkeypatch, capsys, more, said):
    monkeypatch.chdir(tmp_path)
    recording(tmp_path / "walk", [0])
    assert said in refusal(capsys, "calibrate", "walk", *more)


class Recorded(FrameSequence):
    """Pairs of black images: of each its thermal image's width, 0 where there is none."""

    def __init__(self, *widths):
        self.name, self.rate, self._widths = "walk", 30.0, widths

    def __len__(self):
        return len(self._widths)

    def frames(self):
        for number, width in enumerate(self._widths):
            colour = Image(np.full((4, 6, 3), number, np.uint8), "bgr8")
            yield FramePair(colour, Image(np.zeros((4, width), np.uint16), "mono16") if width else None)


@pytest.mark.parametrize(
    ("widths", "count", "taken"),
    [
        ([8] * 10, 5, [0, 2, 4, 6, 8]),
        ([8] * 3, 5, [0, 1, 2]),
        ([0, 8, 0, 0, 0, 8, 8, 0, 8, 0], 5, [1, 5, 6, 8]),  # a slow thermal camera: what comes next is taken
        ([8, 8, 9, 9, 8, 8], 3, [0, 4, 5]),  # a stream that has switched its resolution
    ],
)
def test_frames_with_both_images_are_taken_from_the_whole_recording(widths, count, taken):
    assert [pair.colour[0, 0] for pair in frames_of(Recorded(*widths), count, (0, 0))] == taken


def test_one_camera_alone_cannot_be_registered():
    with pytest.raises(ValueError, match="walk has no frame with both images"):
        list(frames_of(Recorded(0, 0), 2, (0, 0)))


def refusal(capsys, *args):
    """What a command line that must fail says last, below what it has read so far."""
    assert run(*args) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("ckd: error: ")
    return last
