"""Image messages become images without losing a pixel, and what is wrong with a message is said."""

from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ckd_ros import image_messages as m

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
    """What a sensor_msgs/Image holds."""
    return SimpleNamespace(
        data=array("B", data), encoding=encoding, width=width, height=height, step=step, is_bigendian=big_endian
    )


def message_of(image, encoding):
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    return raw_message(image.tobytes(), encoding, width, height, image.nbytes // height)


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_encodings_are_viewed_in_place(encoding):
    dtype, channels, name = PACKED[encoding]
    expected = pixels(dtype, channels)
    message = message_of(expected, encoding)
    image = m.load_image(message)
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
    np.testing.assert_array_equal(m.load_image(message).data, expected)


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("padding", [0, 4])
def test_the_byte_order_of_the_sender_is_honoured(encoding, padding):
    expected = pixels(np.uint16, 1)
    for big in (False, True):
        rows = expected.astype(">u2" if big else "<u2").view(np.uint8).reshape(6, -1)
        data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
        image = m.load_image(raw_message(data, encoding, 10, 6, 20 + padding, big))
        np.testing.assert_array_equal(image.data, expected)
        assert image.data.dtype == np.uint16 and image.data.dtype.isnative


def warm_scene(noise=2.0, span=400.0):
    """Counts of a radiometric camera: a smooth scene, and noise."""
    smooth = cv2.GaussianBlur(RNG.normal(0, 1, (96, 128)), (0, 0), 6)
    return 7000 + span * (smooth - smooth.min()) / np.ptp(smooth) + RNG.normal(0, noise, smooth.shape)


def bytes_swapped(message):
    """The message as a driver sends it that is mistaken about its bytes."""
    message.is_bigendian = not message.is_bigendian
    return message


@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "16SC1", "32FC1"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("span", [20.0, 400.0, 6000.0])
def test_bytes_in_the_wrong_order_are_noticed(encoding, big, span):
    scene = warm_scene(span=span)
    dtype = {"16SC1": "i2", "32FC1": "f4"}.get(encoding, "u2")
    values = scene / 100 - 50 if encoding == "32FC1" else scene - 7100 if encoding == "16SC1" else scene
    message = message_of(values.astype((">" if big else "<") + dtype), encoding)
    message.is_bigendian = big
    assert np.ptp(m.load_image(message).data) < 1.2 * span + 20
    words = f"bytes of its {encoding} values are swapped: is_bigendian is {int(not big)}, but only with {int(big)}"
    with pytest.raises(m.ByteOrderError, match=words):
        m.load_image(bytes_swapped(message))


@pytest.mark.parametrize(
    "counts",
    [
        RNG.integers(0, 65535, (96, 128)),
        RNG.integers(7000, 7003, (96, 128)),
        np.full((96, 128), 4096),
        warm_scene().astype(int) // 32 << 8,  # 8 bits, left-aligned
        (warm_scene().astype(int) - 6900) << 4,  # 12 bits, left-aligned
        (warm_scene() - 6900).astype(int) * 257 // 4,
        np.where(warm_scene() > 7200, 0x5011, 0x1010),
        warm_scene(noise=800.0),
        np.zeros((1, 1)),
    ],
)
def test_counts_in_the_right_order_are_taken(counts):
    counts = np.clip(counts, 0, 65535).astype(np.uint16)
    np.testing.assert_array_equal(m.load_image(message_of(counts, "mono16")).data, counts)


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
    image = m.load_image(raw_message(rows.tobytes(), f"bayer_{pattern}8", 48, 32, rows.shape[1]))
    assert image.encoding == "bgr8"
    difference = np.abs(image.data.astype(int) - expected)[2:-2, 2:-2]
    assert difference.max() <= 4


@pytest.mark.parametrize("big", [False, True])
def test_16_bit_bayer_images_become_8_bit_colour(big):
    expected = smooth_colour()
    mosaic = (bayer(expected, "rggb").astype(np.uint16) * 257).astype(">u2" if big else "<u2")
    image = m.load_image(raw_message(mosaic.tobytes(), "bayer_rggb16", 48, 32, 96, big))
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
    image = m.load_image(raw_message(rows.tobytes(), encoding, 48, 32, rows.shape[1]))
    assert image.encoding == "bgr8"
    assert np.abs(image.data.astype(int) - expected).max() <= 6


@pytest.mark.parametrize("name", ["rgb16", "bgr16", "rgba16", "bgra16"])
def test_16_bit_colour_becomes_8_bit(name):
    expected = pixels(np.uint8, len(name) - 2)
    image = m.load_image(message_of(expected.astype(np.uint16) * 257, name))
    assert image.encoding == name.replace("16", "8")
    np.testing.assert_array_equal(image.data, expected)


@pytest.mark.parametrize("name", ["nv12", "nv21"])
@pytest.mark.parametrize("padding", [0, 6])
def test_planar_yuv_becomes_colour(name, padding):
    expected = smooth_colour()
    i420 = cv2.cvtColor(expected, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, u, v = i420[: 32 * 48].reshape(32, 48), i420[32 * 48 : 40 * 48], i420[40 * 48 :]
    chroma = np.stack([u, v] if name == "nv12" else [v, u], axis=-1).reshape(16, 48)
    rows = np.pad(np.concatenate([luma, chroma]), ((0, 0), (0, padding)))
    image = m.load_image(raw_message(rows.tobytes(), name, 48, 32, rows.shape[1]))
    assert image.encoding == "bgr8" and image.size == (48, 32)
    assert np.abs(image.data.astype(int) - expected).max() <= 6
    with pytest.raises(m.TruncatedImageError, match="1536 bytes of data"):
        m.check_image(raw_message(luma.tobytes(), name, 48, 32, 48))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 4])
