"""A crop must equal what converting and warping the whole frame would give, at the cost of the crop only."""

import cv2
import numpy as np
import pytest

from ckd_ros import geometry
from ckd_ros.frames import ENCODINGS, Image
from ckd_ros.geometry import CropWindow
from ckd_ros.tracking.crops import Normalisation, blot_out, crop_to_image, cut_colour, cut_thermal, warp
from ckd_ros.tracking.thermal import ThermalNormalizer

NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SMALLEST_STD = 0.224
WINDOWS = [
    CropWindow(40, 30, 64, 64),
    CropWindow(-20, -11, 90, 60),
    CropWindow(100, 70, 37, 37),
    CropWindow(10, 5, 200, 150),
]


def picture(encoding: str, height: int = 120, width: int = 160) -> Image:
    dtype, channels = ENCODINGS[encoding].dtype, ENCODINGS[encoding].channels
    rng = np.random.default_rng(3)
    values = cv2.GaussianBlur(rng.random((height, width, 4)), (0, 0), 2.0)
    values = (values - values.min()) / (values.max() - values.min()) * np.iinfo(dtype).max
    return Image(values[..., :channels].astype(dtype) if channels > 1 else values[..., 0].astype(dtype), encoding)


def frame_rgb(image: Image) -> np.ndarray:
    """The whole frame as float RGB in [0, 1]."""
    data, full = image.data, float(np.iinfo(image.data.dtype).max)
    if data.ndim == 2:
        return np.repeat(data[..., None], 3, axis=2) / full
    order = [0, 1, 2] if image.encoding.startswith("rgb") else [2, 1, 0]
    return data[..., order] / full


