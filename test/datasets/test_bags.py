"""Bags as sources: written and read back, topics found, images paired by their stamps, damage named."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags is not installed")

from recorded import COUNT, PERIOD, RATE, Recorded, colour, turned, warm
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ckd_ros.datasets.bag import write_bag
from ckd_ros.datasets.sources import open_source

TYPES = get_typestore(Stores.LATEST)
RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
START = 10**18
NOISE = np.random.default_rng(0).integers(0, 255, (32, 48), np.uint8)


def header(stamp):
    time = TYPES.types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    return TYPES.types["std_msgs/msg/Header"](stamp=time, frame_id="camera")


def raw(stamp, data, encoding, padding=0, big_endian=False):
    """An Image message whose rows end with `padding` unused bytes."""
    if big_endian:
        data = data.byteswap()
    rows = np.ascontiguousarray(data).reshape(len(data), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    height, width = data.shape[:2]
    return TYPES.types[RAW](header(stamp), height, width, encoding, int(big_endian), rows.shape[1], rows.reshape(-1))


def compressed(stamp, data, suffix, share=1.0):
    """A CompressedImage message of the first `share` of its bytes."""
    coded = cv2.imencode(suffix, data)[1].reshape(-1)
    return TYPES.types[COMPRESSED](header(stamp), suffix[1:], coded[: int(len(coded) * share)])


def record(path, topics, storage=StoragePlugin.MCAP):
    """Write `{topic: [message, ...]}` in the order of the stamps."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        entries = []
        for topic, messages in topics.items():
            kind = type(messages[0]).__msgtype__
            connection = writer.add_connection(topic, kind, typestore=TYPES)
            for message in messages:
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                entries.append((stamp, connection, TYPES.serialize_cdr(message, kind)))
        for stamp, connection, data in sorted(entries, key=lambda entry: entry[0]):
            writer.write(connection, stamp or START, data)
    return str(path)


def colours(offset=0):
    return [raw(START + offset + i * PERIOD, colour(i), "rgb8") for i in range(COUNT)]


def warms(offset=0):
    return [raw(START + offset + i * PERIOD, warm(i), "mono8") for i in range(COUNT)]


@pytest.mark.parametrize("by_file", [False, True])
def test_a_written_bag_reads_back_exactly_with_its_truth(tmp_path, by_file):
    original = Recorded(lost=[("rgb", 1), ("thermal", 3)])
    write_bag(original, tmp_path / "run")
    sequence = open_source(str(tmp_path / "run" / "run.mcap" if by_file else tmp_path / "run"))
    assert (sequence.name, sequence.rate, len(sequence)) == ("run", RATE, COUNT)
    for pair, expected in zip(sequence.frames(), original.frames(), strict=True):
        assert (pair.stamp, pair.thermal_stamp) == (expected.stamp, expected.thermal_stamp)
        for image, wanted in ((pair.rgb, expected.rgb), (pair.thermal, expected.thermal)):
            assert (image is None) == (wanted is None)
            if image is not None:
                assert image.encoding == wanted.encoding
                np.testing.assert_array_equal(image.data, wanted.data)
    truth = original.boxes.copy()
    truth[1] = np.nan  # its colour image, which the truth belongs to, is lost
    np.testing.assert_allclose(sequence.boxes, truth, atol=0.005)
    np.testing.assert_allclose(sequence.init_box, original.init_box)


def test_a_truth_with_stamps_of_no_image_is_used_and_they_are_named(tmp_path):
    path = record(tmp_path / "run", {"/rgb": colours(), "/thermal": warms()})
    stamps = [START + i * PERIOD + (7 if i == 2 else 0) for i in range(COUNT)]
    rows = "".join(f"{stamp},{i},2,3,4\r\n" for i, stamp in enumerate(stamps))
    (tmp_path / "run.csv").write_text(f"stamp,x,y,w,h\r\n{rows}", encoding="utf-8-sig")
    sequence = open_source(path)
    expected = [i if i != 2 else np.nan for i in range(COUNT)]
    np.testing.assert_array_equal(sequence.boxes[:, 0], expected)
    (note,) = sequence.notes
    assert f"run.csv: 1 of its {COUNT} stamps are of no image and count for nothing, as {stamps[2]}" in note


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("inside", [False, True])
def test_mcap_and_sqlite_as_folder_and_as_file(tmp_path, storage, inside):
    path = record(tmp_path / "run", {"/rgb/image": colours(), "/thermal/image": warms()}, storage)
    if inside:
        path = next(str(file) for file in (tmp_path / "run").iterdir() if file.suffix in (".mcap", ".db3"))
    pairs = list(open_source(path).frames())
    assert len(pairs) == COUNT
    np.testing.assert_array_equal(pairs[2].rgb.data, colour(2))
    np.testing.assert_array_equal(pairs[2].thermal.data, warm(2))


