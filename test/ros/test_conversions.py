"""Image messages become images without losing a pixel, and what is wrong with a message is said."""

import sys
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image as ImageMessage  # noqa: E402

from ckd_ros.ros import conversions as c  # noqa: E402

RNG = np.random.default_rng(0)
PACKED = {
    "rgb8": (np.uint8, 3, "rgb8"),
    "bgr8": (np.uint8, 3, "bgr8"),
    "rgba8": (np.uint8, 4, "rgba8"),
    "bgra8": (np.uint8, 4, "bgra8"),
    "mono8": (np.uint8, 1, "mono8"),
    "8UC1": (np.uint8, 1, "mono8"),
    "8UC3": (np.uint8, 3, "bgr8"),
    "mono16": (np.uint16, 1, "mono16"),
    "16UC1": (np.uint16, 1, "mono16"),
}


def pixels(dtype, channels, height=6, width=10):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype)


def raw_message(data: bytes, encoding, width, height, step, big_endian=False):
    message = ImageMessage(encoding=encoding, width=width, height=height, step=step, is_bigendian=big_endian)
    message.data = array("B", data)
    return message


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_encodings_are_viewed_in_place(encoding):
    dtype, channels, name = PACKED[encoding]
    expected = pixels(dtype, channels)
    message = c.image_message(expected, encoding)
    image = c.load_image(message)
    assert image.encoding == name
    np.testing.assert_array_equal(image.data, expected)
    assert np.shares_memory(image.data, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("padding", [1, 6])
@pytest.mark.parametrize("last_row_padded", [True, False])
def test_row_padding_is_skipped(encoding, padding, last_row_padded):
    dtype, channels, _ = PACKED[encoding]
    expected = pixels(dtype, channels)
    rows = np.ascontiguousarray(expected).view(np.uint8).reshape(6, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=255).tobytes()
    data = padded if last_row_padded else padded[:-padding]
    message = raw_message(data, encoding, 10, 6, rows.shape[1] + padding)
    np.testing.assert_array_equal(c.load_image(message).data, expected)


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("padding", [0, 4])
def test_the_byte_order_of_the_sender_is_honoured(encoding, padding):
    expected = pixels(np.uint16, 1)
    for big in (False, True):
        rows = expected.astype(">u2" if big else "<u2").view(np.uint8).reshape(6, -1)
        data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
        image = c.load_image(raw_message(data, encoding, 10, 6, 20 + padding, big))
        np.testing.assert_array_equal(image.data, expected)
        assert image.data.dtype == np.uint16 and image.data.dtype.isnative


def smooth_colour(height=32, width=48):
    """bgr8 gradients: subsampled chroma and Bayer mosaics give them back nearly unchanged."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], axis=-1).astype(np.uint8)


def bayer(image, pattern):
    channel = {"r": 2, "g": 1, "b": 0}
    mosaic = np.empty(image.shape[:2], np.uint8)
    for i, letter in enumerate(pattern):
        mosaic[i // 2 :: 2, i % 2 :: 2] = image[i // 2 :: 2, i % 2 :: 2, channel[letter]]
    return mosaic


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("padding", [0, 5])
def test_bayer_images_become_colour(pattern, padding):
    expected = smooth_colour()
    rows = np.pad(bayer(expected, pattern), ((0, 0), (0, padding)))
    image = c.load_image(raw_message(rows.tobytes(), f"bayer_{pattern}8", 48, 32, rows.shape[1]))
    assert image.encoding == "bgr8"
    difference = np.abs(image.data.astype(int) - expected)[2:-2, 2:-2]
    assert difference.max() <= 4


@pytest.mark.parametrize("big", [False, True])
def test_16_bit_bayer_images_become_8_bit_colour(big):
    expected = smooth_colour()
    mosaic = (bayer(expected, "rggb").astype(np.uint16) * 257).astype(">u2" if big else "<u2")
    image = c.load_image(raw_message(mosaic.tobytes(), "bayer_rggb16", 48, 32, 96, big))
    assert np.abs(image.data.astype(int) - expected)[2:-2, 2:-2].max() <= 4


@pytest.mark.parametrize(
    "encoding, luma_first", [("yuv422", False), ("yuv422_yuy2", True), ("uyvy", False), ("yuyv", True)]
)
@pytest.mark.parametrize("padding", [0, 6])
def test_packed_yuv_becomes_colour(encoding, luma_first, padding):
    expected = smooth_colour()
    ycrcb = cv2.cvtColor(expected, cv2.COLOR_BGR2YUV).astype(float)
    # Studio range, as cameras send it: luma 16..235, chroma 16..240 about 128.
    luma = 16 + ycrcb[..., 0] * 219 / 255
    r, g, b = (expected[..., i].astype(float) for i in (2, 1, 0))
    u = 128 + (-0.148 * r - 0.291 * g + 0.439 * b)
    v = 128 + (0.439 * r - 0.368 * g - 0.071 * b)
    chroma = np.where(np.arange(48) % 2 == 0, u, np.roll(v, 1, axis=1))
    planes = (luma, chroma) if luma_first else (chroma, luma)
    packed = np.stack(planes, axis=-1).round().astype(np.uint8).reshape(32, -1)
    rows = np.pad(packed, ((0, 0), (0, padding)))
    image = c.load_image(raw_message(rows.tobytes(), encoding, 48, 32, rows.shape[1]))
    assert image.encoding == "bgr8"
    assert np.abs(image.data.astype(int) - expected).max() <= 6


def test_16_bit_colour_becomes_8_bit():
    expected = smooth_colour()
    image = c.load_image(c.image_message(expected[..., ::-1].astype(np.uint16) * 257, "rgb16"))
    assert image.encoding == "bgr8" and np.abs(image.data.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("missing", ["cv_bridge", "rosbags"])
def test_a_missing_converter_is_named(monkeypatch, missing):
    for module in ("cv_bridge", "rosbags.image"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(c.UnsupportedEncodingError, match=missing):
        c.load_image(c.image_message(pixels(np.uint8, 1), "bayer_rggb8"))


def compressed(extension, data, fmt):
    message = CompressedImage(format=fmt)
    message.data = array("B", cv2.imencode(extension, data)[1].tobytes())
    return message


def test_compressed_images_are_decoded():
    colour, grey, thermal = smooth_colour(), smooth_colour()[..., 0], pixels(np.uint16, 1)
    image = c.load_image(compressed(".png", colour, "bgr8; png compressed bgr8"))
    assert image.encoding == "bgr8" and np.array_equal(image.data, colour)
    image = c.load_image(compressed(".png", thermal, "16UC1; png compressed"))
    assert image.encoding == "mono16" and np.array_equal(image.data, thermal)
    image = c.load_image(compressed(".jpg", grey, "jpeg"))
    assert image.encoding == "mono8" and np.abs(image.data.astype(int) - grey).max() < 10
    image = c.load_image(compressed(".jpg", colour, "rgb8; jpeg compressed bgr8"))
    assert image.encoding == "bgr8" and np.abs(image.data.astype(int) - colour).max() < 20


def test_compressed_messages_made_here_are_read_back():
    message = c.compressed_message(smooth_colour(), 1_500_000_000, "camera", quality=95)
    assert c.to_nanoseconds(message.header.stamp) == 1_500_000_000 and message.header.frame_id == "camera"
    assert np.abs(c.load_image(message).data.astype(int) - smooth_colour()).max() < 20


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_compressed_images_are_refused(extension, kept):
    message = compressed(extension, RNG.integers(0, 255, (64, 64, 3), np.uint8), "x")
    message.data = message.data[: int(len(message.data) * kept)]
    with pytest.raises(c.TruncatedImageError, match="end marker"):
        c.check_image(message)


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(data=array("B")), c.EmptyImageError, "0 bytes"),
        (dict(data=array("B", bytes(100))), c.TruncatedImageError, "100 bytes of data.*needs 180"),
        (dict(width=0), c.ImageLayoutError, "0 x 6"),
        (dict(height=0), c.ImageLayoutError, "10 x 0"),
        (dict(step=29), c.ImageLayoutError, "step 29 is smaller than a row.*30 bytes"),
        (dict(step=0), c.ImageLayoutError, "step 0"),
        (dict(width=1000), c.ImageLayoutError, "3000 bytes"),
        (dict(height=2**31), c.TruncatedImageError, "needs"),
        (dict(encoding="nonsense"), c.UnsupportedEncodingError, "'nonsense' is not one of rgb8"),
        (dict(encoding=""), c.UnsupportedEncodingError, "''"),
        (dict(encoding="mono16", width=20), c.ImageLayoutError, "40 bytes"),
    ],
)
def test_broken_messages_are_refused_with_the_reason(change, error, words):
    message = c.image_message(pixels(np.uint8, 3), "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    for function in (c.check_image, c.load_image):
        with pytest.raises(error, match=words) as caught:
            function(message)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "data, fmt, error",
    [
        (b"", "jpeg", c.EmptyImageError),
        (b"these are no pixels", "jpeg", c.UndecodableImageError),
        (bytes(12) + b"\x89PNG", "16UC1; compressedDepth png", c.UnsupportedEncodingError),
    ],
)
def test_broken_compressed_messages_are_refused(data, fmt, error):
    message = CompressedImage(format=fmt)
    message.data = array("B", data)
    with pytest.raises(error):
        c.load_image(message)


def test_messages_carry_stamp_frame_and_pixels():
    data = pixels(np.uint16, 1)
    message = c.image_message(data[:, ::2], "mono16", 12_345_678_901, "thermal_optical")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 345_678_901)
    assert message.header.frame_id == "thermal_optical"
    assert (message.width, message.height, message.step) == (5, 6, 10)
    np.testing.assert_array_equal(c.load_image(message).data, data[:, ::2])


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_700_000_000_123_456_789])
def test_stamps_survive_the_round_trip(ns):
    assert c.to_nanoseconds(c.to_stamp(ns)) == ns


@pytest.mark.parametrize("ns", [-1, 2**31 * 10**9])
def test_stamps_that_no_message_holds_are_refused(ns):
    with pytest.raises(ValueError, match="outside"):
        c.to_stamp(ns)
