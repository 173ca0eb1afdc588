"""Box files as people have them: separators, decimal commas, byte order marks, empty lines, and what is refused."""

import numpy as np
import pytest

from ckd_ros.datasets.boxes import read_boxes, read_rows

NAN = [np.nan] * 4


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "truth.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("40,5;90,0;30,0;20,0\n41,5;90,0;30,0;20,0\n", [[40.5, 90, 30, 20], [41.5, 90, 30, 20]]),
        ("40,00;90,00;30,00;20,00\n40,00;91,00;30,00;20,00\n", [[40, 90, 30, 20], [40, 91, 30, 20]]),
        ("40;90;30;20\n41,25;90;30;20\n", [[40, 90, 30, 20], [41.25, 90, 30, 20]]),
        ("40,5\t90,0\t30,0\t20,0\n", [[40.5, 90, 30, 20]]),
        ("1,5; 2,5; 3; 4\n\n1,5; 2,5; 3; 4\n", [[1.5, 2.5, 3, 4], NAN, [1.5, 2.5, 3, 4]]),
        ("40;90;30;20\n", [[40, 90, 30, 20]]),
        ("40,\t90,\t30,\t20\n", [[40, 90, 30, 20]]),
        # four points: an upright box, and a square on its corner
        ("10,20;40,20;40,60;10,60\n", [[10, 20, 30, 40]]),
        ("5,0;10,5;5,10;0,5\n", [[0, 0, 10, 10]]),
        ("5 0 10 5 5 10 0 5\n", [[0, 0, 10, 10]]),
        ("10 20 40 20 10 60 40 60\n", [[10, 20, 30, 40]]),  # in reading order
        ("0 0 0 0 0 0 0 0\n10 20 40 20 40 60 10 60\n", [NAN, [10, 20, 30, 40]]),
    ],
)
def test_decimal_commas_are_told_from_four_corners(tmp_path, text, boxes):
    np.testing.assert_array_equal(read_boxes(written(tmp_path, text)), boxes)


@pytest.mark.parametrize(
    "text",
    [
        "100,80,30,20,102,81,30,20\n" * 3,  # two boxes a line
        "100 80 30 20 100 80 30 20\n" * 3,
        "40,5 90,0 30,0 20,0\n40,7 91,5 30,0 20,0\n",  # decimal commas between blanks
        "40,5,90,0,30,0,20,0\n42,25,90,5,30,0,20,0\n",
    ],
)
def test_eight_numbers_that_are_no_corners_are_refused(tmp_path, text):
    with pytest.raises(
        ValueError, match="truth.txt, line 1: the eight numbers .* are not the four corners .* one box a"
    ):
        read_boxes(written(tmp_path, text))


def test_a_single_odd_polygon_among_good_ones_is_taken(tmp_path):
    good = "10 20 40 20 40 60 10 60\n"
    boxes = read_boxes(written(tmp_path, good * 3 + "10 20 40 60 38 22 12 58\n" + good))
    np.testing.assert_array_equal(boxes, [[10, 20, 30, 40]] * 5)


@pytest.mark.parametrize("header", ["", "x,y,w,h\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, header, encoding):
    path = written(tmp_path, f"{header}1,2,3,4\r\n5,6,7,8\r\n", encoding)
    np.testing.assert_array_equal(read_boxes(path), [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("header", ["", "x,y,w,h\n"])
def test_an_empty_line_is_a_frame_without_a_target(tmp_path, header):
    path = written(tmp_path, f"{header}1,2,3,4\n\n  \n5,6,7,8\n\n\n")
    np.testing.assert_array_equal(read_boxes(path), [[1, 2, 3, 4], NAN, NAN, [5, 6, 7, 8]])
    np.testing.assert_array_equal(read_boxes(written(tmp_path, "\n1,2,3,4\n")), [NAN, [1, 2, 3, 4]])
    assert read_rows(written(tmp_path, "10 20 40 20 40 60 10 60\n\n5 0 10 5 5 10 0 5\n")).shape == (3, 8)
    assert len(read_boxes(written(tmp_path, "\n \n"))) == 0


def test_the_line_at_fault_is_counted_with_the_empty_ones(tmp_path):
    with pytest.raises(ValueError, match="truth.txt, line 3: expected the four numbers x,y,w,h, found '1,2,three,4'"):
        read_boxes(written(tmp_path, "1,2,3,4\n\n1,2,three,4\n"))
    with pytest.raises(ValueError, match="line 2: expected the four numbers"):
        read_boxes(written(tmp_path, "1,2,3,4\n10,20,40,20,40,60,10,60\n"))
