"""Live cameras: real video files, sent over a local connection at the pace of a camera, through the very class."""

import socket
import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("av")
from ckd_ros.datasets import cameras
from ckd_ros.datasets.cameras import LiveCameras, camera_names, choose

MS = 1_000_000


@pytest.mark.parametrize(
    ("source", "modality", "names"),
    [
        ("0", "both", ("0", None)),
        ("0", "thermal", (None, "0")),
        ("0,2", "both", ("0", "2")),
        ("0,2", "thermal", (None, "2")),
        (",/dev/video2", "both", (None, "/dev/video2")),
        ("rtsp://a/b , rtsp://c/d", "both", ("rtsp://a/b", "rtsp://c/d")),
        ("rgb.mp4,thermal.mp4", "both", None),
        ("0,thermal.mp4", "both", None),
        ("simulator:seed=1", "both", None),
        (",", "both", None),
    ],
)
def test_sources_that_are_cameras(source, modality, names):
    assert camera_names(source, modality) == names


@pytest.mark.parametrize(
    ("source", "modality", "reason"),
    [("0,0", "both", "twice"), ("0,/dev/video0", "both", "twice"), ("0,", "thermal", "has no thermal camera")],
)
def test_cameras_that_cannot_be_meant(source, modality, reason):
    with pytest.raises(ValueError, match=reason):
        camera_names(source, modality)


def test_a_camera_that_cannot_be_opened_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(cameras, "_DEVICES", tmp_path)
    with pytest.raises(ValueError, match="no camera .*video3: choose another one .no camera is connected"):
        LiveCameras(("3", None))
    (tmp_path / "video0").write_bytes(b"no device")
    with pytest.raises(ValueError, match="no camera .*video3: choose another one .*video0"):
        LiveCameras((None, "3"))
    with pytest.raises(ValueError, match="video0 cannot be opened .*does another program use it"):
        LiveCameras(("0", None))
    with pytest.raises(ValueError, match="tcp://127.0.0.1:9 cannot be opened .*is its address right"):
        LiveCameras(("tcp://user:secret@127.0.0.1:9", None))


def ms(*arrivals):
    return np.array(arrivals, np.int64) * MS


@pytest.mark.parametrize(
    ("rgb", "thermal", "used", "now", "expected"),
    [
        (ms(0, 33, 66), None, 0, 70, (66, None)),  # the newest of one camera
        (None, ms(0, 33), 0, 40, (None, 33)),
        (ms(0, 33, 66), ms(2, 35, 68), 35, 70, (66, 68)),
        (ms(0, 33, 66), ms(28, 61), 40, 67, (66, 61)),  # the next would be farther away
        (ms(0, 33, 66), ms(2, 35), 35, 67, None),  # one is due at 68
        (ms(0, 33, 66), ms(2, 35), 35, 120, (66, None)),  # and did not come
        (ms(0, 33, 66, 99), ms(0, 110), 111, 112, None),  # nothing new
        (ms(33, 66, 99), ms(-90, 20), 40, 100, None),  # 9 Hz: due at 130
        (ms(33, 66), ms(-90, 20), 40, 67, (66, None)),  # due at 130: belongs to a later one
        (ms(0, 33, 66, 99), ms(2, 35), 1200, 1300, None),
        (ms(0), ms(1400, 1433), 1000, 1440, None),
        (ms(0), ms(2400, 2433), 1000, 2440, (None, 2433)),  # colour has been silent
        (ms(10), ms(), 0, 20, None),  # the other camera begins later
        (ms(10, 1043), ms(), 0, 1050, (1043, None)),  # or never
    ],
)
def test_pairs_of_the_newest_images_by_nearest_arrival(rgb, thermal, used, now, expected):
    chosen = choose(rgb, thermal, (used * MS, used * MS), now * MS)
    assert chosen == (expected and tuple(side if side is None else side * MS for side in expected))


@pytest.fixture
def broadcast(tmp_path):
    """Writes a video whose frames become brighter by 4 and sends it once over TCP. Gives its address."""
    threads = []

    def start(name, frames, rate=25, hold=0.0):
        path = tmp_path / f"{name}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
        for number in range(frames):
            writer.write(np.full((48, 64, 3), min(255, 4 * number), np.uint8))
        writer.release()
        server = socket.create_server(("127.0.0.1", 0))
        data = path.read_bytes()

        def send():
            with server, server.accept()[0] as client:
                for begin in range(0, len(data), step := len(data) // frames):
                    client.sendall(data[begin : begin + step])
                    time.sleep(1 / rate)
                time.sleep(hold)

        threads.append(threading.Thread(target=send, daemon=True))
        threads[-1].start()
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(10)


def number_of(image):
    return round(float(image.data.mean()) / 4)


def test_the_newest_image_wins_and_the_end_is_named(broadcast):
    with LiveCameras((broadcast("rgb", 50), None)) as live:
        assert live.modality == "rgb" and live.rate == pytest.approx(25) and live.name.startswith("camera-tcp")
        shown = live.pair(0)
        frames = live.frames()
        assert next(frames) is shown, "what a person has drawn a box on comes first"
        time.sleep(0.4)  # a slow tracker: images go by
        later = next(frames)
        assert number_of(later.rgb) >= number_of(shown.rgb) + 3 and later.stamp > shown.stamp
        numbers = [number_of(pair.rgb) for pair in frames]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 49
    assert "has ended" in live.fault


def test_two_cameras_are_paired_and_one_that_ends_leaves_the_other(broadcast):
    with LiveCameras((broadcast("rgb", 180, 50), broadcast("thermal", 100, 50))) as live:
        pairs = list(live.frames())
    both = [pair for pair in pairs if pair.rgb is not None and pair.thermal is not None]
    assert len(both) > 5 and all(abs(pair.stamp - pair.thermal_stamp) <= 60 * MS for pair in both)
    assert all(pair.thermal.encoding == "mono8" for pair in both)
    assert pairs[-1].thermal is None and pairs[-1].rgb is not None


def test_a_camera_that_falls_silent_ends_the_run(broadcast, monkeypatch):
    address = broadcast("rgb", 10, rate=50, hold=2.0)
    monkeypatch.setattr(cameras, "SILENCE", 0.5)
    with LiveCameras((address, None)) as live:
        assert len(list(live.frames())) > 0
    assert "no image has come" in live.fault or "is lost" in live.fault
