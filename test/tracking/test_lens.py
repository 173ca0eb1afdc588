"""A lens maps pixels to rays and back as OpenCV's models do, and admits where it sees nothing."""

import cv2
import numpy as np
import pytest

from ckd_ros.tracking.lens import Lens

K = [500.0, 510.0, 330.0, 235.0]
MATRIX = np.array([[500.0, 0.0, 330.0], [0.0, 510.0, 235.0], [0.0, 0.0, 1.0]])
BENT = {
    "plumb_bob": [-0.28, 0.07, 0.001, -0.002, 0.01],
    "rational_polynomial": [0.4, -0.2, 0.001, 0.0005, 0.02, 0.6, -0.1, 0.01],
    "equidistant": [-0.03, 0.01, -0.002, 0.001],
    "fisheye": [0.0, 0.0, 0.0, 0.0],
}
RAYS = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 7), np.linspace(-0.4, 0.4, 5)), axis=-1).reshape(-1, 2)


def projected(model: str, distortion: list[float]) -> np.ndarray:
    """Where OpenCV says the rays are seen; it puts the centre of the first pixel at 0, we at 0.5."""
    points = np.concatenate([RAYS, np.ones((len(RAYS), 1))], axis=1)
    if model in ("equidistant", "fisheye"):
        pixels, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), MATRIX, np.array(distortion))
    else:
        pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), MATRIX, np.array(distortion))
    return pixels.reshape(-1, 2) + 0.5


@pytest.mark.parametrize("model", BENT)
def test_it_projects_as_opencv_does_and_back(model):
    lens = Lens(K, BENT[model], model)
    pixels = projected(model, BENT[model])
    assert not lens.is_ideal
    assert np.allclose(lens.pixels(RAYS), pixels, atol=1e-6)
    assert np.allclose(lens.rays(pixels), RAYS, atol=1e-5)


@pytest.mark.parametrize("distortion", [[], [0.0] * 5])
def test_without_distortion_it_is_k(distortion):
    lens = Lens(K, distortion)
    assert lens.is_ideal
    assert np.allclose(lens.pixels(RAYS), projected("plumb_bob", [0.0] * 5))
    assert np.allclose(lens.rays(lens.pixels(RAYS)), RAYS)


def test_a_model_that_folds_shows_nothing_beyond_its_fold():
    # r (1 - 0.3 r^2) grows up to r = 1.05 and comes back into the image from there on.
    lens = Lens(K, [-0.3, 0.0, 0.0, 0.0])
    assert np.isfinite(lens.pixels(np.array([[0.9, 0.0]]))).all()
    assert np.isnan(lens.pixels(np.array([[1.6, 0.0]]))).all()
    assert np.isnan(lens.rays(np.array([[330.5 + 500 * 0.9, 235.5]]))).all()  # nothing is bent that far


@pytest.mark.parametrize(
    ("distortion", "model", "message"),
    [
        ([0.1, 0.2, 0.3], "plumb_bob", r"thermal_distortion has 3 number\(s\).*expected 4 or 5 or 8.*plumb_bob"),
        ([0.1] * 5, "equidistant", r"thermal_distortion has 5 number\(s\).*expected 4"),
        ([0.1, float("nan"), 0.0, 0.0], "plumb_bob", "must be finite"),
        ([0.1], "omnidirectional", "model is 'omnidirectional': expected plumb_bob.*rectify the images"),
    ],
)
def test_what_no_lens_has_is_refused(distortion, model, message):
    with pytest.raises(ValueError, match=message):
        Lens(K, distortion, model, "thermal")
