"""Trackers run over sequences in several processes of this machine, or on several machines through Ray.

Whoever runs them, a job is one tracker on one sequence, done by `work` on a single thread, so that times are
comparable and processes do not get in each other's way. Results come back to the main process, which alone writes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process, process
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from ckd_ros.datasets.sequence import FrameSequence, one_line
from ckd_ros.evaluation.one_pass import Pass, one_pass
from ckd_ros.system import end_process_group, usable_cores

if TYPE_CHECKING:
    from ckd_ros.evaluation.trackers.spec import TrackerSpec

#: What keeps numerical libraries on one thread; they read it when they are loaded.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_TRIES = "RAY_gcs_server_port_wait_time_s"  # in recent versions of Ray, how often it looks for a cluster


@dataclass(frozen=True)
class Job:
    """One tracker on one sequence; both are sent to another process."""

    tracker: TrackerSpec
    sequence: FrameSequence


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        label, name: of the tracker and the sequence.
        done: the pass; None where there is none.
        fault: why there is none.
        broken: whether the tracker itself cannot be made, so that its other jobs are in vain.
    """

    label: str
    name: str
    done: Pass | None
    fault: str = ""
    broken: bool = False


class Workers(Protocol):
    """Processes that run one job each at a time; a context that ends them."""

    free: int  # how many more jobs they can take now

    def give(self, job: Job) -> None: ...

    def finished(self) -> list[JobResult]:
        """What has come since the last call; waits until there is something. Nothing when no job is under way."""

    def __enter__(self) -> Workers: ...

    def __exit__(self, *error: object) -> None: ...


def run(jobs: Iterable[Job], workers: Workers) -> Iterator[JobResult]:
    """Run all jobs and give each one's outcome as it comes: tracker after tracker, each one's longest sequences first.

    The jobs of a tracker that turns out to be broken are dropped: its outcome says so once or a few times.
    """
    jobs = list(jobs)
    order = {label: number for number, label in enumerate(dict.fromkeys(job.tracker.label for job in jobs))}
    waiting = deque(sorted(jobs, key=lambda job: (order[job.tracker.label], -len(job.sequence))))
    broken: set[str] = set()
    outcomes: list[JobResult] = []
    with workers:
        while True:
            while waiting and workers.free:
                job = waiting.popleft()
                if job.tracker.label not in broken:
                    workers.give(job)
            yield from outcomes  # only now, so that nobody waits for what is done with them
            outcomes = workers.finished()
            if not outcomes:
                return
            broken.update(outcome.label for outcome in outcomes if outcome.broken)


def first_sight(sequence: FrameSequence) -> tuple[int, np.ndarray]:
    """The frame in which a tracker is shown the target, and its box there: the first one whose truth is visible.

    Raises ValueError if the sequence says nowhere where its target is.
    """
    boxes = sequence.boxes
    seen = np.flatnonzero(np.isfinite(boxes).all(axis=1)) if boxes is not None else []
    if sequence.init_box is not None and (len(seen) == 0 or seen[0] == 0):
        return 0, np.asarray(sequence.init_box, float)
    if len(seen) == 0:
        raise ValueError(f"{sequence.name} says nowhere where its target is")
    return int(seen[0]), boxes[seen[0]]


def work(job: Job) -> JobResult:
    """Do a job in this process, on one thread. Nothing is raised."""
    label, name = job.tracker.label, job.sequence.name
    cv2.setNumThreads(1)
    try:
        tracker = job.tracker.make()
    except Exception as error:  # whatever another's tracker raises must not end the evaluation
        return JobResult(label, name, None, one_line(error), broken=True)
    try:
        start, box = first_sight(job.sequence)
        return JobResult(label, name, one_pass(tracker, job.sequence.frames(), len(job.sequence), box, start))
    except Exception as error:  # a source that cannot even be opened
        return JobResult(label, name, None, one_line(error))


