"""Points that a person clicks in both images: which pixels they are, and what becomes of them."""

import numpy as np
import pytest

from ckd_ros.app.node_settings import read_node_settings
from ckd_ros.app.point_picker import PointPicker
from ckd_ros.calibration.points import read_points
from ckd_ros.frames import FramePair, Image

COLOUR, THERMAL = (960, 720), (160, 120)
#: Both are shown 640 x 480, below 66 rows, 8 columns apart.
TOP, RIGHT = 66, 648
PLACES = [(60, 60), (600, 80), (590, 440), (50, 430), (360, 250), (200, 300)]


@pytest.fixture
def picker(tmp_path):
    colour = np.full((*COLOUR[::-1], 3), 90, np.uint8)
    thermal = np.linspace(20000, 30000, 160 * 120).reshape(120, 160).astype(np.uint16)
    pair = FramePair(Image(colour, "bgr8"), Image(thermal, "mono16"), 0, 0)
    return PointPicker(pair, tmp_path / "found" / "registration.yaml", max_error=1.5)


def click(picker, x, y, dx=0, dy=0):
    """The same place in both images, or one that much farther in the thermal one."""
    picker.click((x, TOP + y))
    picker.click((RIGHT + x + dx, TOP + y + dy))


def test_a_click_is_a_pixel_of_either_image(picker):
    click(picker, 300, 240)
    colour, thermal = picker.points
    np.testing.assert_allclose(colour, [[300.5 * 960 / 640, 240.5 * 720 / 480]])
    np.testing.assert_allclose(thermal, [[300.5 * 160 / 640, 240.5 * 120 / 480]])


def test_both_images_are_shown_with_numbered_marks(picker):
    plain = picker.picture
    assert plain.shape == (TOP + 480, 640 + 8 + 640, 3) and not plain[:TOP].any()
    assert plain[TOP + 270, 300].tolist() == [90, 90, 90] and plain[-1, -1, 0] > plain[TOP, RIGHT, 0] + 150
    click(picker, 300, 240)
    for x in (300, RIGHT + 300):
        assert picker.picture[TOP + 240, x].tolist() == [60, 210, 255]
        changed = (picker.picture != plain).any(axis=2)
        assert changed[TOP + 220 : TOP + 236, x + 10 : x + 24].sum() > 10  # its number
    click(picker, 100, 100)
    assert (picker.picture != plain).any(axis=2).sum() > changed.sum() + 60


def test_the_second_mark_may_be_in_either_image_and_a_first_one_is_moved(picker):
    picker.click((RIGHT + 30, TOP + 40))
    picker.click((RIGHT + 90, TOP + 40))  # there instead
    assert len(picker.points[0]) == 0
    picker.click((90, TOP + 40))
    np.testing.assert_allclose(picker.points[0] / 6, picker.points[1])


def test_a_click_beside_the_images_marks_nothing(picker):
    for place in ((300, TOP - 1), (643, TOP + 30), (1288, TOP + 30)):
        picker.click(place)
    assert not picker.points[0].size and (picker.picture == picker._plain).all()


def test_undo_takes_back_the_newest_point_or_its_only_mark(picker):
    picker.undo()
    click(picker, 10, 10)
    click(picker, 50, 50)
    picker.click((70, TOP + 70))
    picker.undo()
    assert len(picker.points[0]) == 2
    picker.undo()
    np.testing.assert_allclose(picker.points[1], [[10.5 * 160 / 640, 10.5 * 120 / 480]])


def test_the_tracker_reads_what_is_saved_and_the_points_are_kept(picker, tmp_path):
    for x, y in PLACES:
        click(picker, x, y, dx=16, dy=-8)
    said = picker.save()
    file = tmp_path / "found" / "registration.yaml"
    assert said.startswith("homography from 6 of 6 points that agree, expected error 0.") and str(file) in said
    matrix = read_node_settings(file).registration.matrix(COLOUR, THERMAL)
    np.testing.assert_allclose(matrix @ [480, 360, 1], [84, 58, 1], atol=0.01)
    np.testing.assert_allclose(read_points(file.with_suffix(".txt")), picker.points, atol=0.01)


def test_points_that_make_no_registration_are_kept_and_it_says_why(picker, tmp_path):
    for number, (x, y) in enumerate(PLACES):
        click(picker, x, y, dx=(-1) ** number * 9, dy=(number % 3 - 1) * 9)
    with pytest.raises(ValueError, match=r"do not tell enough: .*; no registration was written"):
        picker.save()
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["registration.txt"]
    assert len(picker.points[0]) == 6  # and in the window


def test_too_few_points_are_refused(picker, tmp_path):
    for x, y in PLACES[:3]:
        click(picker, x, y)
    with pytest.raises(ValueError, match="3 points are too few: 4 and better 8"):
        picker.save()
    assert not (tmp_path / "found").exists()