def test_signed_counts_keep_their_order(big, padding):
    counts = RNG.integers(-32768, 32767, (6, 10)).astype(np.int16)
    rows = counts.astype(">i2" if big else "<i2").view(np.uint8).reshape(6, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    image = m.load_image(raw_message(rows.tobytes(), "16SC1", 10, 6, 20 + padding, big))
    assert image.encoding == "mono16"
    np.testing.assert_array_equal(image.data, counts.astype(int) + 32768)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("zero", [0.0, 273.15])
def test_temperatures_become_hundredths_of_a_degree(big, zero):
    celsius = RNG.uniform(-40, 150, (6, 10))
    message = message_of((celsius + zero).astype(">f4" if big else "<f4"), "32FC1")
    message.is_bigendian = big
    image = m.load_image(message)
    assert image.encoding == "mono16"
    np.testing.assert_allclose(image.data, 100 * (celsius + zero + 100), atol=0.6)


def test_temperatures_that_are_missing_or_beyond_the_range():
    values = np.full((6, 10), 20.0, np.float32)
    values[0, :4] = np.nan, np.inf, 2000.0, -3e38
    image = m.load_image(message_of(values, "32FC1")).data
    assert image[0, :5].tolist() == [12000, 12000, 65535, 0, 12000]


@pytest.mark.parametrize(("value", "words"), [(29315.0, "about 29315 are neither"), (np.nan, "no value is a finite")])
def test_floats_that_are_no_temperatures_are_refused(value, words):
    with pytest.raises(m.UndecodableImageError, match=f"10 x 6 pixels of 32FC1 cannot be converted: .*{words}"):
        m.load_image(message_of(np.full((6, 10), value, np.float32), "32FC1"))


CONVERTED = sorted(name for name, layout in m.LAYOUTS.items() if layout.convert is not None)


@pytest.mark.parametrize("encoding", CONVERTED)
@pytest.mark.parametrize(
    "size", [(1, 1), (2, 1), (2, 2), (3, 2), (2, 3), (319, 5), (320, 5), (319, 6), (320, 6), (4, 4)]
)
def test_every_image_is_converted_or_refused_in_words(encoding, size):
    """No library's assertion reaches the caller, whatever the size."""
    width, height = size
    layout = m.LAYOUTS[encoding]
    message = raw_message(bytes(width * height * layout.pixel * 2), encoding, width, height, width * layout.pixel)
    try:
        image = m.load_image(message)
    except m.ImageError as error:
        assert f"{width} x {height} pixels of {encoding}" in str(error)
    else:
        assert image.size == size


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_message_holds_becomes_an_image_or_an_image_error(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        encoding = str(rng.choice([*m.LAYOUTS, "", "32FC3"]))
        width, height, step = (int(value) for value in rng.choice([0, 1, 2, 3, 7, 64, 257, 2**32 - 1], 3))
        data = rng.integers(0, 256, int(rng.choice([1, 100, 5000, 300_000])), np.uint8).tobytes()
        message = raw_message(data, encoding, width, height, step, bool(rng.integers(2)))
        try:
            image = m.load_image(message)
        except m.ImageError:
            continue
        assert image.size == (width, height)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("seed", range(20))
def test_damaged_compressed_data_becomes_an_image_or_an_image_error(extension, seed):
    rng = np.random.default_rng(seed)
    message = compressed(extension, pixels(np.uint8, 3, 40, 50), "x")
    for at in rng.integers(0, len(message.data), 10):
        message.data[int(at)] ^= 0xFF
    try:
        m.load_image(message)
    except m.ImageError as error:
        assert "\n" not in str(error)


def test_an_odd_width_of_packed_yuv_is_refused_with_the_remedy():
    message = raw_message(bytes(319 * 2 * 240), "yuv422_yuy2", 319, 240, 638)
    for function in (m.check_image, m.load_image):
        with pytest.raises(m.ImageLayoutError, match="319 x 240 pixels of yuv422_yuy2.*multiple of 2.*crop"):
            function(message)


def compressed(extension, data, fmt):
    return SimpleNamespace(format=fmt, data=array("B", cv2.imencode(extension, data)[1].tobytes()))


def test_compressed_images_are_decoded():
    colour, grey, thermal = smooth_colour(), smooth_colour()[..., 0], pixels(np.uint16, 1)
    image = m.load_image(compressed(".png", colour, "bgr8; png compressed bgr8"))
    assert image.encoding == "bgr8" and np.array_equal(image.data, colour)
    image = m.load_image(compressed(".png", thermal, "16UC1; png compressed"))
    assert image.encoding == "mono16" and np.array_equal(image.data, thermal)
    image = m.load_image(compressed(".jpg", grey, "jpeg"))
    assert image.encoding == "mono8" and np.abs(image.data.astype(int) - grey).max() < 10
    image = m.load_image(compressed(".jpg", colour, "rgb8; jpeg compressed bgr8"))
    assert image.encoding == "bgr8" and np.abs(image.data.astype(int) - colour).max() < 20


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_compressed_images_are_refused(extension, kept):
    message = compressed(extension, RNG.integers(0, 255, (64, 64, 3), np.uint8), "x")
    message.data = message.data[: int(len(message.data) * kept)]
    with pytest.raises(m.TruncatedImageError, match="end marker"):
        m.load_image(message)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("padding", [1, 63, 64, 5000])
def test_padded_buffers_are_taken(extension, padding):
    picture = smooth_colour()
    message = compressed(extension, picture, "x")
    message.data.extend(bytes(padding))
    assert np.abs(m.load_image(message).data.astype(int) - picture).max() < 20


@pytest.mark.parametrize("grey", [False, True])
def test_half_a_jpeg_with_an_end_marker_behind_it_is_refused(grey):
    noise = RNG.integers(0, 255, (64, 64) if grey else (64, 64, 3), np.uint8)
    message = compressed(".jpg", noise, "x")
    message.data = message.data[: len(message.data) // 2] + array("B", b"\xff\xd9")
    with pytest.raises(m.TruncatedImageError, match="JPEG: the data is cut"):
        m.load_image(message)


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(data=array("B")), m.EmptyImageError, "0 bytes"),
        (dict(data=array("B", bytes(100))), m.TruncatedImageError, "100 bytes of data.*needs 180"),
        (dict(width=0), m.ImageLayoutError, "0 x 6"),
        (dict(height=0), m.ImageLayoutError, "10 x 0"),
        (dict(step=29), m.ImageLayoutError, "step 29 is smaller than a row.*30 bytes"),
        (dict(step=0), m.ImageLayoutError, "step 0"),
        (dict(width=1000), m.ImageLayoutError, "3000 bytes"),
        (dict(height=2**31), m.TruncatedImageError, "needs"),
        (dict(encoding="nonsense"), m.UnsupportedEncodingError, "'nonsense' is not one of rgb8"),
        (dict(encoding=""), m.UnsupportedEncodingError, "''"),
        (dict(encoding="mono16", width=20), m.ImageLayoutError, "40 bytes"),
    ],
)
def test_broken_messages_are_refused_with_the_reason(change, error, words):
    message = message_of(pixels(np.uint8, 3), "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    for function in (m.check_image, m.load_image):
        with pytest.raises(error, match=words) as caught:
            function(message)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "data, fmt, error",
    [
        (b"", "jpeg", m.EmptyImageError),
        (b"these are no pixels", "jpeg", m.UndecodableImageError),
        (bytes(12) + b"\x89PNG", "16UC1; compressedDepth png", m.UnsupportedEncodingError),
    ],
)
def test_broken_compressed_messages_are_refused(data, fmt, error):
    message = SimpleNamespace(format=fmt, data=array("B", data))
    with pytest.raises(error):
        m.load_image(message)


