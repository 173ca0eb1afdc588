"""The command `ckd`, called as a user calls it, on small simulated sequences."""

import csv
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice

import cv2
import numpy as np
import pytest

from ckd_ros.cli import main
from ckd_ros.datasets.boxes import read_boxes
from ckd_ros.metrics import score
from ckd_ros.tracking.box_correction import BoxCorrection

EASY = "width=160,height=128,thermal_width=160,thermal_height=128,target_size=24,distractors=0,occlusion=0,night=0"
CLEAR = f"simulator:{EASY},glare=0,crossover=0,scale=0,rotation=0"
SMALL = ["--width", "96", "--height", "64", "--thermal-width", "96", "--thermal-height", "64", "--frames", "4"]


def run(*args):
    """Exit code of a command line."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as stop:
        return stop.code
    return 0


def failure(capsys, *args):
    """What a command line that must fail says: one line on stderr."""
    assert run(*args) == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text and len(text.strip().splitlines()) == 1
    return text


@pytest.fixture
def track(tmp_path, model_path, monkeypatch):
    """Calls `ckd track`, writing boxes.txt, with the correlation network."""
    # Without calibration: this network's error is its grid's, another one in every frame.
    monkeypatch.setattr("ckd_ros.tracking.tracker.BoxCorrection.measure", lambda *_: BoxCorrection.none())
    return lambda *args: run("track", *args, "--out", tmp_path / "boxes.txt", "--model", model_path)


def test_track_writes_boxes_a_table_and_a_video(tmp_path, track, capsys):
    assert track(f"{CLEAR},frames=30", "--video", tmp_path / "out.mp4") == 0
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert boxes.shape == (30, 4) and np.isfinite(boxes).all()
    with open(tmp_path / "boxes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(30))
    np.testing.assert_allclose([[float(row[k]) for k in "xywh"] for row in rows], boxes)
    assert all(0 <= float(row["confidence"]) <= 1 and float(row["latency_ms"]) > 0 for row in rows)
    assert {row["state"] for row in rows} <= {"TRACKING", "UNCERTAIN", "LOST"}

    film = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 30 and film.get(cv2.CAP_PROP_FPS) == 20
    assert film.read()[1].shape[1] == 2 * 160, "colour and thermal side by side"


def test_what_was_found_outlives_a_video_that_cannot_be_written_on(tmp_path, track, capsys):
    """As on a full disk: here no file may become larger than 60 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        assert track(f"{CLEAR},frames=30", "--video", tmp_path / "out.avi") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = " ".join(capsys.readouterr().err.split())
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert 1 < len(boxes) < 30 and np.isfinite(boxes).all()
    assert f"failed after {len(boxes)} frames" in (tmp_path / "boxes_faults.txt").read_text()
    assert "what was found until then" in said and "out.avi" in said
    assert not (tmp_path / "out.avi").exists()


def test_track_reports_its_scores_against_the_truth(tmp_path, track, capsys):
    from ckd_ros.datasets.sources import open_source

    assert track(f"{CLEAR},frames=30,seed=1") == 0
    expected = score(read_boxes(tmp_path / "boxes.txt"), open_source(f"{CLEAR},frames=30,seed=1").boxes)
    assert expected.success_auc > 0.5, "the correlation network follows a target that nothing disturbs"
    printed = " ".join(capsys.readouterr().err.split())
    said = re.search(r"success AUC ([\d.]+), precision at 20 px ([\d.]+), mean overlap ([\d.]+)", printed).groups()
    # The file holds hundredths of a pixel, so that a frame may lie on the other side of a threshold.
    wanted = (expected.success_auc, expected.precision, expected.mean_iou)
    np.testing.assert_allclose(np.array(said, float), wanted, atol=0.005)