@pytest.mark.parametrize(
    "topics",
    [("/camera/color/image_raw", "/flir_boson/image_raw"), ("/front/image", "/front/lwir"), ("/a", "/b")],
)
def test_topics_are_told_apart_by_name_or_by_encoding(tmp_path, topics):
    pair = next(open_source(record(tmp_path / "run", dict(zip(topics, (colours(), warms()), strict=True)))).frames())
    assert (pair.rgb.encoding, pair.thermal.encoding) == ("rgb8", "mono8")


def test_a_compressed_copy_of_a_raw_topic_is_passed_over(tmp_path):
    copy = [compressed(START + i * PERIOD, colour(i)[..., ::-1], ".jpg") for i in range(COUNT)]
    path = record(tmp_path / "run", {"/rgb": colours(), "/rgb/compressed": copy, "/thermal": warms()})
    assert next(open_source(path).frames()).rgb.encoding == "rgb8"


def test_topics_can_be_named(tmp_path):
    path = record(tmp_path / "run", {"/left": colours(), "/right": colours(), "/ir": warms()})
    with pytest.raises(ValueError, match=r"run\?rgb=/TOPIC&thermal=/TOPIC.*/ir \(Image\), /left \(Image\)"):
        open_source(path)
    pair = next(open_source(f"{path}?rgb=/right&thermal=/ir").frames())
    assert pair.rgb.encoding == "rgb8" and pair.thermal.encoding == "mono8"
    pair = next(open_source(f"{path}?thermal=/ir").frames())
    assert pair.rgb is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("rgb=/nothing", "no image topic /nothing.*/rgb"),
        ("colour=/rgb", "is not a bag setting: expected KEY=VALUE"),
        ("slop=soon", "slop is .soon.: it must be a number"),
    ],
)
def test_a_wrong_topic_or_setting_is_refused(tmp_path, query, message):
    path = record(tmp_path / "run", {"/rgb": colours(), "/thermal": warms()})
    with pytest.raises(ValueError, match=message):
        open_source(f"{path}?{query}")


def test_images_pair_with_the_nearest_stamp_within_the_slop(tmp_path):
    path = record(tmp_path / "run", {"/rgb": colours(), "/thermal": warms(offset=20_000_000)[:4]})
    pairs = list(open_source(path).frames())
    assert [pair.thermal_stamp and pair.thermal_stamp - pair.stamp for pair in pairs] == [20_000_000] * 4 + [None] * 2
    alone = list(open_source(f"{path}?rgb=/rgb&thermal=/thermal&slop=0.01").frames())
    assert len(alone) == COUNT + 4 and all(pair.rgb is None or pair.thermal is None for pair in alone)


def test_an_offset_between_the_stamps_is_taken_off_before_images_are_paired(tmp_path):
    path = record(tmp_path / "run", {"/rgb": colours(), "/thermal": warms(offset=3 * PERIOD)})
    assert sum(pair.rgb is not None and pair.thermal is not None for pair in open_source(path).frames()) == COUNT - 3
    by_name, by_argument = f"{path}?thermal_offset={3 * PERIOD / 1e9}", 3 * PERIOD / 1e9
    for sequence in (open_source(by_name), open_source(str(path), thermal_offset=by_argument)):
        pairs = list(sequence.frames())
        assert len(pairs) == COUNT and all(pair.thermal_stamp - pair.stamp == 3 * PERIOD for pair in pairs)
        np.testing.assert_array_equal(pairs[2].thermal.data, warm(2))


def test_one_modality_of_a_bag(tmp_path):
    path = record(tmp_path / "run", {"/rgb": colours(), "/thermal": warms()})
    assert all(pair.rgb is None for pair in open_source(path, modality="thermal").frames())
    assert all(pair.thermal is None for pair in open_source(path, modality="rgb").frames())


def test_images_without_a_stamp_take_the_time_of_recording(tmp_path):
    first = raw(0, colour(0), "rgb8")
    pair = next(open_source(record(tmp_path / "run", {"/rgb": [first]})).frames())
    assert pair.stamp == START


