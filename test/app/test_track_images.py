"""`ckd track` names what is wrong with the images of a recording, beside its boxes."""

import cv2
import numpy as np
import pytest

from ckd_ros.cli import main
from ckd_ros.colour import as_opencv
from ckd_ros.datasets.boxes import write_boxes
from ckd_ros.datasets.sources import open_source

SOURCE = "simulator:frames=12,width=160,height=128,thermal_width=160,thermal_height=128,occlusion=0,night=0"


def as_recorded(number, images):
    return images[number]


@pytest.fixture
def track(tmp_path, model_path, capsys):
    """`ckd track` on a folder whose thermal images are `change(number, images)` of a sequence; what it prints."""

    def run(change, colour=as_recorded):
        sequence = open_source(SOURCE)
        pairs = list(sequence.frames())
        for name in ("visible", "infrared"):
            (tmp_path / name).mkdir()
        for number in range(len(pairs)):
            images = (
                colour(number, [as_opencv(p.rgb) for p in pairs]),
                change(number, [p.thermal.data for p in pairs]),
            )
            for name, image in zip(("visible", "infrared"), images, strict=True):
                cv2.imwrite(str(tmp_path / name / f"{number:04d}.png"), image)
        write_boxes(tmp_path / "init.txt", sequence.boxes)
        main(["track", str(tmp_path), "--out", str(tmp_path / "out.csv"), "--model", str(model_path)])
        return "".join(capsys.readouterr())

    return run


def repeated(number, images):
    return images[3 * (number // 3)]


def test_images_that_are_stored_several_times_are_named(track):
    text = track(repeated)
    assert "8 thermal image(s) are identical to the one before and were left out" in text


def test_a_scene_stored_several_times_is_named(track):
    assert "8 pair(s) repeat the one before to the last bit" in track(repeated, repeated)


def test_telemetry_is_named(track):
    rows = np.random.default_rng(0).integers(0, 255, (3, 160))
    text = track(lambda number, images: np.concatenate([images[number], rows.astype(images[number].dtype)]))
    assert text.count("the last 3 row(s) of the thermal image are no picture") == 1


def test_nothing_is_said_of_good_images(track):
    text = track(as_recorded)
    assert "identical" not in text and "repeat" not in text and "thermal image" not in text