def test_track_starts_where_it_is_told(tmp_path, track):
    assert track(f"{CLEAR},frames=2", "--init", "30.5,40,20,16") == 0
    np.testing.assert_array_equal(read_boxes(tmp_path / "boxes.txt")[0], [30.5, 40, 20, 16])


def test_track_knows_how_the_cameras_lie_to_each_other(tmp_path, track, monkeypatch):
    """The thermal half of the video shows the registered image, and the tracker maps boxes the same way."""
    from ckd_ros.tracking import Tracker

    seen = []
    original = Tracker.init
    monkeypatch.setattr(Tracker, "init", lambda self, *args: seen.append(original(self, *args)) or seen[-1])
    for offset in (0, 7):
        assert track(f"{CLEAR},frames=2", "--registration", f"offset:{offset},-5", "--video", tmp_path / "o.avi") == 0
    mapped = (result.thermal_box[:2] - result.registration_offset for result in seen)
    (x, y), (shifted_x, shifted_y) = mapped
    assert (shifted_x - x, shifted_y - y) == pytest.approx((7, 0))
    assert y == pytest.approx(seen[0].box[1] - 5)


def test_track_refuses_a_registration_that_cannot_be_right(tmp_path, track, capsys):
    inverse = "homography:2,0,0,0,2,0,0,0,1"  # of 0.5, 0, 0, ...: thermal images of half the size
    small = f"{CLEAR},frames=2,thermal_width=80,thermal_height=60"
    assert track(small, "--registration", inverse) == 2
    said = capsys.readouterr().err
    assert "its inverse would fit" in said and "Traceback" not in said and not (tmp_path / "boxes.txt").exists()
    assert track(small, "--registration", "homography:0.5,0,0,0,0.5,0,0,0,1") == 0


def test_track_takes_a_thermal_camera_of_narrow_view_where_that_is_said(track, capsys):
    narrow = f"{CLEAR},frames=2", "--registration", "affine:2,0,-80,0,2,-60"
    assert track(*narrow) == 2
    assert "lower min_overlap (now 0.5)" in " ".join(capsys.readouterr().err.split())
    assert track(*narrow, "--min-overlap", "0.2") == 0


def test_track_says_where_the_thermal_image_does_not_show_the_box(track, capsys):
    box = "5,5,20,16"  # the thermal image begins at 40, 30
    arguments = f"{CLEAR},frames=2", "--init", box, "--registration", "affine:2,0,-80,0,2,-60", "--min-overlap", "0.2"
    assert track(*arguments) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "from frame 0 on: the registration maps the box x 5, y 5, 20 x 16" in said


@pytest.fixture
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


def test_track_shows_the_run_in_a_window_and_keeps_what_was_found_when_it_is_closed(
    tmp_path, track, monkeypatch, capsys
):
    pygame = pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
    from ckd_ros.app.live_window import LiveWindow

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown, original = [], LiveWindow.show

    def show(self, *args):
        shown.append(args)
        if len(shown) == 5:
            pygame.event.post(pygame.event.Event(pygame.QUIT))
        return original(self, *args)

    monkeypatch.setattr(LiveWindow, "show", show)
    assert track(f"{CLEAR},frames=30", "--show", "--video", tmp_path / "out.avi") == 0
    assert len(read_boxes(tmp_path / "boxes.txt")) == 5
    assert cv2.VideoCapture(str(tmp_path / "out.avi")).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    said = " ".join(capsys.readouterr().err.split())
    assert "ended by you after 5 of 30 frames" in said and "against the truth in 5 frames" in said


def test_track_without_a_display_says_so_in_one_line(tmp_path, track, no_display, capsys):
    pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
    for asked, remedy in ((["--show"], "--video FILE"), (["--init", "mouse"], "give --init x,y,w,h")):
        assert track(f"{CLEAR},frames=2", *asked) == 2
        said = capsys.readouterr().err
        assert "no display" in said and remedy in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "boxes.txt").exists()


