"""Video files as cameras and programs leave them: each frame is the right one, at its time, or named as missing."""

import struct
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from films import cut, damage, packets, write_film
from recorded import colour, warm

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.sources import open_source
from ckd_ros.datasets.video_file import VideoFile

COUNT = 40
#: Times in ms of a camera that waits for light: 20 to 100 ms apart.
UNEVEN = np.concatenate([[0], np.cumsum(np.random.default_rng(0).choice([20, 40, 100], COUNT - 1))])


def numbered(count=COUNT, size=(64, 48)):
    """Colour images of which each is darker than the next one."""
    return [np.full((size[1], size[0], 3), 40 + 5 * number, np.uint8) for number in range(count)]


def level(image):
    return float(image.data.mean())


def read_all(video):
    """Of each frame its mean, or why it cannot be read."""
    with video.reader() as reader:
        return [read(reader, number) for number in range(len(video))]


def read(reader, number):
    try:
        return level(reader.read(number))
    except ValueError as error:
        return str(error)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The same frames in every kind of file: with and without B-frames, even and uneven times, and none."""
    folder, images = tmp_path_factory.mktemp("forms"), numbered()
    keys = {"g": "8"}
    write_film(folder / "uneven.mkv", images, UNEVEN, "libx264", options=keys)
    write_film(folder / "uneven.mp4", images, UNEVEN, "libx264", options=keys)
    write_film(folder / "stream.ts", images, UNEVEN, "libx264", options=keys)
    write_film(folder / "web.webm", images, UNEVEN, "libvpx-vp9", options={**keys, "lag-in-frames": "16"})
    write_film(folder / "motion.avi", images, codec="mjpeg", pixels="yuvj420p")
    write_film(folder / "divx.avi", images, codec="mpeg4", options={**keys, "bf": "2", "qmax": "2"})
    write_film(folder / "raw.h264", images, codec="libx264", options=keys)
    return folder


FORMS = ("uneven.mkv", "uneven.mp4", "stream.ts", "web.webm", "motion.avi", "divx.avi", "raw.h264")


@pytest.mark.parametrize("name", FORMS)
def test_frames_are_the_same_in_order_and_at_random(forms, name):
    video = VideoFile(forms / name, thermal=False)
    assert len(video) == COUNT
    levels = read_all(video)
    np.testing.assert_allclose(levels, [40 + 5 * number for number in range(COUNT)], atol=2)
    with video.reader() as reader:
        for number in np.random.default_rng(0).permutation(COUNT):
            assert level(reader.read(int(number))) == levels[number]


@pytest.mark.parametrize("name", FORMS)
def test_times_are_those_of_the_container(forms, name):
    video = VideoFile(forms / name, thermal=False)
    uneven = name not in ("motion.avi", "divx.avi", "raw.h264")
    expected = UNEVEN if uneven else np.arange(COUNT) * 50
    np.testing.assert_allclose(video.stamps / 1e6, expected, atol=0.1)
    assert video.rate == pytest.approx((COUNT - 1) / UNEVEN[-1] * 1e3 if uneven else 20, abs=1e-3)


def test_a_file_without_times_is_named(forms, caplog):
    VideoFile(forms / "raw.h264", thermal=False)
    assert "raw.h264 has no usable time stamps: taken as 20 frames per second" in caplog.text


def test_frames_of_uneven_times_are_paired_by_time(tmp_path):
    write_film(tmp_path / "rgb.mkv", numbered(), UNEVEN, "libx264")
    write_film(tmp_path / "thermal.mkv", [warm(0)] * (UNEVEN[-1] // 50 + 1))
    pairs = list(open_source(f"{tmp_path}/rgb.mkv,{tmp_path}/thermal.mkv").frames())
    both = [(pair.stamp, pair.thermal_stamp) for pair in pairs if pair.rgb and pair.thermal]
    assert len(both) > 20
    assert max(abs(stamp - other) for stamp, other in both) <= 25e6, "half a period of the slower camera"
    assert [pair.stamp for pair in pairs if pair.rgb] == [1_000_000 * time for time in UNEVEN]


# What is in the pixels


@pytest.mark.parametrize("name", ["counts.mkv", "counts.avi"])
def test_sixteen_bits_stay_sixteen(tmp_path, name):
    images = [warm(number, np.uint16) + number for number in range(5)]
    write_film(tmp_path / name, images)
    sequence = open_source(f",{tmp_path / name}")
    for image, pair in zip(images, sequence.frames(), strict=True):
        assert pair.thermal.encoding == "mono16"
        np.testing.assert_array_equal(pair.thermal.data, image)
    np.testing.assert_array_equal(sequence.pair(3).thermal.data, images[3])


def test_ten_bits_of_a_common_codec_keep_their_steps(tmp_path):
    ramp = np.tile(np.linspace(20000, 21000, 96).astype(np.uint16), (64, 1))
    write_film(
        tmp_path / "ten.mkv",
        [ramp] * 3,
        codec="libx265",
        pixels="yuv420p10le",
        options={"x265-params": "log-level=none:lossless=1"},
    )
    image = VideoFile(tmp_path / "ten.mkv", thermal=True).reader().read(0)
    assert image.encoding == "mono16"
    assert len(np.unique(image.data)) > 10, "of 8 bits 4 steps would be left"
    np.testing.assert_allclose(image.data.astype(float), ramp, atol=150)


def test_grey_is_thermal_and_colour_by_which_camera_it_is(tmp_path):
    write_film(tmp_path / "grey.mkv", [warm(0)] * 2)
    assert VideoFile(tmp_path / "grey.mkv", thermal=True).reader().read(0).encoding == "mono8"
    image = VideoFile(tmp_path / "grey.mkv", thermal=False).reader().read(0)
    np.testing.assert_array_equal(to_rgb(image.data, image.encoding), np.repeat(warm(0)[..., None], 3, axis=2))


def test_a_video_of_floats_is_refused_with_the_remedy(tmp_path):
    cv2.imwrite(str(tmp_path / "celsius.pfm"), np.full((48, 64), 21.5, np.float32))
    with pytest.raises(
        ValueError, match="frame 0 of .*celsius.pfm: pixels of grayf32le .*convert them to 8 or 16 bits"
    ):
        VideoFile(tmp_path / "celsius.pfm", thermal=True).reader().read(0)


def test_a_video_that_says_how_the_camera_was_held_is_turned(tmp_path):
    path = tmp_path / "phone.mp4"
    write_film(path, [colour(0)] * 2, codec="libx264")
    content = path.read_bytes()
    matrix = content.index(b"tkhd") + 4 + 40
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # to be shown a quarter turn clockwise
    path.write_bytes(content[:matrix] + quarter + content[matrix + 36 :])
    image = VideoFile(path, thermal=False).reader().read(0)
    expected = np.rot90(colour(0), -1)
    assert np.abs(to_rgb(image.data, "bgr8").astype(float) - expected).mean() < 6


# What headers say, and what is missing


@pytest.mark.parametrize(("announced", "warned"), [(COUNT + 60, True), (COUNT - 20, False)])
def test_frames_are_counted_not_believed(tmp_path, caplog, announced, warned):
    path = tmp_path / "counted.avi"
    write_film(path, numbered(), codec="mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"avih") + 8 + 16, announced)
    struct.pack_into("<I", content, content.index(b"strh") + 8 + 32, announced)
    path.write_bytes(content)
    assert len(list(open_source(f"{path},").frames())) == COUNT
    assert (f"is to hold {announced} frames and ends with frame number 39 at 1.9 s" in caplog.text) == warned


def test_what_an_edit_list_cuts_off_is_not_seen(tmp_path, caplog):
    path = tmp_path / "trimmed.mp4"
    write_film(path, numbered(), codec="libx264", options={"g": "10"})
    content = bytearray(path.read_bytes())
    begin = content.index(b"elst") + 16
    start = struct.unpack_from(">i", content, begin)[0]
    with av.open(str(path)) as container:
        first, second = [frame.pts for frame in container.decode(video=0)][:2]
    struct.pack_into(">i", content, begin, start + 13 * (second - first))
    path.write_bytes(content)
    video = VideoFile(path, thermal=False)
    levels = read_all(video)
    np.testing.assert_allclose(levels, [40 + 5 * number for number in range(13, COUNT)], atol=2)
    with video.reader() as reader:
        assert [level(reader.read(number)) for number in (20, 3, 0, 12)] == [levels[n] for n in (20, 3, 0, 12)]
    assert not caplog.text, "nothing is missing"


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "threshold"),
    [("a.mp4", "libx264", None, "0"), ("b.mp4", "mpeg4", None, "1000000000"), ("c.mkv", "ffv1", "gray16le", "0")],
)
def test_frames_made_from_a_damaged_one_are_left_out_and_the_others_kept(tmp_path, name, codec, pixels, threshold):
    path, noise = tmp_path / name, np.random.default_rng(0)
    images = [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(30)]
    if pixels:
        images = [image[..., 0].astype(np.uint16) * 256 for image in images]
    write_film(path, images, codec=codec, pixels=pixels, options={"g": "10", "sc_threshold": threshold})
    whole = read_all(VideoFile(path, thermal=False))
    damage(path, 14, zeros=codec == "libx264")
    found = read_all(VideoFile(path, thermal=False))
    lost = [number for number, frame in enumerate(found) if isinstance(frame, str)]
    assert 14 in lost or len(lost) > 1, "of B-frames the order in the file is another"
    assert set(lost) <= set(range(10, 20)), "the next key frame is number 20"
    assert all(found[number] == whole[number] for number in range(30) if number not in lost)
    assert path.name in found[lost[-1]] and "the next whole one is 20" in found[lost[-1]]
    with VideoFile(path, thermal=False).reader() as reader:
        for number in np.random.default_rng(1).permutation(30):
            assert read(reader, int(number)) == found[number]


def test_half_a_jpeg_of_a_motion_jpeg_is_left_out_alone(tmp_path):
    path, noise = tmp_path / "motion.avi", np.random.default_rng(0)
    write_film(
        path, [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(6)], codec="mjpeg", pixels="yuvj420p"
    )
    position, size = packets(path)[2]
    content = bytearray(path.read_bytes())
    content[position + size // 2 : position + size - 2] = bytes(size - 2 - size // 2)
    path.write_bytes(content)
    found = read_all(VideoFile(path, thermal=False))
    assert [number for number, frame in enumerate(found) if isinstance(frame, str)] == [2]


@pytest.mark.parametrize(
    ("name", "codec", "words"),
    [
        ("cut.avi", "mjpeg", "is to hold 40 frames and ends with"),
        ("cut.mkv", "libx264", "is to hold 2.0 s and ends with"),
    ],
)
def test_a_cut_file_is_used_as_far_as_it_goes_and_named(tmp_path, caplog, name, codec, words):
    path, noise = tmp_path / name, np.random.default_rng(0)
    images = [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(COUNT)]
    write_film(path, images, codec=codec, pixels="yuvj420p" if codec == "mjpeg" else None)
    cut(path, 0.4)
    video = VideoFile(path, thermal=False)
    assert 5 < len(video) < 20
    assert words in caplog.text and name in caplog.text
    found = read_all(video)
    assert not any(isinstance(frame, str) for frame in found[:-1]), "only the last frame can be a part of one"


def test_a_sequence_goes_on_after_a_damaged_frame(tmp_path):
    path = tmp_path / "rgb.avi"
    write_film(path, numbered(), codec="mjpeg", pixels="yuvj420p")
    write_film(tmp_path / "thermal.avi", [warm(0)] * COUNT)
    damage(path, 3)
    sequence = open_source(f"{path},{tmp_path}/thermal.avi")
    frames = sequence.frames()
    assert [level(next(frames).rgb) for _ in range(3)] == pytest.approx([40, 45, 50], abs=2)
    with pytest.raises(ValueError, match="frame 3 of .*rgb.avi is damaged"):
        next(frames)
    following = next(frames)
    assert level(following.rgb) == pytest.approx(60, abs=2) and following.thermal is not None
    with pytest.raises(ValueError, match="frame 3 of"):
        sequence.pair(3)
    assert level(sequence.pair(39).rgb) == pytest.approx(235, abs=2)


def test_what_cannot_be_opened_says_why(tmp_path):
    write_film(tmp_path / "index_at_the_end.mp4", numbered(), codec="mpeg4")
    cut(tmp_path / "index_at_the_end.mp4", 0.5)
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("index_at_the_end.mp4", "text.mp4"):
        with pytest.raises(ValueError, match=f"{name} is empty, cut short, or not a video"):
            VideoFile(tmp_path / name, thermal=False)
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(ValueError, match="sound.mkv holds no video stream"):
        VideoFile(tmp_path / "sound.mkv", thermal=False)


def test_a_node_needs_no_video_library():
    pytest.importorskip("rclpy")
    code = "import sys, ckd_ros.ros.tracker_node, ckd_ros.ros.camera_node; print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_without_the_library_a_video_says_what_to_install(monkeypatch):
    for module in ("video", "video_file", "video_index"):
        monkeypatch.delitem(sys.modules, f"ckd_ros.datasets.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match="pip install av"):
        open_source("rgb.mp4,")
