"""Annotated videos: they play everywhere, show the overlay, and are there whole or not at all."""

import errno

import cv2
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


def test_a_browser_plays_it(tmp_path, browser):
    """In Chromium it has its length and its size, and every moment that is gone to is decoded and shown."""
    write(tmp_path / "out.mp4", count=21, rate=10.0)
    (tmp_path / "page.html").write_text('<body style="margin: 0"><video src="out.mp4" muted></video>')
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    film = page.locator("video")
    duration, width = film.evaluate("film => [film.duration, film.videoWidth]")
    assert duration == pytest.approx(2.1, abs=0.05) and width == 194
    brightness = []
    for moment in (0.05, 1.05, 2.05):
        film.evaluate("(film, moment) => { film.currentTime = moment; }", moment)
        page.wait_for_function("(film => !film.seeking && film.readyState >= 2)(document.querySelector('video'))")
        picture = cv2.imdecode(np.frombuffer(film.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
        brightness.append(picture[60, 80])  # beside the box, in the colour image
    page.close()
    np.testing.assert_allclose(np.array(brightness, float), [40, 140, 240], atol=8)


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
