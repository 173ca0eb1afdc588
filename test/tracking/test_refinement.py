"""The shift of the target's thermal image: found on edges whatever side is brighter, not believed without any."""

import cv2
import numpy as np
import pytest
from moving_target import CONFIDENCE

from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import centre
from ckd_ros.tracking import Tracker, TrackerConfig, overlay
from ckd_ros.tracking.refinement import Refinement, Views, edges

BOX = np.array([100.0, 80.0, 40.0, 40.0])
SIDE = 80


def texture(seed, size=SIDE, smooth=2.0):
    noise = np.random.default_rng(seed).standard_normal((size, size)).astype(np.float32)
    return 128 + 50 * cv2.normalize(cv2.GaussianBlur(noise, (0, 0), smooth), None, -1, 1, cv2.NORM_MINMAX)


def views(shift, seed=0, polarity=-1.0):
    """Crops of which the thermal one is shifted by sides of the target, and bright where the other is dark."""
    colour = texture(seed)
    matrix = np.float32([[1, 0, 32 * shift[0]], [0, 1, 32 * shift[1]]])
    moved = cv2.warpAffine(colour, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    return Views(colour, (128 + polarity * 0.6 * (moved - 128)).astype(np.float32))


def observed(frames, bound=0.2):
    refinement = Refinement(bound)
    for one in frames:
        refinement.observe(one, BOX)
    return refinement


@pytest.mark.parametrize("polarity", [1.0, -1.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.12, -0.05), (-0.15, 0.15)])
def test_a_shift_is_found_whatever_side_is_warm(shift, polarity):
    found = observed(views(shift, seed, polarity) for seed in range(10))
    np.testing.assert_allclose(found.shift, shift, atol=0.02)
    assert found.deviation < 0.03


def test_edges_do_not_know_which_side_is_bright():
    grey = texture(0)
    np.testing.assert_allclose(edges(grey), edges(255 - grey), atol=1e-4)


@pytest.mark.parametrize("thermal", ["even", "another"])
def test_what_both_do_not_share_is_no_evidence(thermal):
    def frame(seed):
        seen = np.full((SIDE, SIDE), 90, np.float32) if thermal == "even" else texture(1000 + seed)
        return Views(texture(seed), seen)

    found = observed(frame(seed) for seed in range(60))
    assert not found.shift.any() and found.deviation > 0.06 and not found.settled


def test_a_shift_outlives_frames_that_show_nothing_and_fades_in_the_end():
    refinement = observed(views((0.12, 0.0), seed) for seed in range(20))
    assert refinement.settled
    dark = Views(np.zeros((SIDE, SIDE), np.float32), texture(0))
    for _ in range(15):
        refinement.observe(dark, BOX)
    np.testing.assert_allclose(refinement.shift, (0.12, 0.0), atol=0.02)
    for _ in range(600):
        refinement.observe(dark, BOX)
    assert not refinement.shift.any()


def test_a_drift_is_followed():
    refinement = Refinement(0.2)
    for frame in range(120):
        shift = 0.15 * np.cos(frame / 20), 0.15 * np.sin(frame / 20)
        refinement.observe(views(shift, frame), BOX)
        if frame > 20:
            assert np.hypot(*(refinement.shift - shift)) < 0.05


def test_a_single_frame_does_not_overturn_what_many_have_shown():
    refinement = observed(views((0.0, 0.0), seed) for seed in range(20))
    refinement.observe(views((0.15, 0.0), 99), BOX)
    assert np.abs(refinement.shift).max() < 0.03


def test_a_shift_beyond_the_bound_is_not_followed_there():
    refinement = observed((views((0.4, 0.0), seed) for seed in range(30)), bound=0.1)
    assert np.abs(refinement.shift).max() <= 0.1


