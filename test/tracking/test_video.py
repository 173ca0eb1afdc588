"""Annotated videos: they play everywhere, show the overlay, and are there whole or not at all."""

import errno

import numpy as np
import pytest

from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import Registration, TrackResult, TrackState
from ckd_ros.tracking.video import CODECS, AnnotatedVideo

av = pytest.importorskip("av", reason="PyAV is not installed")

BOX = np.array([20.0, 10.0, 30.0, 20.0])


def pair(number, size=(97, 71)):
    """Images with odd sides, brighter from frame to frame."""
    image = np.full((size[1], size[0]), 40 + 10 * number, np.uint8)
    return FramePair(Image(np.repeat(image[..., None], 3, axis=2), "bgr8"), Image(image, "mono8"))


def result():
    return TrackResult(BOX, BOX, 0.8, TrackState.TRACKING, True, True)


def write(path, count=6, rate=20.0):
    with AnnotatedVideo(path, rate, Registration()) as video:
        for number in range(count):
            video.add(pair(number), result())


def test_an_mp4_plays_everywhere(tmp_path):
    write(tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "a browser shows it before it has all of it"
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.width % 2 == stream.height % 2 == 0


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("rate", [20.0, 29.97, 18.91])
def test_every_frame_is_there_at_its_time(tmp_path, suffix, rate):
    path = tmp_path / f"out{suffix}"
    write(path, rate=rate)
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    np.testing.assert_allclose([time for time, _ in frames], np.arange(6) / rate, atol=1e-3)
    dark = [image[60, 80].mean() for _, image in frames]  # beside the box, in the colour image
    np.testing.assert_allclose(dark, 40 + 10 * np.arange(6), atol=6)


def test_a_video_that_fails_leaves_the_former_one(tmp_path):
    write(tmp_path / "out.mp4")
    former = (tmp_path / "out.mp4").read_bytes()
    with (
        pytest.raises(RuntimeError, match="camera on fire"),
        AnnotatedVideo(tmp_path / "out.mp4", 20, Registration()) as v,
    ):
        v.add(pair(0), result())
        raise RuntimeError("camera on fire")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == former


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere temporary")

    monkeypatch.setattr("ckd_ros.tracking.video._Writer.write", full)
    with pytest.raises(OSError, match="No space left.*out.mp4") as error:
        write(tmp_path / "out.mp4")
    assert error.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.mp4 or \.mkv or \.avi"):
        AnnotatedVideo(tmp_path / "out.gif", 20, Registration())