def sample(frame: np.ndarray, matrix: np.ndarray, size: int, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Bilinear crop of a float frame by the definition: centres of crop pixels through `matrix`, zero outside."""
    columns, rows = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    points = geometry.transform_points(matrix, np.stack([columns, rows], axis=-1)) - 0.5 + shift
    padded = np.pad(frame, [(400, 400), (400, 400)] + [(0, 0)] * (frame.ndim - 2))
    low = np.floor(points).astype(int)
    fraction = points - low
    result = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - fraction[..., 0]) * np.abs(1 - dy - fraction[..., 1])
            values = padded[low[..., 1] + dy + 400, low[..., 0] + dx + 400]
            result = result + (weight[..., None] if frame.ndim == 3 else weight) * values
    return result


def assert_samples(out: np.ndarray, frame: np.ndarray, matrix: np.ndarray, rounding: float) -> None:
    """`out` is the normalised crop of a float RGB frame, to within `rounding` and 1/32 pixel (OpenCV 4's positions)."""
    shifts = [(x / 32, y / 32) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    near = [normalised(sample(frame, matrix, out.shape[-1], shift).clip(0.0, 1.0)) for shift in shifts]
    slack = rounding / SMALLEST_STD
    assert np.all(out >= np.min(near, axis=0) - slack) and np.all(out <= np.max(near, axis=0) + slack)


def normalised(rgb: np.ndarray) -> np.ndarray:
    return ((rgb - NORMALISATION.mean) / NORMALISATION.std).transpose(2, 0, 1)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_colour_crop_equals_converting_and_warping_the_frame(encoding, window):
    image = picture(encoding)
    out = np.full((3, 48, 48), np.nan, np.float32)
    cut_colour(image, window, NORMALISATION, out)
    assert_samples(out, frame_rgb(image), crop_to_image(window, 48), rounding=0.6 / 255)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_thermal_crop_equals_registering_and_normalising_the_frame(encoding, window):
    image = picture(encoding, 100, 140)
    thermal = ThermalNormalizer()
    black, white = thermal.update(image)
    registration = np.array([[0.8, 0.05, 6.0], [-0.04, 0.9, -3.0], [1e-4, -2e-4, 1.0]])
    out = np.full((3, 48, 48), np.nan, np.float32)
    cut_thermal(image, window, registration, thermal, NORMALISATION, out)

    luma = frame_rgb(image) @ [0.299, 0.587, 0.114] * np.iinfo(image.data.dtype).max
    grey = np.repeat(((luma - black) / (white - black))[..., None], 3, axis=2)
    # The warp rounds to a whole count, and so does the luma; the range of the frame stretches both.
    assert_samples(out, grey, registration @ crop_to_image(window, 48), rounding=1.6 / (white - black) + 1e-3)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "mono16"])
def test_rows_with_padding_and_read_only_buffers_are_read_in_place(encoding):
    image = picture(encoding)
    row = image.data[0].nbytes
    padded = np.zeros((image.height, row + 24), np.uint8)
    padded[:, :row] = image.data.reshape(image.height, -1).view(np.uint8)
    view = np.ndarray(image.data.shape, image.data.dtype, padded.tobytes(), strides=(row + 24, *image.data.strides[1:]))
    assert not view.flags.writeable and not view.flags.c_contiguous
    assert np.array_equal(
        warp(Image(view, encoding), crop_to_image(WINDOWS[1], 32), 32), warp(image, crop_to_image(WINDOWS[1], 32), 32)
    )


def test_one_channel_axis_is_as_good_as_none():
    image = picture("mono8")
    column = Image(image.data[..., None], "mono8")
    out, expected = np.empty((2, 3, 32, 32), np.float32)
    cut_colour(column, WINDOWS[0], NORMALISATION, out)
    cut_colour(image, WINDOWS[0], NORMALISATION, expected)
    assert np.array_equal(out, expected)


def test_a_window_outside_the_image_is_black():
    out = np.empty((3, 16, 16), np.float32)
    cut_colour(picture("bgr8"), CropWindow(1000, 1000, 50, 50), NORMALISATION, out)
    assert np.allclose(out, normalised(np.zeros((16, 16, 3))), atol=1e-6)


def test_outside_a_radiometric_image_is_black_up_to_its_edge():
    """The edge blends from the scene to black, not to zero counts, thousands of counts further down."""
    image = Image(np.full((50, 50), 7100, np.uint16), "mono16")
    thermal = ThermalNormalizer()
    thermal.range = (7000.0, 7200.0)
    out = np.empty((3, 40, 40), np.float32)
    cut_thermal(image, CropWindow(-10, 0, 20, 20), np.eye(3), thermal, Normalisation((0.0,) * 3, (1.0,) * 3), out)
    row = out[0, 20]
    assert np.all(row[:19] == 0.0) and np.allclose(row[22:], 0.5, atol=1e-5)
    assert 0.1 < row[19] < 0.2 and 0.3 < row[20] < 0.4


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_grey_border_is_the_same_grey_in_every_encoding(encoding):
    out, border = np.empty((3, 32, 32), np.float32), 0.449
    cut_colour(picture(encoding), CropWindow(-30, 10, 60, 30), NORMALISATION, out, border)
    inside = np.empty_like(out)
    cut_colour(picture(encoding), CropWindow(-30, 10, 60, 30), NORMALISATION, inside)
    grey = np.full((32, 14, 3), border)
    assert np.allclose(out[:, :, :14], normalised(grey), atol=0.6 / 255 / SMALLEST_STD)
    assert np.array_equal(out[:, :, 17:], inside[:, :, 17:])


UNIT = Normalisation((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("encoding", "range_", "counts"), [("mono16", (7000.0, 7200.0), 7100), ("mono8", (40.0, 140.0), 90)]
)
def test_the_border_of_a_thermal_image_is_the_grey_that_its_range_makes_of_it(encoding, range_, counts):
    """The edge blends from the scene's grey to the border's, of which nothing is darker or brighter."""
    image = Image(np.full((50, 50), counts, ENCODINGS[encoding].dtype), encoding)
    thermal = ThermalNormalizer()
    thermal.range = range_
    out = np.empty((3, 40, 40), np.float32)
    cut_thermal(image, CropWindow(-10, 0, 20, 20), np.eye(3), thermal, UNIT, out, border=0.25)
    row, count = out[0, 20], 1 / (range_[1] - range_[0])
    assert np.allclose(row[:18], 0.25, atol=count) and np.allclose(row[22:], 0.5, atol=1e-5)
    assert np.all(np.diff(row) >= -1e-6)


def test_outside_of_the_thermal_image_is_told_by_its_own_edge_not_by_the_colour_images():
    """The thermal camera looks 30 colour pixels past the colour image's edge and sees less on the other side."""
    image = Image(np.full((50, 50), 7100, np.uint16), "mono16")
    thermal = ThermalNormalizer()
    thermal.range = (7000.0, 7200.0)
    registration = geometry.translation(15.0, 0.0) @ geometry.scaling(0.5, 0.5)
    out, window = np.empty((3, 40, 40), np.float32), CropWindow(-40.0, 20.0, 40.0, 40.0)
    cut_thermal(image, window, registration, thermal, UNIT, out, border=0.25)
    assert np.allclose(out[:, :, :9], 0.25, atol=0.005)  # colour pixels below -30
    assert np.allclose(out[:, :, 12:], 0.5, atol=1e-5)


def test_a_stretched_window_becomes_a_square_crop():
    """A wide bright box in the middle of its window, four times as wide and high, covers the middle quarter."""
    image = Image(np.zeros((200, 400, 3), np.uint8), "rgb8")
    image.data[95:105, 180:220] = 255
    out = np.empty((3, 64, 64), np.float32)
    cut_colour(image, geometry.crop_window([180.0, 95.0, 40.0, 10.0], 4.0, stretched=True), UNIT, out)
    bright = out[0] > 0.5
    assert bright[24:40, 24:40].all() and bright.sum() == 16 * 16


def test_crop_to_image_undoes_the_windows_matrix():
    window = CropWindow(-7.0, 12.0, 33.0, 21.0)
    assert np.allclose(crop_to_image(window, 128) @ window.matrix(128), np.eye(3))


def test_a_box_is_blotted_out_with_what_is_around_it():
    crop = np.zeros((3, 64, 64), np.float32)
    crop[:] = np.array([1.0, 2.0, 3.0], np.float32)[:, None, None]
    crop[:, 20:30, 20:40] = 9.0
    crop[:, :8] = 7.0  # farther off than what it is filled with
    blot_out(crop, np.array([20.0, 20.0, 20.0, 10.0]))
    assert not (crop == 9.0).any() and (crop[:, :8] == 7.0).all()
    np.testing.assert_array_equal(crop[:, 25, 30], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "box", [(-30, -30, 20, 20), (80, 10, 20, 20), (-10, -10, 90, 90)], ids=["left", "right", "all"]
)
def test_what_lies_outside_is_no_error(box):
    crop = np.arange(3 * 64 * 64, dtype=np.float32).reshape(3, 64, 64)
    before = crop.copy()
    blot_out(crop, np.array(box, float))
    np.testing.assert_array_equal(crop, before)