class LocalProcesses:
    """At most `count` processes of this machine.

    One that dies takes only its own job with it. They are killed, with whatever programs they started, when the context
    ends, and end themselves when this process is gone.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._context = get_context("spawn")  # a fork would share the state of libraries with threads
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []

    @property
    def free(self) -> int:
        return self._count - len(self._busy)

    def __enter__(self) -> LocalProcesses:
        self._idle = [self._start() for _ in range(self._count)]  # side by side: a job may wait for its reader
        return self

    def __exit__(self, *error: object) -> None:
        for worker in (*self._idle, *self._busy):
            worker.connection.close()
        for worker in self._busy:
            _end(worker.process)
        for worker in self._idle:
            _end(worker.process, patience=2.0)

    def give(self, job: Job) -> None:
        worker = self._idle.pop() if self._idle else self._start()
        worker.label, worker.name = job.tracker.label, job.sequence.name
        self._busy.append(worker)
        with suppress(ConnectionError):  # it died meanwhile: `finished` finds out
            worker.connection.send(job)

    def finished(self) -> list[JobResult]:
        ready = connection.wait([worker.connection for worker in self._busy]) if self._busy else []
        outcomes = []
        for worker in [worker for worker in self._busy if worker.connection in ready]:
            self._busy.remove(worker)
            try:
                outcomes.append(worker.connection.recv())
                self._idle.append(worker)
            except (EOFError, OSError):
                worker.connection.close()
                fault = f"the process that ran it {_end(worker.process, patience=2.0)}"
                outcomes.append(JobResult(worker.label, worker.name, None, fault))
        return outcomes

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        started = self._context.Process(target=_serve, args=(theirs,), daemon=False)
        with _environment(ONE_THREAD):
            started.start()
        theirs.close()
        return _Process(started, ours)


@dataclass
class _Process:
    process: process.BaseProcess
    connection: connection.Connection
    label: str = ""
    name: str = ""


def _serve(jobs: connection.Connection) -> None:
    """What a process does: jobs, until no more come."""
    os.setpgid(0, 0)  # Ctrl-C reaches the main process alone, and a tracker's own programs can be ended with this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            jobs.send(work(jobs.recv()))


def _end_with_parent() -> None:
    connection.wait([parent_process().sentinel])
    os.killpg(0, signal.SIGKILL)


def _end(process: process.BaseProcess, patience: float = 0.0) -> str:
    """Let a process end for so many seconds, then kill it and the programs it started; how it ended, in words."""
    end_process_group(process, patience)
    return _how_it_ended(process.exitcode)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended itself with code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (is there enough memory?)" if name == "SIGKILL" else "")


class RayCluster:
    """The CPU cores of a cluster of Ray, each with one job; `count` limits how many.

    Args:
        address: `local` for a cluster of its own on this machine, `auto` for the one that this machine belongs to, or
            an address that Ray understands.

    Raises ModuleNotFoundError without Ray, ConnectionError if there is no such cluster.
    """

    def __init__(self, address: str, count: int | None = None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("several machines need the package ray: pip install '.[ray]'") from error
        self._ray, self._address, self._count = ray, address, count
        self._busy: dict[object, Job] = {}

    @property
    def free(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))  # machines may come and go
        return max(1, min(cores, self._count or cores)) - len(self._busy)

    def __enter__(self) -> RayCluster:
        own = {"num_cpus": self._count or usable_cores(), "include_dashboard": False}
        settings = {**ONE_THREAD, "RAY_USAGE_STATS_ENABLED": "0"}
        if self._address != "local":  # else it would look 20 times, 40 s each, for a cluster that is gone
            settings[_TRIES] = os.environ.get(_TRIES, "1")
        try:
            with _environment(settings):
                self._ray.init(
                    address=self._address,
                    logging_level="error",
                    log_to_driver=False,  # it would go to the standard output
                    **(own if self._address == "local" else {}),
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConnectionError(
                f"there is no cluster of Ray at '{self._address}' ({one_line(error)}): start one with `ray start "
                "--head` (RAY_AUTH_MODE must be the same there and here), or give local for one on this machine alone"
            ) from error
        self._work = self._ray.remote(num_cpus=1, max_retries=0)(work)
        return self

    def __exit__(self, *error: object) -> None:
        self._ray.shutdown()

    def give(self, job: Job) -> None:
        self._busy[self._work.remote(job)] = job

    def finished(self) -> list[JobResult]:
        if not self._busy:
            return []
        outcomes = []
        for reference in self._ray.wait(list(self._busy))[0]:
            job = self._busy.pop(reference)
            try:
                outcomes.append(self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                reason = f"the process that ran it was lost: {one_line(error)}"
                outcomes.append(JobResult(job.tracker.label, job.sequence.name, None, reason))
        return outcomes


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """These settings for what is started inside."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
