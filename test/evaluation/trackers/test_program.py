"""Programs as trackers: real child processes that answer, crash, fall silent, talk nonsense, and never outlive us."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation.one_pass import one_pass
from ckd_ros.evaluation.trackers import program as program_module
from ckd_ros.evaluation.trackers.program import Program, ProgramError, parse_answer, write_image
from ckd_ros.evaluation.trackers.spec import parse_tracker
from ckd_ros.frames import FramePair, Image
from ckd_ros.metrics import score

ROOT = Path(__file__).parents[3]
BOX = np.array([2.0, 3, 4, 5.5])
PAIR = FramePair(Image(np.full((12, 16, 3), 9, np.uint8), "rgb8"), Image(np.full((6, 8), 7, np.uint8), "mono8"))
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")


@pytest.fixture
def write(tmp_path):
    """Makes a program of `source`, in which `said` is the request's fields."""

    def make(source: str, **times) -> Program:
        path = tmp_path / "tracker.py"
        path.write_text(
            "import os, subprocess, sys, time\n"
            "def answer(text): print(text, flush=True)\n"
            "for number, line in enumerate(sys.stdin):\n"
            "    said = line.rstrip('\\n').split('\\t')\n" + textwrap.indent(textwrap.dedent(source), "    ")
        )
        return Program([sys.executable, str(path)], **times)

    return make


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_the_documented_example_follows_an_easy_target(monkeypatch):
    monkeypatch.chdir(ROOT)
    sequence = SimulatedSequence(
        SimulatorConfig(
            frames=8,
            width=320,
            height=240,
            target_size=48,
            seed=5,
            camera_motion=0.1,
            distractors=0,
            occlusion=0,
            night=0,
            glare=0,
            noise=0,
            scale=0.2,
            rotation=0,
        )  # fmt: skip
    )
    spec = parse_tracker(f"program:{sys.executable} docs/example_tracker.py")
    assert spec.label == "example_tracker"
    done = one_pass(spec.make(), sequence.frames(), 8, sequence.init_box)
    assert done.faults == ()
    assert score(done.boxes, sequence.boxes).success_auc > 0.6
    assert (done.confidences > 0.3).all()
    settings = spec.settings()
    assert settings["files"][0]["file"] == "docs/example_tracker.py"
    assert "docs/example_tracker.py" in (ROOT / "docs" / "trackers.md").read_text()


def test_requests_and_answers_as_documented(write):
    program = write("""
        print(repr(said), file=sys.stderr, flush=True)
        answer(["1,2,3,4", "nan,nan,nan,nan", " 5, 6.5 ,7,8, 0.25 ", "x"][number])
    """)
    first = program.init(PAIR, BOX)
    assert first.box.tolist() == [1, 2, 3, 4] and np.isnan(first.confidence)
    assert np.isnan(program.update(PAIR).box).all()
    third = program.update(FramePair(PAIR.rgb, None))
    assert third.box.tolist() == [5, 6.5, 7, 8] and third.confidence == 0.25
    with pytest.raises(ProgramError, match="answered 'x': expected x,y,w,h") as fault:
        program.update(FramePair(None, PAIR.thermal))
    requests = str(fault.value).partition("it wrote: ")[2].split(" | ")
    assert requests[0].startswith("['init', '/") and requests[0].endswith("thermal-00000001.png', '2,3,4,5.5']")
    assert requests[1].startswith("['update', '/")
    assert requests[2].endswith("'-']") and requests[3].startswith("['update', '-', '/")


def test_a_program_is_told_exact_boxes(write):
    program = write("answer(said[3])")
    box = np.array([1234.5678, 0.1, 1 / 3, 1e5 + 0.125])
    np.testing.assert_allclose(program.init(PAIR, box).box, box, atol=1e-3)


def test_images_are_files_as_the_camera_gave_them(tmp_path):
    rng = np.random.default_rng(0)
    colour, deep = rng.integers(0, 255, (6, 8, 3), np.uint8), rng.integers(0, 65535, (6, 8), np.uint16)
    assert write_image(None, tmp_path / "a.png") == "-"
    for image, expected in (
        (Image(colour, "rgb8"), colour[..., ::-1]),
        (Image(colour, "bgr8"), colour),
        (Image(np.dstack([colour, colour[..., :1]]), "rgba8"), colour[..., ::-1]),
        (Image(colour[..., 0].copy(), "mono8"), colour[..., 0]),
        (Image(deep, "mono16"), deep),
    ):
        path = write_image(image, tmp_path / "a.png")
        found = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_images_are_there_for_the_answer_and_gone_after_it(write, tmp_path):
    program = write(f"""
        open({str(tmp_path / "paths")!r}, "a").write(said[1] + "\\n" + said[2] + "\\n")
        answer(f"1,1,1,{{os.path.exists(said[1]) + os.path.exists(said[2])}}")
    """)
    assert program.init(PAIR, BOX).box[3] == 2
    assert program.update(PAIR).box[3] == 2
    paths = [Path(line) for line in (tmp_path / "paths").read_text().splitlines()]
    assert len(set(paths)) == 4 and not any(path.exists() for path in paths)
    assert paths[0].parent.is_dir()
    program.close()
    assert not paths[0].parent.exists()