@pytest.mark.parametrize(
    ("message", "encoding", "expected"),
    [
        (lambda: raw(START, warm(0), "mono8", padding=5), "mono8", warm(0)),
        (lambda: raw(START, warm(0), "8UC1"), "mono8", warm(0)),
        (lambda: raw(START, warm(0, np.uint16), "16UC1", padding=6), "mono16", warm(0, np.uint16)),
        (lambda: raw(START, warm(0, np.uint16), "mono16", big_endian=True), "mono16", warm(0, np.uint16)),
        (lambda: compressed(START, warm(0, np.uint16), ".png"), "mono16", warm(0, np.uint16)),
        (lambda: compressed(START, warm(0), ".png"), "mono8", warm(0)),
        (lambda: raw(START, warm(0).astype(np.float32), "32FC1"), "mono16", 10000 + 100 * warm(0).astype(np.uint16)),
        (lambda: raw(START, warm(0).astype(np.int16), "16SC1"), "mono16", warm(0) + np.uint16(32768)),
    ],
)
def test_thermal_encodings(tmp_path, message, encoding, expected):
    pair = next(open_source(record(tmp_path / "run", {"/thermal": [message()]})).frames())
    assert pair.thermal.encoding == encoding
    np.testing.assert_array_equal(pair.thermal.data, expected)


@pytest.mark.parametrize(
    ("message", "encoding"),
    [
        (lambda: raw(START, colour(1), "rgb8", padding=7), "rgb8"),
        (lambda: raw(START, colour(1)[..., ::-1], "bgr8"), "bgr8"),
        (lambda: raw(START, cv2.cvtColor(colour(1), cv2.COLOR_RGB2RGBA), "rgba8"), "rgba8"),
        (lambda: compressed(START, colour(1)[..., ::-1], ".png"), "bgr8"),
        pytest.param(
            lambda: raw(START, cv2.cvtColor(colour(1), cv2.COLOR_RGB2YUV_UYVY), "yuv422", padding=4),
            "bgr8",
            marks=pytest.mark.skipif(not hasattr(cv2, "COLOR_RGB2YUV_UYVY"), reason="this OpenCV makes no UYVY"),
        ),
    ],
)
def test_colour_encodings(tmp_path, message, encoding):
    pair = next(open_source(record(tmp_path / "run", {"/rgb": [message()]})).frames())
    assert pair.rgb.encoding == encoding
    data = pair.rgb.data[..., :3] if encoding.startswith("rgb") else pair.rgb.data[..., ::-1]
    assert np.abs(data.astype(float) - colour(1)).mean() < 6


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (lambda: TYPES.types[RAW](header(START), 32, 48, "mono8", 0, 48, np.zeros(100, np.uint8)), "100 bytes of data"),
        (lambda: TYPES.types[RAW](header(START), 0, 0, "mono8", 0, 0, np.zeros(0, np.uint8)), "0 bytes"),
        (lambda: raw(START, warm(0), "sepia"), "sepia"),
        (lambda: TYPES.types[COMPRESSED](header(START), "png", np.zeros(0, np.uint8)), "format .png. is not an image"),
        (lambda: compressed(START, NOISE, ".jpg", share=0.5), "format .jpg. is (damaged|not an image)"),
        (lambda: compressed(START, warm(0).astype(np.float32), ".tif"), "pixels are float32: .*kelvins"),
    ],
)
def test_an_unusable_image_is_named_by_its_stamp(tmp_path, message, reason):
    frames = open_source(record(tmp_path / "run", {"/thermal": [message()]})).frames()
    with pytest.raises(ValueError, match=f"1000000000.0+ is unusable.*{reason}"):
        next(frames)


def test_both_cameras_lie_as_their_sensors_do(tmp_path):
    """As the node takes them, and as calibrations mean it: EXIF data turn neither."""
    rgb, thermal = (compressed(START, NOISE, ".jpg") for _ in range(2))
    for message in (rgb, thermal):
        message.data = np.frombuffer(turned(message.data.tobytes(), 6), np.uint8)
    pair = next(open_source(record(tmp_path / "run", {"/rgb": [rgb], "/thermal": [thermal]})).frames())
    assert pair.rgb.data.shape[:2] == pair.thermal.data.shape == NOISE.shape


def test_truth_beside_a_bag_needs_its_columns(tmp_path):
    path = record(tmp_path / "run", {"/rgb": colours()})
    (tmp_path / "run.csv").write_text("x,y,w,h\n1,2,3,4\n")
    with pytest.raises(ValueError, match="stamp,x,y,w,h"):
        open_source(path)


def test_a_damaged_bag_is_named(tmp_path):
    (tmp_path / "empty.mcap").write_bytes(b"")
    with pytest.raises(ValueError, match="empty.mcap is not a bag"):
        open_source(str(tmp_path / "empty.mcap"))
    path = record(tmp_path / "run", {"/thermal": warms()})
    file = tmp_path / "run" / "run.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match="run"):
        open_source(path)


def test_a_bag_without_images_says_so(tmp_path):
    with Writer(tmp_path / "run", version=9) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=TYPES)
        message = TYPES.types["std_msgs/msg/String"](data="hello")
        writer.write(connection, START, TYPES.serialize_cdr(message, "std_msgs/msg/String"))
    with pytest.raises(ValueError, match="it has: none"):
        open_source(str(tmp_path / "run"))
