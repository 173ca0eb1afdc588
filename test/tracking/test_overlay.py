"""The overlay shows both images in one view, the box where it is, and what the tracker believes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import Registration, TrackResult, TrackState
from ckd_ros.tracking.overlay import STATE_COLOURS, TRUTH_COLOUR, Panels, draw_overlay, panel_size

BOX = np.array([60.0, 40.0, 40.0, 30.0])
SIZE = (160, 120)


def colour_image(encoding="rgb8", size=SIZE):
    """Dark, with a bright red square where the box is."""
    data = np.full((size[1], size[0], 3), 40, np.uint8)
    sx, sy = size[0] / SIZE[0], size[1] / SIZE[1]
    x, y, w, h = (round(v) for v in BOX * [sx, sy, sx, sy])
    data[y : y + h, x : x + w] = (250, 40, 40)
    codes = {"bgr8": cv2.COLOR_RGB2BGR, "rgba8": cv2.COLOR_RGB2RGBA, "bgra8": cv2.COLOR_RGB2BGRA}
    return Image(cv2.cvtColor(data, codes[encoding]) if encoding in codes else data, encoding)


def thermal_image(dtype=np.uint16, shift=(0, 0), size=(80, 60)):
    """A warm square in a cool scene, where the box is plus `shift` thermal pixels."""
    data = np.full((size[1], size[0]), 100, dtype)
    x, y, w, h = (int(v) for v in BOX / 2)
    data[y + shift[1] : y + h + shift[1], x + shift[0] : x + w + shift[0]] = 200
    return Image(data if dtype == np.uint8 else data + dtype(7000), "mono8" if dtype == np.uint8 else "mono16")


def result(state=TrackState.TRACKING, confidence=0.8, thermal_box=None, box=BOX):
    thermal_box = box / 2 if thermal_box is None else thermal_box
    return TrackResult(np.array(box), thermal_box, confidence, state, True, True)


def views(picture, size=SIZE):
    w, h = size
    return picture[:h, :w], picture[:h, w : 2 * w]


def has_rectangle(view, box, colour):
    """Whether all four edges of a box (pixels of the view) are drawn in a colour."""
    x, y, w, h = (round(v) for v in box)
    close = np.abs(view.astype(int) - colour).max(axis=-1) < 70
    edges = [close[max(0, y - 1) : y + 2, x + w // 2], close[y + h - 1 : y + h + 2, x + w // 2]]
    edges += [close[y + h // 2, max(0, x - 1) : x + 2], close[y + h // 2, x + w - 1 : x + w + 2]]
    return all(edge.any() for edge in edges)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_both_images_are_shown_side_by_side_with_the_box(encoding, dtype):
    picture = draw_overlay(FramePair(colour_image(encoding), thermal_image(dtype)), result(), Registration(), SIZE)
    assert picture.dtype == np.uint8 and picture.shape[1:] == (320, 3) and picture.shape[0] > 120
    left, right = views(picture)
    assert (left[55, 80] == (40, 40, 250)).all(), "bgr, whatever came in"
    assert right[55, 80].min() > 240 and right[100, 20].max() < 60, "stretched to the full range"
    for view in (left, right):
        assert has_rectangle(view, BOX, STATE_COLOURS[TrackState.TRACKING])


def test_the_thermal_image_is_brought_into_the_colour_view():
    registration = Registration.from_config({"type": "offset", "offset": [10.0, -5.0]})
    pair = FramePair(colour_image(), thermal_image(shift=(10, -5)))
    _, right = views(draw_overlay(pair, None, registration, SIZE))
    warm = np.argwhere(right[28:, :, 0] > 150) + [28, 0]  # below the name of the view
    assert np.allclose(warm.min(axis=0), [40, 60], atol=2) and np.allclose(warm.max(axis=0), [69, 99], atol=2)


@pytest.mark.parametrize("state", [TrackState.TRACKING, TrackState.UNCERTAIN, TrackState.LOST])
def test_the_state_has_its_colour_and_is_written(state):
    pair = FramePair(colour_image(), thermal_image())
    picture = draw_overlay(pair, result(state, 0.5), Registration(), SIZE)
    assert has_rectangle(views(picture)[0], BOX, STATE_COLOURS[state])
    caption = picture[120:, :]
    assert (np.abs(caption[:, 170:220].astype(int) - STATE_COLOURS[state]).max(axis=-1) == 0).any(axis=0).all()
    assert not (np.abs(caption[:, 225:270].astype(int) - STATE_COLOURS[state]).max(axis=-1) == 0).any(), "half the bar"


@pytest.mark.parametrize("state", [TrackState.UNCERTAIN, TrackState.LOST])
def test_what_is_not_sure_is_dashed_with_its_reach_around_it(state):
    pair, close = FramePair(Image(np.full((SIZE[1], SIZE[0], 3), 40, np.uint8), "rgb8"), None), {}
    for name, deviation in (("near", 2.0), ("far", 12.0)):
        unsure = replace(result(state), position_stddev=deviation)
        view = views(draw_overlay(pair, unsure, Registration(), SIZE))[0]
        close[name] = np.abs(view.astype(int) - STATE_COLOURS[state]).max(axis=-1) < 70
    x, y, w, h = BOX.astype(int)
    side = close["far"][y - 1 : y + 2, x : x + w].any(axis=0)
    assert 0.3 < side.mean() < 0.9, "dashed"
    middle = np.array([y + h // 2, x + w // 2])
    assert close["far"][middle[0], middle[1] + 23 : middle[1] + 26].any(), "two standard deviations to the right"
    assert not close["near"][middle[0], middle[1] + 23 : middle[1] + 26].any()


def test_without_a_target_there_is_no_box():
    pair = FramePair(colour_image(), thermal_image())
    with_box = draw_overlay(pair, result(), Registration(), SIZE)
    without = draw_overlay(pair, None, Registration(), SIZE)
    assert has_rectangle(views(with_box)[0], BOX, STATE_COLOURS[TrackState.TRACKING])
    assert not has_rectangle(views(without)[0], BOX, STATE_COLOURS[TrackState.TRACKING])


@pytest.mark.parametrize("missing", ["rgb", "thermal"])
def test_a_missing_image_leaves_its_place_dark(missing):
    pair = FramePair(None if missing == "rgb" else colour_image(), None if missing == "thermal" else thermal_image())
    # While RGB is missing, boxes still are in its pixels, of whatever size it was: the thermal image has its own box.
    box = BOX * 3 if missing == "rgb" else BOX
    picture = draw_overlay(pair, result(box=box, thermal_box=BOX / 2), Registration(), SIZE)
    left, right = views(picture)
    dark, shown = (left, right) if missing == "rgb" else (right, left)
    assert (
        dark[:40].max() <= 24
        and "there is one to see"
        and has_rectangle(shown, BOX, STATE_COLOURS[TrackState.TRACKING])
    )


def test_the_truth_is_drawn_and_left_out_while_it_is_not_visible():
    pair = FramePair(colour_image(), thermal_image())
    truth = np.array([20.0, 80.0, 30.0, 25.0])
    shown = draw_overlay(pair, None, Registration(), SIZE, truth=truth)
    assert all(has_rectangle(view, truth, TRUTH_COLOUR) for view in views(shown))
    hidden = draw_overlay(pair, None, Registration(), SIZE, truth=np.full(4, np.nan))
    assert np.array_equal(hidden, draw_overlay(pair, None, Registration(), SIZE))


def test_without_a_colour_image_the_truth_is_the_thermal_one():
    pair = FramePair(None, thermal_image())
    truth, thermal_truth = np.array([20.0, 80.0, 30.0, 25.0]), np.array([30.0, 20.0, 15.0, 12.0])
    _, right = views(draw_overlay(pair, None, Registration(), SIZE, truth, thermal_truth=thermal_truth))
    assert has_rectangle(right, 2 * thermal_truth, TRUTH_COLOUR) and not has_rectangle(right, truth, TRUTH_COLOUR)
    both = FramePair(colour_image(), thermal_image())
    _, right = views(draw_overlay(both, None, Registration(), SIZE, truth, thermal_truth=thermal_truth))
    assert has_rectangle(right, truth, TRUTH_COLOUR), "registered, it is seen in the view of the colour image"


def test_a_note_is_written_into_the_caption():
    pair = FramePair(colour_image(), thermal_image())
    plain, noted = (draw_overlay(pair, None, Registration(), SIZE, note=note) for note in ("", "frame 7"))
    assert np.array_equal(plain[:120], noted[:120]) and not np.array_equal(plain[120:], noted[120:])


def test_text_lies_on_its_rim():
    """OpenCV 5 sets bold letters further apart: a bold text beneath another one is another, shifted text."""
    grey = Image(np.full((120, 160, 3), 128, np.uint8), "bgr8")
    label = draw_overlay(FramePair(grey, None), None, Registration(), SIZE)[:28, :100].astype(int).max(axis=-1)
    bright, dark = np.argwhere(label > 170), np.argwhere(label < 90)
    assert len(bright) > 20 and len(dark) > 20
    assert np.abs(bright.min(axis=0) - dark.min(axis=0)).max() <= 2
    assert np.abs(bright.max(axis=0) - dark.max(axis=0)).max() <= 2


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
def test_one_camera_has_one_panel(modality):
    pair = FramePair(colour_image(), None) if modality == "rgb" else FramePair(None, thermal_image(size=SIZE))
    picture = draw_overlay(pair, result(thermal_box=BOX), Registration(), Panels(*SIZE, modality))
    assert picture.shape[1] == SIZE[0] and picture.shape[0] > SIZE[1]
    assert has_rectangle(picture[: SIZE[1]], BOX, STATE_COLOURS[TrackState.TRACKING])


@pytest.mark.parametrize("width", [80, 240, 640, 1280])
def test_the_caption_fits(width):
    """Nothing is written over something else: without the note the caption is what it is beside the note."""
    pair, size = FramePair(colour_image(size=(width, 60)), None), Panels(width, 60, "rgb")
    plain, noted = (draw_overlay(pair, result(), Registration(), size, note=note) for note in ("", "frame 10 of 300"))
    new = np.argwhere((plain != noted).any(axis=-1))
    if width >= 640:
        rows = np.unique(new[:, 0])
        start = new[:, 1].min()
        assert len(new) and plain[rows, start - 3 :].max() <= 24, "there was nothing before"
    else:
        assert len(new) == 0, "there is no room for it"


@pytest.mark.parametrize("box", [[-50.0, -40.0, 80.0, 60.0], [1e12, 0.0, 10.0, 10.0], [np.nan] * 4])
def test_boxes_outside_the_image_do_no_harm(box):
    pair = FramePair(colour_image(), thermal_image())
    draw_overlay(pair, result(box=np.array(box)), Registration(), SIZE)


def test_large_images_are_scaled_down_and_small_ones_kept():
    large = FramePair(colour_image(size=(1600, 1200)), thermal_image())
    assert panel_size(large, 640) == (640, 480) and panel_size(FramePair(colour_image(), None), 640) == SIZE
    assert panel_size(FramePair(None, thermal_image()), 640) == (80, 60)
    picture = draw_overlay(large, result(box=BOX * 10), Registration(), (640, 480))
    assert picture.shape[1] == 1280
    assert has_rectangle(views(picture, (640, 480))[0], BOX * 4, STATE_COLOURS[TrackState.TRACKING])


def test_16_bit_grey_in_place_of_colour_is_shown_all_the_same():
    grey = thermal_image(size=SIZE)
    left, _ = views(draw_overlay(FramePair(grey, None), None, Registration(), SIZE))
    assert left.max() > 200
