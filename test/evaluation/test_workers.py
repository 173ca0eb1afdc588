"""Jobs in several processes, on this machine and on Ray: every job comes back, whatever becomes of the others."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ckd_ros.datasets.folder import FolderSequence
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.evaluation import jobs as jobs_module
from ckd_ros.evaluation.jobs import Job, run_job, start_frame
from ckd_ros.evaluation.workers import LocalProcesses, RayCluster, run_jobs

SIZE = dict(width=64, height=48, thermal_width=64, thermal_height=48, target_size=16)


@dataclass
class Said:
    box: np.ndarray
    confidence: float = float("nan")


class Still:
    """Leaves its box where it was."""

    def init(self, pair, box):
        self.box = np.array(box)
        return Said(self.box)

    def update(self, pair):
        return Said(self.box)


class Deadly(Still):
    """Kills its own process at the third frame of a sequence of six."""

    seen = 1

    def update(self, pair):
        self.seen += 1
        if self.seen == 6:
            os.kill(os.getpid(), signal.SIGSEGV)
        return Said(self.box)


class Slow(Still):
    """Starts a program of its own, writes both process numbers to a file and takes a minute over a frame."""

    def __init__(self, path):
        program = subprocess.Popen(["sleep", "60"])
        path.joinpath(f"{os.getpid()}").write_text(f"{os.getpid()} {program.pid}")

    def update(self, pair):
        time.sleep(60)


class Threads(Still):
    """Says with its boxes how many threads OpenCV and NumPy's libraries have."""

    def init(self, pair, box):
        import cv2

        self.box = np.array([cv2.getNumThreads(), int(os.environ["OMP_NUM_THREADS"]), os.getpid(), 1.0])
        return Said(self.box)


class Homes(Still):
    """Says with its boxes which process started its own: on a cluster of Ray, that of the machine."""

    def init(self, pair, box):
        time.sleep(0.5)  # long enough that another machine takes the next job
        self.box = np.array([os.getppid(), 1.0, 1.0, 1.0])
        return Said(self.box)


@dataclass(frozen=True)
class Spec:
    """Stands for a tracker that the command line named."""

    label: str
    kind: type
    arguments: tuple = ()

    def make(self):
        return self.kind(*self.arguments)


class Paced(Still):
    """Takes a fifth of a second over a frame."""

    def update(self, pair):
        time.sleep(0.2)
        return Said(self.box)


class Unloadable:
    def __init__(self):
        raise ValueError("no such model")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """Three sequences, of 4, 6 and 3 frames."""
    folder = tmp_path_factory.mktemp("sequences")
    for number, frames in enumerate((4, 6, 3)):
        write_lasher(SimulatedSequence(SimulatorConfig(frames=frames, seed=number, **SIZE)), folder / f"s{number}")
    return [FolderSequence(folder / f"s{number}") for number in range(3)]


def jobs(sequences, *specs):
    return [Job(spec, sequence) for spec in specs for sequence in sequences]


def in_processes(jobs, count=2):
    return {(result.label, result.name): result for result in run_jobs(jobs, LocalProcesses(count))}


def alive(pid):
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_each_tracker_runs_its_longest_sequences_first(sequences):
    order = [
        (o.label, o.name) for o in run_jobs(jobs(sequences, Spec("a", Still), Spec("b", Still)), LocalProcesses(1))
    ]
    assert order == [(label, name) for label in "ab" for name in ("s1", "s0", "s2")]


def test_frames_are_counted_while_a_sequence_runs(sequences):
    said = []
    list(run_jobs([Job(Spec("paced", Paced), sequences[1])], LocalProcesses(1, said.append)))
    assert said[-1] == 0, "at the end nothing is under way"
    assert len(said) > 1 and said[:-1] == sorted(said[:-1]) and 0 < said[0] < 6


def test_a_frame_that_cannot_be_read_does_not_end_the_count(sequences, monkeypatch):
    monkeypatch.setattr(jobs_module, "_REPORT", 0.0)
    said, whole = [], FolderSequence.frames
    monkeypatch.setattr(FolderSequence, "frames", lambda self: _Broken(whole(self)))
    done = run_job(Job(Spec("still", Still), sequences[1]), said.append)
    assert said == [0, 1, 2, 3, 4, 5] and done.result.faults == ("frame 2: damaged",)


class _Broken:
    """Frames, of which the third cannot be read."""

    def __init__(self, frames):
        self._frames, self._number = frames, -1

    def __iter__(self):
        return self

    def __next__(self):
        self._number += 1
        frame = next(self._frames)
        if self._number == 2:
            raise ValueError("damaged")
        return frame