class Shifted:
    """Pairs of a still target, the thermal image of which is a number of pixels off."""

    def __init__(self, scene):
        self._pair, self.box = scene((160.0, 120.0)), scene.box((160.0, 120.0))
        rng = np.random.default_rng(0)
        fine = rng.standard_normal((240, 320)).astype(np.float32)
        self._fine = 500 * cv2.GaussianBlur(fine, (0, 0), 3.0)
        self._rng = rng

    def __call__(self, x, y, thermal=True):
        colour = self._pair.rgb.data.astype(np.float32) + self._fine[..., None] / 2
        heat = cv2.resize(7000 - self._fine, (160, 120), interpolation=cv2.INTER_AREA)
        heat = cv2.warpAffine(heat, np.float32([[1, 0, x], [0, 1, y]]), (160, 120), borderMode=cv2.BORDER_REFLECT)
        heat += self._rng.normal(0, 2, heat.shape)
        rgb = Image(np.clip(colour + self._rng.normal(0, 2, colour.shape), 0, 255).astype(np.uint8), "rgb8")
        return FramePair(rgb, Image(heat.astype(np.uint16), "mono16") if thermal else None)


@pytest.fixture
def shifted(scene):
    return Shifted(scene)


@pytest.fixture
def tracker(engine):
    return Tracker(engine, config=TrackerConfig(box_correction=0.0, confidence=CONFIDENCE))


def follow(tracker, pairs):
    for pair in pairs:
        result = tracker.update(pair)
    return result


def test_the_tracker_publishes_the_shift_in_thermal_pixels(tracker, shifted):
    tracker.init(shifted(2, -1), shifted.box)
    result = follow(tracker, (shifted(2, -1) for _ in range(20)))
    np.testing.assert_allclose(result.registration_offset, (2, -1), atol=0.5)
    moved = centre(result.thermal_box) - centre(result.box) / 2
    np.testing.assert_allclose(moved, result.registration_offset, atol=1e-6)
    assert 0 < result.registration_deviation < 1
    assert (
        result.describe_registration_offset().startswith("x +") and "known to" in result.describe_registration_offset()
    )


def test_the_overlay_shows_the_thermal_box_where_it_is(tracker, shifted):
    tracker.init(shifted(2, -1), shifted.box)
    pair = shifted(2, -1)
    result = tracker.update(pair)
    boxes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlay, "draw_box", lambda view, box, *rest, **named: boxes.append(box))
        overlay.draw_overlay(pair, result, tracker.registration, (320, 240))
    in_colour, in_thermal = boxes
    np.testing.assert_allclose(in_colour, result.box)
    np.testing.assert_allclose(in_thermal / 2, result.thermal_box, atol=1e-6)


def test_nothing_is_measured_where_it_is_off_or_a_camera_is_missing(engine, shifted):
    off = Tracker(engine, config=TrackerConfig(refine_bound=0.0, confidence=CONFIDENCE))
    off.init(shifted(2, -1), shifted.box)
    result = follow(off, (shifted(2, -1) for _ in range(5)))
    assert result.registration_offset == (0, 0) and np.isnan(result.registration_deviation)
    assert result.describe_registration_offset() == "not measured"
    alone = Tracker(engine, config=TrackerConfig(confidence=CONFIDENCE))
    alone.init(shifted(2, -1, thermal=False), shifted.box)
    assert follow(alone, (shifted(2, -1, thermal=False) for _ in range(5))).registration_offset == (0, 0)


def test_another_target_and_another_registration_begin_anew(tracker, shifted):
    tracker.init(shifted(2, -1), shifted.box)
    follow(tracker, (shifted(2, -1) for _ in range(20)))
    tracker.configure(tracker.registration, tracker.config)
    sure = tracker.update(shifted(2, -1)).registration_deviation
    tracker.configure(type(tracker.registration)(min_overlap=0.4), tracker.config)
    assert tracker.update(shifted(2, -1)).registration_deviation > 1.5 * sure
    tracker.init(shifted(-1, 2), shifted.box)
    result = follow(tracker, (shifted(-1, 2) for _ in range(10)))
    np.testing.assert_allclose(result.registration_offset, (-1, 2), atol=0.5)


def test_a_box_drawn_in_the_shifted_thermal_image_is_on_the_target_in_the_colour_image(tracker, shifted):
    drawn = shifted.box / 2 + [2, -1, 0, 0]
    result = tracker.init(shifted(2, -1), drawn, drawn_in="thermal")
    np.testing.assert_allclose(result.thermal_box, drawn, atol=1e-6)
    np.testing.assert_allclose(result.box, shifted.box, atol=1.5)
