"""A registration that cannot be right does not mislead the tracker: thermal images are left out, and it says so."""

import numpy as np
import pytest
from moving_target import CELL, CONFIDENCE, error, path

from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import transform_box, transform_points
from ckd_ros.tracking import Registration, Tracker, TrackerConfig, TrackState
from ckd_ros.tracking.registration import UnknownRegistration

#: Colour pixels of 320 x 240 to thermal ones of 160 x 120, and a little perspective.
TRUE = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]])
SETTINGS = TrackerConfig(box_correction=0.0, refine_bound=0.0, confidence=CONFIDENCE)


def homography(matrix, **more) -> Registration:
    return Registration.from_config({"type": "homography", "matrix": np.ravel(matrix), **more})


def run(tracker, scene, count=20, **show):
    """The results of a run over frames with these images; the tracker starts on the first."""
    results = [tracker.init(scene(path(0), **show), scene.box(path(0)))]
    return [*results, *(tracker.update(scene(path(k), **show)) for k in range(1, count))]


@pytest.mark.parametrize(
    "wrong",
    [
        homography(np.linalg.inv(TRUE)),
        homography(TRUE, rgb_size=(320, 180)),
        homography(TRUE, thermal_size=(160, 128)),
        Registration.from_text("offset:130,0"),
        UnknownRegistration(reason="no camera_info has come"),
    ],
)
def test_it_goes_on_as_with_colour_alone(engine, scene, wrong):
    alone = run(Tracker(engine, None, SETTINGS), scene, thermal=False)
    both = run(Tracker(engine, wrong, SETTINGS), scene)
    for result, expected in zip(both, alone, strict=True):
        assert np.array_equal(result.box, expected.box) and result.state is TrackState.TRACKING
        assert result.used_rgb and not result.used_thermal and np.isnan(result.thermal_box).all()
        assert "thermal images are not used" in result.problems["registration"]


def test_a_box_that_an_inverse_homography_throws_far_off(engine):
    """Near the horizon of the inverse, both images 320 x 240: it was at (3750, 2185) of the thermal image, and used."""
    inverse = np.array([[1.25, 0, 0], [0, 0.92, 0], [-0.008, 0, 1]])
    box = np.array([100.0, 80.0, 40.0, 30.0])
    rng = np.random.default_rng(0)
    pair = FramePair(
        Image(rng.integers(0, 255, (240, 320, 3), np.uint8), "rgb8"),
        Image(rng.integers(0, 9, (240, 320), np.uint8), "mono8"),
    )
    assert np.allclose(transform_points(inverse, [120.0, 95.0]), [3750, 2185])
    result = Tracker(engine, homography(inverse), SETTINGS).init(pair, box)
    assert not result.used_thermal and np.isnan(result.thermal_box).all()
    assert "its inverse would fit" in result.problems["registration"]
    right = Tracker(engine, homography(np.linalg.inv(inverse)), SETTINGS).init(pair, box)
    assert right.used_thermal and "registration" not in right.problems
    assert np.allclose(right.thermal_box, transform_box(np.linalg.inv(inverse), box))


def test_a_right_one_has_no_problems(engine, scene):
    for result in run(Tracker(engine, homography(TRUE), SETTINGS), scene):
        assert result.used_thermal and not result.problems and np.allclose(result.thermal_box, result.box / 2)


def narrow(pair: FramePair) -> FramePair:
    """The pair of a thermal camera that sees the right half of the colour image only."""
    return FramePair(pair.rgb, None if pair.thermal is None else Image(pair.thermal.data[:, 80:], "mono16"))


NARROW = Registration.from_config({"type": "affine", "matrix": [0.5, 0, -80.0, 0, 0.5, 0], "min_overlap": 0.4})


def test_thermal_joins_where_the_thermal_camera_sees_the_target(engine, scene):
    tracker = Tracker(engine, NARROW, SETTINGS)
    first = tracker.init(narrow(scene(path(0))), scene.box(path(0)))
    assert not first.used_thermal
    for k in range(1, 45):
        result = tracker.update(narrow(scene(path(k))))
        truth = scene.box(path(k))
        assert result.state is TrackState.TRACKING and error(result, truth) < 1.5 * CELL
        if truth[0] < 130:
            assert not result.used_thermal and np.isnan(result.thermal_box).all()
            assert "outside the thermal image of 80 x 120" in result.problems["thermal outside"]
    assert result.used_thermal and not result.problems
    assert np.allclose(result.thermal_box, result.box / 2 - [80, 0, 0, 0])


def test_a_thermal_image_that_does_not_show_the_box_is_no_evidence_when_it_is_alone(engine, scene):
    tracker = Tracker(engine, NARROW, SETTINGS)
    tracker.init(narrow(scene(path(0))), scene.box(path(0)))
    result = tracker.update(narrow(scene(path(1), rgb=False)))
    assert result.confidence == 0.0 and not result.used_thermal and not result.used_rgb
    with pytest.raises(ValueError, match="outside the thermal image of 80 x 120"):
        tracker.init(narrow(scene(path(0), rgb=False)), scene.box(path(0)))


def test_a_box_drawn_in_the_thermal_image_needs_a_registration_that_can_be_right(engine, scene):
    drawn = scene.box(path(0)) / 2
    with pytest.raises(ValueError, match="its inverse would fit"):
        Tracker(engine, homography(np.linalg.inv(TRUE)), SETTINGS).init(scene(path(0)), drawn, "thermal")
    with pytest.raises(ValueError, match="to the colour image by the registration, .*inside the image of 320 x 240"):
        Tracker(engine, Registration.from_text("offset:70,0"), SETTINGS).init(scene(path(0)), drawn, "thermal")
    result = Tracker(engine, homography(TRUE), SETTINGS).init(scene(path(0)), drawn, "thermal")
    assert np.allclose(result.box, scene.box(path(0)))


def test_a_registration_that_is_mended_brings_thermal_back(engine, scene):
    tracker = Tracker(engine, UnknownRegistration(reason="no camera_info has come"), SETTINGS)
    tracker.init(scene(path(0)), scene.box(path(0)))
    assert not tracker.update(scene(path(1))).used_thermal
    tracker.configure(homography(TRUE), SETTINGS)
    tracker.update(scene(path(2)))
    result = tracker.update(scene(path(3)))
    assert result.used_thermal and not result.problems and error(result, scene.box(path(3))) < CELL