def test_every_process_has_one_thread(sequences, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = in_processes(jobs(sequences, Spec("threads", Threads)))
    rows = np.array([result.result.boxes[0] for result in results.values()])
    assert (rows[:, :2] == 1).all()
    assert os.getpid() not in rows[:, 2] and len(set(rows[:, 2])) == 2
    assert "OMP_NUM_THREADS" not in os.environ, "what is set for the processes must not stay"


def test_a_process_that_dies_takes_only_its_own_job_with_it(sequences):
    """And a tracker that cannot be made is asked for no further sequence than those under way."""
    specs = [Spec("deadly", Deadly), Spec("unloadable", Unloadable), Spec("still", Still)]
    results = in_processes(jobs(sequences, *specs))
    assert {key for key, result in results.items() if result.result is None} - {("deadly", "s1")} == {
        key for key in results if key[0] == "unloadable"
    }
    assert results["deadly", "s1"].fault == "the process that ran it was killed by SIGSEGV"
    broken = [result for result in results.values() if result.broken]
    assert 1 <= len(broken) <= 2 and all(o.label == "unloadable" and o.fault == "no such model" for o in broken)
    for name in ("s0", "s1", "s2"):
        done = results["still", name].result
        assert done.faults == () and np.isfinite(done.boxes).all()


def test_no_process_outlives_a_run_that_is_broken_off(sequences, tmp_path):
    with closing(
        run_jobs(jobs(sequences, Spec("still", Still), Spec("slow", Slow, (tmp_path,))), LocalProcesses(2))
    ) as runs:
        assert next(runs).label == "still"
        for _ in range(2):
            next(runs)
        wait_until(lambda: len([path for path in tmp_path.iterdir() if path.read_text()]) == 2)
        pids = [pid for path in tmp_path.iterdir() for pid in path.read_text().split()]
        assert all(map(alive, pids))
    wait_until(lambda: not any(map(alive, pids)))


def test_no_process_outlives_the_main_one_killed_at_once(sequences, tmp_path):
    """As the system kills, without a chance to clean up."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from test_workers import FolderSequence, Job, LocalProcesses, Slow, Spec, run_jobs\n"
        "if __name__ == '__main__':\n"
        "    slow = Spec('slow', Slow, (Path(sys.argv[2]),))\n"
        "    list(run_jobs([Job(slow, FolderSequence(path)) for path in sys.argv[3:]], LocalProcesses(2)))\n"
    )
    script = tmp_path / "main.py"
    script.write_text(code)
    (tmp_path / "pids").mkdir()
    folders = [sequence.folder for sequence in sequences]
    main = subprocess.Popen([sys.executable, script, Path(__file__).parent, tmp_path / "pids", *folders])
    try:
        wait_until(lambda: len([path for path in (tmp_path / "pids").iterdir() if path.read_text()]) == 2)
        pids = [pid for path in (tmp_path / "pids").iterdir() for pid in path.read_text().split()]
        assert len(pids) == 4 and all(map(alive, pids))
    finally:
        main.kill()
        main.wait()
    wait_until(lambda: not any(map(alive, pids)))


def test_the_target_is_shown_where_it_is_first_seen():
    sequence = SimulatedSequence(SimulatorConfig(frames=4, **SIZE))
    truth = sequence.boxes.copy()
    assert start_frame(sequence)[0] == 0
    sequence.boxes[:2], sequence.init_box = np.nan, None
    start, box = start_frame(sequence)
    assert start == 2
    np.testing.assert_array_equal(box, truth[2])
    sequence.boxes = None
    with pytest.raises(ValueError, match="does not say where its target is in any frame"):
        start_frame(sequence)


def test_without_ray_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[ray\]'"):
        RayCluster("auto")


def test_on_a_cluster_of_ray_the_same_comes_out(sequences, monkeypatch):
    """A real cluster, of this machine alone: Ray's own processes do the jobs, and one of them dies."""
    pytest.importorskip("ray", reason="several machines need Ray: pip install '.[ray]'")
    # What its processes import them from; a real tracker's module is installed on every machine.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    todo = jobs(sequences, Spec("deadly", Deadly), Spec("unloadable", Unloadable), Spec("threads", Threads))
    results = {(o.label, o.name): o for o in run_jobs(todo, RayCluster("local", 2))}
    assert "the process that ran it was lost" in results["deadly", "s1"].fault
    assert results["deadly", "s0"].result.faults == ()
    assert any(o.broken and o.fault == "no such model" for o in results.values())
    for name, length in (("s0", 4), ("s1", 6), ("s2", 3)):
        boxes = results["threads", name].result.boxes
        assert boxes.shape == (length, 4) and (boxes[:, :2] == 1).all()
        assert boxes[0, 2] != os.getpid()


def test_machines_that_joined_a_cluster_share_the_work(sequences, monkeypatch, tmp_path):
    """As docs/evaluation.md says: `ray start` for each machine, here two of one core each, and the head's address."""
    pytest.importorskip("ray", reason="several machines need Ray: pip install '.[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    code = (
        "import sys\n"
        "from test_workers import FolderSequence, Homes, Job, RayCluster, Spec, run_jobs\n"
        "jobs = [Job(Spec('homes', Homes), FolderSequence(path)) for path in sys.argv[2:]]\n"
        "for result in run_jobs(jobs, RayCluster(sys.argv[1])): print(result.name, result.result.boxes[0, 0])\n"
    )
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else it would be that of the user's home
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    start = [Path(sys.executable).with_name("ray"), "start", "--block", "--num-cpus", "1", "--disable-usage-stats"]
    folder = tempfile.mkdtemp(prefix="ray-")  # tmp_path is too long for its sockets
    head = ["--head", "--port", address.partition(":")[2], "--include-dashboard", "false", "--temp-dir", folder]
    machines = []
    try:
        for number, options in enumerate([head, ["--address", address]]):
            log = tmp_path / f"{number}.log"
            with open(log, "w") as file:
                machines.append(subprocess.Popen([*start, *options], stdout=file, stderr=subprocess.STDOUT))
            wait_until(lambda log=log: "Ray runtime started" in log.read_text(), 60)
        # In a process of its own: Ray reads its token once.
        command = [sys.executable, "-c", code, address, *(sequence.folder for sequence in sequences)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finally:
        for machine in reversed(machines):
            machine.terminate()
            machine.wait()
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    names, homes = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert sorted(names) == ["s0", "s1", "s2"] and len(set(homes)) == 2, "each machine had a part"


def test_a_cluster_that_is_not_there_is_named(sequences):
    pytest.importorskip("ray", reason="several machines need Ray: pip install '.[ray]'")
    with pytest.raises(ConnectionError, match="'auto'.*ray start --head"):
        list(run_jobs(jobs(sequences, Spec("still", Still)), RayCluster("auto")))