def test_one_program_serves_one_target_after_the_other(write):
    program = write("answer(f'{number},0,1,{os.getpid()}')")
    answers = [program.init(PAIR, BOX), program.update(PAIR), program.init(PAIR, BOX)]
    assert [answer.box[0] for answer in answers] == [0, 1, 2]
    assert len({answer.box[3] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sys.stderr.write('no weights'); sys.exit(3)", "ended with exit status 3; it wrote: no weights"),
        ("raise KeyError('backbone')", r"ended with exit status 1; it wrote: .*KeyError: 'backbone'"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("os.close(1); time.sleep(60)", "closed its standard output"),
        ("time.sleep(60)", "did not answer 'init' within 0.5 s$"),
        ("print('1,2', end='', flush=True); time.sleep(60)", "did not answer 'init' within 0.5 s after '1,2'"),
        ("answer('loading model ...')", "answered 'loading model ...': expected"),
        ("answer('1,2,3')", "answered '1,2,3'"),
        ("answer('1,2,-3,4')", "w and h not negative"),
        ("answer('nan,2,3,4')", "answered 'nan,2,3,4'"),
        ("os.write(1, b'\\xff\\n')", "answered"),
    ],
)  # fmt: skip
def test_a_program_at_fault_is_named_with_what_it_said(source, reason, write):
    program = write(source, start_seconds=0.5, frame_seconds=0.5) if "sleep" in source else write(source)
    with pytest.raises(ProgramError, match=reason) as fault:
        program.init(PAIR, BOX)
    assert "tracker.py'" in str(fault.value)


def test_more_lines_than_one_are_found_before_they_shift_the_answers(write):
    program = write("answer('1,2,3,4'); answer('5,6,7,8')")
    program.init(PAIR, BOX)
    time.sleep(0.1)  # for the second line
    with pytest.raises(ProgramError, match="wrote more than one line for a frame: '5,6,7,8"):
        program.update(PAIR)


def test_a_crash_ends_its_sequence_and_the_next_one_starts_anew(write):
    program = write("answer('1,2,3,4') if number < 2 else sys.exit('out of memory')")
    done = one_pass(program, [PAIR] * 4, 4, BOX)
    assert done.failed and "frame 2: " in done.faults[0] and "out of memory" in done.faults[0]
    assert np.isfinite(done.boxes[:2]).all() and np.isnan(done.boxes[2:]).all()
    assert not one_pass(program, [PAIR] * 2, 2, BOX).faults


@pytest.mark.parametrize("how", ["close", "forget", "silence"])
def test_nothing_that_it_started_stays(how, write):
    program = write(
        """
        child = subprocess.Popen(["sleep", "60"])
        answer(f"{os.getpid()},{child.pid},0,0")
        time.sleep(60)
        """,
        frame_seconds=0.3,
    )
    pids = program.init(PAIR, BOX).box[:2].astype(int)
    assert all(alive(pid) for pid in pids)
    if how == "close":
        program.close()
    elif how == "forget":
        del program
    else:
        with pytest.raises(ProgramError, match="within 0.3 s"):
            program.update(PAIR)
    assert all(gone(pid) for pid in pids)


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_us_however_we_end(number, tmp_path):
    stubborn = tmp_path / "stubborn.py"
    stubborn.write_text(
        "import os, sys, time\nsys.stdin.readline()\nprint(f'{os.getpid()},0,0,0', flush=True)\ntime.sleep(60)\n"
    )
    source = f"""
        import sys, time, numpy as np
        from ckd_ros.evaluation.trackers.program import Program
        from ckd_ros.frames import FramePair, Image
        program = Program([sys.executable, {str(stubborn)!r}])
        found = program.init(FramePair(Image(np.zeros((4, 4), np.uint8), "mono8"), None), np.ones(4))
        print(int(found.box[0]), flush=True)
        time.sleep(60)
    """
    us = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    pid = int(us.stdout.readline())
    assert alive(pid)
    us.send_signal(number)
    us.communicate(timeout=20)
    assert gone(pid)


def test_what_killed_evaluations_left_is_removed_and_what_living_ones_use_is_not(monkeypatch, tmp_path, write):
    monkeypatch.setattr(program_module, "_fast_folder", lambda: tmp_path)
    living = write("answer('1,2,3,4')")
    living.init(PAIR, BOX)
    (used,) = tmp_path.glob("ckd-program-*")
    left, fresh = tmp_path / "ckd-program-left", tmp_path / "ckd-program-fresh"
    for folder in (left, fresh):
        folder.mkdir()
        (folder / "log").touch()
    for folder in (used, left):
        os.utime(folder, (time.time() - 3600,) * 2)
    write("answer('1,2,3,4')").init(PAIR, BOX)
    assert used.is_dir() and fresh.is_dir() and not left.exists()
    living.update(PAIR)


def test_an_update_before_init_is_refused(write):
    with pytest.raises(RuntimeError, match="call init"):
        write("answer('1,2,3,4')").update(PAIR)


def test_confidence_is_kept_in_its_range():
    assert parse_answer("1,2,3,4,7").confidence == 1
    assert np.isnan(parse_answer("1,2,3,4,nan").confidence)