def saying(extension, width, height):
    """A small picture that says it is another size."""
    message = compressed(extension, pixels(np.uint8, 3, 40, 50), "x")
    data = bytes(message.data)
    at = 16 if extension == ".png" else data.index(b"\xff\xc0") + 5
    size = (width, height) if extension == ".png" else (height, width)
    count = 4 if extension == ".png" else 2
    sides = b"".join(side.to_bytes(count, "big") for side in size)
    message.data = array("B", data[:at] + sides + data[at + len(sides) :])
    return message


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("width, height", [(40_000, 40_000), (6_325, 6_325), (32_767, 1), (1, 65_535)])
def test_an_image_that_says_it_is_enormous_is_refused_before_it_is_decoded(extension, width, height, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(m.OversizedImageError, match=f"{width} x {height} pixels: at most 40,000,000 .*image_pixels"):
        m.load_image(saying(extension, width, height))


def test_the_largest_image_may_be_said():
    for message in (compressed(".png", smooth_colour(), "png"), message_of(smooth_colour(), "bgr8")):
        height, width = smooth_colour().shape[:2]
        assert m.load_image(message, width * height).size == (width, height)
        with pytest.raises(m.OversizedImageError):
            m.load_image(message, width * height - 1)


def test_only_two_decoders_are_reached():
    for extension in (".webp", ".bmp", ".tiff", ".pgm"):
        data = smooth_colour()[..., 0] if extension == ".pgm" else smooth_colour()
        with pytest.raises(m.UndecodableImageError, match="neither a JPEG nor a PNG"):
            m.load_image(compressed(extension, data, "bgr8"))