def test_track_without_pygame_says_how_to_get_it(track, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert track(f"{CLEAR},frames=2", "--show") == 2
    assert "pip install '.[window]'" in capsys.readouterr().err


def test_a_person_draws_the_target_on_a_real_display(tmp_path, model_path):
    """The whole command on an X server, driven by its mouse and keys."""
    for tool, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: apt-get install {package}")
    pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")
    reader, writer = os.pipe()
    screen = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(screen, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as said:
        display = {**os.environ, "DISPLAY": f":{said.readline().strip()}"}
    display = {name: value for name, value in display.items() if name not in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY")}

    def xdo(*args):
        done = subprocess.run(["xdotool", *map(str, args)], env=display, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def under_the_mouse(title):
        """The window in the middle of the screen, once it has a title."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit and process.poll() is None:
            place = xdo("mousemove", 800, 500, "getmouselocation", "--shell")
            window = dict(line.split("=") for line in place.splitlines())["WINDOW"]
            done = subprocess.run(["xdotool", "getwindowname", window], env=display, capture_output=True, text=True)
            if title in done.stdout:
                return window
            time.sleep(0.1)
        raise AssertionError(f"no window '{title}'")

    command = [sys.executable, "-m", "ckd_ros.cli", "track", f"{CLEAR},frames=2000", "--init", "mouse", "--show"]
    command += ["--model", model_path, "--out", tmp_path / "boxes.txt"]
    process = subprocess.Popen(list(map(str, command)), env=display, stderr=subprocess.PIPE, text=True)
    try:
        window = under_the_mouse("drag a box")
        at = dict(line.split("=") for line in xdo("getwindowgeometry", "--shell", window).splitlines())
        scale = int(at["WIDTH"]) / (2 * 160)
        places = [(int(at["X"]) + x * scale, int(at["Y"]) + y * scale) for x, y in ((60, 40), (80, 50), (100, 70))]
        xdo("mousemove", *map(round, places[0]), "mousedown", 1, "sleep", 0.1)
        xdo("mousemove", *map(round, places[1]), "sleep", 0.1, "mousemove", *map(round, places[2]), "sleep", 0.1)
        xdo("mouseup", 1, "sleep", 0.1, "key", "Return")
        under_the_mouse("q: end")
        time.sleep(0.5)  # of real time at 20 frames a second
        xdo("key", "q")
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        server.terminate()
        server.wait()
    assert process.returncode == 0, said
    boxes = read_boxes(tmp_path / "boxes.txt")
    np.testing.assert_allclose(boxes[0], [60, 40, 40, 30], atol=1)
    assert 1 < len(boxes) < 1000 and f"ended by you after {len(boxes)} of 2000 frames" in " ".join(said.split())


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
def test_track_with_one_camera(tmp_path, track, modality):
    assert track(f"{CLEAR},frames=3", "--modality", modality) == 0
    assert len(read_boxes(tmp_path / "boxes.txt")) == 3


def test_a_simulated_sequence_can_be_tracked_from_its_folder_and_from_its_bag(tmp_path, track):
    assert run("simulate", tmp_path / "run", *SMALL, "--loss", "0.3", "--bag") == 0
    assert len(read_boxes(tmp_path / "run" / "visible.txt")) == 4
    for source in (tmp_path / "run", tmp_path / "run" / "bag"):
        assert track(source) == 0
        assert len(read_boxes(tmp_path / "boxes.txt")) == 4


def test_options_of_the_simulator_are_explained_by_its_settings(capsys):
    from ckd_ros.datasets.simulator import SimulatorConfig
    from ckd_ros.settings import settings_of

    assert run("simulate", "--help") == 0
    said = " ".join(re.sub("[│─╭╮╰╯]", " ", capsys.readouterr().out).split())
    for name, stated in settings_of(SimulatorConfig).items():
        option, default = f"--{name.replace('_', '-')} ", "" if stated.default is None else str(stated.default)
        shown = "" if stated.default is None else f" .default: .?{re.escape(default)}"
        assert re.search(f"{option}[^-]* {re.escape(stated.description)}.{shown}", said), name


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--night", "1.5", "night is 1.5: it must be a number from 0 to 1 (darkness in the colour image)"),
        ("--rate", "nan", "rate is nan: it must be a number above 0 (frames per second)"),
        ("--subset", "half", "subset is 'half': it must be a string, all | train | held_out"),
    ],
)
def test_a_bad_setting_of_the_simulator_is_refused(tmp_path, capsys, option, value, message):
    assert run("simulate", tmp_path / "new", option, value) == 2
    said = capsys.readouterr().err
    assert message in " ".join(re.sub("[│─╭╮╰╯]", " ", said).split()) and "Traceback" not in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("out", "read"),
    [
        ("visible.txt", "visible.txt"),
        ("infrared.csv", "infrared.txt"),
        ("rgb.txt", "rgb.txt"),
        ("visible/b.txt", "visible"),
    ],
)
def test_track_never_writes_over_what_a_sequence_is_read_from(tmp_path, model_path, capsys, out, read):
    car = tmp_path / "car"
    assert run("simulate", car, *SMALL) == 0
    before = {path: path.read_bytes() for path in car.rglob("*") if path.is_file()}
    capsys.readouterr()
    said = failure(capsys, "track", car, "--out", car / out, "--model", model_path)
    assert "is an input" in said and f"car/{read} is read" in said and "name another file" in said
    assert {path: path.read_bytes() for path in car.rglob("*") if path.is_file()} == before
    assert run("track", car, "--out", car / "ours.txt", "--model", model_path) == 0


def test_track_never_writes_over_a_video_its_truth_a_bag_or_the_network(tmp_path, model_path, capsys):
    assert run("simulate", tmp_path / "run", *SMALL, "--bag") == 0
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(3):
        writer.write(np.full((64, 96, 3), 90, np.uint8))
    writer.release()
    bag, box = tmp_path / "run" / "bag", ("--init", "20,20,20,20", "--model", model_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for source, *outputs in (
        (f"{video},", "--video", video),
        (f"{video},", "--out", tmp_path / "clip.txt"),  # its table would be the video's truth
        (bag, "--out", tmp_path / "run" / "bag.txt"),
        (bag, "--out", bag / "boxes.txt"),
        (f"{video},", "--out", model_path),
    ):
        capsys.readouterr()
        assert "is an input" in failure(capsys, "track", source, *outputs, *box)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_track_says_what_is_doubtful_about_a_sequence_and_on_how_much_its_scores_rest(tmp_path, track, capsys):
    assert run("simulate", tmp_path / "run", *SMALL, "--frames", "20") == 0
    (tmp_path / "run" / "frames.csv").unlink()
    for side, number in (("visible", 10), ("infrared", 14)):
        (tmp_path / "run" / side / f"{number:06d}.jpg").unlink()
        lines = (tmp_path / "run" / f"{side}.txt").read_text().splitlines()
        (tmp_path / "run" / f"{side}.txt").write_text("\n".join(lines[:19]))
    for number in range(3, 8):
        (tmp_path / "run" / "infrared" / f"{number:06d}.jpg").write_bytes(b"")
    capsys.readouterr()
    assert track(tmp_path / "run") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "note: " in said and "the cameras lack different images" in said
    assert "its score rests on 14 of 19 frames of the truth" in said
    written = (tmp_path / "boxes_faults.txt").read_text().splitlines()
    assert "the cameras lack different images" in written[0] and len(written) == 6
    assert track(f"{CLEAR},frames=2") == 0 and not (tmp_path / "boxes_faults.txt").exists()


def test_track_names_the_first_of_many_damaged_images_and_counts_the_others(tmp_path, track, capsys):
    assert run("simulate", tmp_path / "run", *SMALL, "--frames", "20") == 0
    for number in range(2, 21):
        (tmp_path / "run" / "infrared" / f"{number:06d}.jpg").write_bytes(b"")
    capsys.readouterr()
    assert track(tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert len((tmp_path / "boxes_faults.txt").read_text().splitlines()) == 19
    assert said.count("infrared/0000") == 2 and "infrared/000002.jpg" in said and "and 17 more like it" in said


def test_track_goes_on_behind_a_damaged_image_and_names_it(tmp_path, track, capsys):
    assert run("simulate", tmp_path / "run", *SMALL) == 0
    (tmp_path / "run" / "visible" / "000003.jpg").write_bytes(b"")
    assert track(tmp_path / "run", "--video", tmp_path / "out.mp4") == 0
    assert re.search(r"frame 2: .*visible/000003\.jpg", " ".join(capsys.readouterr().err.split()))
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert len(boxes) == 4
    np.testing.assert_array_equal(boxes[2], boxes[1])
    with open(tmp_path / "boxes.csv", newline="") as file:
        assert [row["latency_ms"] == "nan" for row in csv.DictReader(file)] == [False, False, True, False]
    assert cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 4


def test_track_writes_nothing_where_the_first_image_is_damaged(tmp_path, track, capsys):
    assert run("simulate", tmp_path / "run", *SMALL) == 0
    (tmp_path / "run" / "visible" / "000001.jpg").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    capsys.readouterr()
    assert track(tmp_path / "run", "--video", tmp_path / "out.mp4") == 2
    assert "first frame" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_track_keeps_the_boxes_of_a_source_that_breaks_off(tmp_path, track, monkeypatch, capsys):
    from ckd_ros.datasets.simulator import SimulatedSequence

    whole = SimulatedSequence.frames
    monkeypatch.setattr(SimulatedSequence, "frames", lambda self: islice(whole(self), 5))
    assert track(f"{CLEAR},frames=30", "--video", tmp_path / "out.mp4") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "ends after 5 of 30 frames" in said and "boxes.csv" in said
    assert len(read_boxes(tmp_path / "boxes.txt")) == 5


def test_track_stopped_by_hand_keeps_what_it_has(tmp_path, model_path):
    out = tmp_path / "boxes.csv"
    command = [sys.executable, "-m", "ckd_ros.cli", "track", f"{CLEAR},frames=5000", "--out", out]
    command += ["--model", model_path, "--video", tmp_path / "out.avi"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    # Each frame of the video is written after its result was found: when it has grown by many, there are some.
    limit = time.monotonic() + 120
    while sum(path.stat().st_size for path in tmp_path.glob(".out.avi.*/out.avi")) < 200_000:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped after" in said and "Traceback" not in said
    count = len(read_boxes(tmp_path / "boxes.txt"))
    assert 0 < count < 5000
    assert abs(cv2.VideoCapture(str(tmp_path / "out.avi")).get(cv2.CAP_PROP_FRAME_COUNT) - count) <= 1


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("ckd_ros.datasets.sources.open_source", "interrupted"),
        ("ckd_ros.tracking.Tracker.init", "stopped before the first frame: nothing was written"),
    ],
)
def test_track_stopped_before_its_first_result_says_so_and_writes_nothing(
    tmp_path, track, monkeypatch, capsys, step, message
):
    def stop(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, stop)
    before = sorted(tmp_path.iterdir())
    assert track(f"{CLEAR},frames=3", "--video", tmp_path / "out.avi") == 130
    said = capsys.readouterr().err
    assert said.strip().splitlines()[-1] == f"ckd: {message}" and "Traceback" not in said
    assert sorted(tmp_path.iterdir()) == before


def test_ctrl_c_while_the_command_is_loaded_ends_it_in_order():
    pytest.importorskip("tyro")
    code = (
        "import sys, ckd_ros.cli\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ckd_ros.app.terminal': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "ckd_ros.cli.main(['track', 'simulator'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "ckd: interrupted\n")


def test_track_needs_no_name_for_its_results(tmp_path, model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("track", f"{CLEAR},frames=3", "--model", model_path) == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert found == ["runs/track/simulated-0.csv", "runs/track/simulated-0.txt"]


def test_import_writes_the_weights_of_a_foreign_tracker(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    from ckd_ros.network.checkpoint import load_checkpoint
    from ckd_ros.network.config import CKDConfig
    from ckd_ros.network.presets import PRESETS
    from ckd_ros.network.student import SingleModalityTracker

    small = CKDConfig("small", template_size=32, search_size=64, embed_dim=12, depth=1, num_heads=3)
    monkeypatch.setitem(PRESETS, "small", small)
    torch.save({"net": SingleModalityTracker(small).state_dict()}, tmp_path / "ostrack.pth")
    command = ("import", tmp_path / "ostrack.pth", "--preset", "small", "--out", tmp_path / "out")
    assert run(*command) == 0
    assert "no model.onnx" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "out" / "model.safetensors")[1] == small
    assert "out' is in use" in failure(capsys, *command)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["track", "nowhere", "--out", "b.txt"], "'nowhere' does not exist"),
        (["track", CLEAR, "--out", "b.txt", "--init", "1,2,3"], "box '1,2,3'.*x,y,w,h"),
        (["track", CLEAR, "--out", "b.txt", "--init", "1,2,0,4"], "w and h positive"),
        (["track", CLEAR, "--out", "b.txt", "--init", "nan,2,4,4"], "'nan,2,4,4'"),
        (["track", CLEAR, "--out", "b.txt", "--model", "absent.onnx"], "absent.onnx"),
        (["track", CLEAR, "--out", "b.txt", "--registration", "shift:3"], "registration 'shift:3'.*offset:NUMBERS"),
        (["track", "simulator:colour=red", "--out", "b.txt"], "'colour=red' is not a simulator setting.*seed"),
        (["track", "simulator:frames=many", "--out", "b.txt"], "frames is 'many': it must be a whole number"),
        (["simulate", "OCCUPIED", *SMALL], "not empty"),
        (["export", "absent.safetensors", "a.onnx"], "absent.safetensors"),
        (["quantise", "absent.onnx", "a.onnx"], "absent.onnx.*ckd export"),
        (["train", "absent.yaml"], "absent.yaml"),
        (["import", "absent.pth", "--preset", "vitb256", "--out", "out"], "absent.pth"),
        (["import", "absent.pth", "--preset", "huge", "--out", "out"], "'huge'.*vitb256-ce"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, monkeypatch, capsys, args, message):
    if args[0] in ("export", "quantise", "train", "import"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "OCCUPIED").mkdir()
    (tmp_path / "OCCUPIED" / "file").touch()
    assert re.search(message, failure(capsys, *args))


def test_a_box_is_needed_where_the_source_has_none_and_nobody_can_draw_one(tmp_path, track, no_display, capsys):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert track(tmp_path / "v.avi", "--modality", "rgb") == 2
    assert "give --init x,y,w,h" in capsys.readouterr().err


def test_a_video_needs_a_suffix_that_can_be_written(tmp_path, track, capsys):
    assert track(CLEAR, "--video", tmp_path / "film.txt") == 2
    assert ".mp4" in capsys.readouterr().err


@pytest.mark.parametrize("args", [[], ["track"], ["dance"], ["track", CLEAR, "--speed", "9"]])
def test_bad_arguments_end_with_two_and_no_traceback(args):
    done = subprocess.run([sys.executable, "-m", "ckd_ros.cli", *args], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr and "Traceback" not in done.stderr


def test_the_command_starts_without_torch_and_ros():
    pytest.importorskip("tyro")
    heavy = ("torch", "rclpy", "rosbags", "onnxruntime")
    code = f"import sys, ckd_ros.app.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
