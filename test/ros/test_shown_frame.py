"""A box drawn in a picture of the cameras is one in the pixels of the right camera's image."""

import numpy as np
import pytest

from ckd_ros.ros.shown_frame import ShownFrame
from ckd_ros.tracking import Registration
from ckd_ros.tracking.overlay import draw_overlay, panel_size


def frame(width, height, size=(640, 480)):
    return ShownFrame(np.zeros((height, width, 3), np.uint8), 1, "rgb", size)


@pytest.mark.parametrize("caption", [28, 56])
@pytest.mark.parametrize("size", [(640, 480), (160, 100), (640, 80), (480, 640)])
@pytest.mark.parametrize("count", [1, 2])
def test_the_images_of_an_overlay_are_found_whatever_its_caption(size, count, caption):
    w, h = size
    panels = frame(count * w, h + caption, size).panels
    assert panels == [(number * w, 0, w, h) for number in range(count)]


def test_a_cameras_own_image_is_one_panel():
    assert frame(640, 480).panels == [(0, 0, 640, 480)]
    np.testing.assert_allclose(frame(640, 480).box((100, 50), (140, 80)), [100, 50, 40, 30])


@pytest.mark.parametrize("offset", [0, 320])
def test_a_box_on_either_image_is_in_pixels_of_the_camera(offset):
    shown = frame(640, 240 + 28)
    box = shown.box((offset + 150, 80), (offset + 100, 20))
    np.testing.assert_allclose(box, [200, 40, 100, 120])
    assert shown.outlines((offset + 150, 80), (offset + 100, 20)) == [(100, 20, 50, 60), (420, 20, 50, 60)]


def test_a_drag_ends_at_the_edge_of_its_image():
    np.testing.assert_allclose(frame(640, 268).box((300, 200), (400, 500)), [600, 400, 40, 80])


def test_what_is_no_box_is_none():
    shown = frame(640, 268)
    assert shown.box((10, 10), (10, 90)) is None, "without area"
    assert shown.box((10, 250), (90, 260)) is None and shown.outlines((10, 250), (90, 260)) == [], "on the caption"
    assert frame(640, 268, None).box((10, 10), (90, 90)) is None, "of an unknown camera"


@pytest.mark.parametrize("thermal", [True, False])
def test_it_is_the_overlays_own_layout(scene, thermal):
    pair = scene((160.0, 120.0))
    shown = pair if thermal else type(pair)(None, pair.thermal, None, 0)
    size = panel_size(shown, 640)
    picture = draw_overlay(shown, None, Registration(), size)
    panels = ShownFrame(picture, 1, "rgb", shown.reference.size).panels
    assert {panel[2:] for panel in panels} == {size}


@pytest.fixture
def scene():
    from scene import Scene

    return Scene()
