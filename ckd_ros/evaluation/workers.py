"""Trackers run over sequences in several processes of this machine, or on several machines through Ray.

Wherever it runs, a job is one tracker on one sequence, done by `run_job` on a single thread, so that times are
comparable and processes do not get in each other's way. Results come back to the main process, which alone writes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from ckd_ros.datasets.sequence import describe_error
from ckd_ros.evaluation.jobs import Job, JobResult, run_job
from ckd_ros.system import end_process_group, usable_cores

#: What keeps numerical libraries on one thread; they read it when they are loaded.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_GRACE = 2.0  # seconds that a process without a job may take to end
_TRIES = "RAY_gcs_server_port_wait_time_s"  # in recent versions of Ray, how often it looks for a cluster


class Workers(Protocol):
    """Processes that run one job each at a time; a context that ends them."""

    @property
    def free(self) -> int:
        """How many more jobs they can take now."""

    def submit(self, job: Job) -> None: ...

    def finished(self) -> list[JobResult]:
        """The results since the last call; waits until there is one. Empty when no job is under way."""

    def __enter__(self) -> Workers: ...

    def __exit__(self, *error: object) -> None: ...


def run_jobs(jobs: Iterable[Job], workers: Workers) -> Generator[JobResult, None, None]:
    """Run all jobs and yield the result of each as it comes: tracker after tracker, the longest sequences first.

    The other jobs of a tracker that turns out to be broken are dropped: its first results say why.
    """
    jobs = list(jobs)
    order = {label: number for number, label in enumerate(dict.fromkeys(job.tracker.label for job in jobs))}
    waiting = deque(sorted(jobs, key=lambda job: (order[job.tracker.label], -len(job.sequence))))
    broken: set[str] = set()
    results: list[JobResult] = []
    with workers:
        while True:
            while waiting and workers.free:
                job = waiting.popleft()
                if job.tracker.label not in broken:
                    workers.submit(job)
            yield from results  # only now, so that nobody waits for what is done with them
            results = workers.finished()
            if not results:
                return
            broken.update(result.label for result in results if result.broken)


class LocalProcesses:
    """At most `count` processes of this machine.

    One that dies takes only its own job with it. They are killed, with whatever programs they started, when the context
    ends, and end themselves when this process is gone.

    Args:
        under_way: called with the number of frames that are done of unfinished jobs.
    """

    def __init__(self, count: int, under_way: Callable[[int], None] = lambda frames: None) -> None:
        self._count, self._under_way = count, under_way
        self._context = get_context("spawn")  # a fork would share the state of libraries with threads
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

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
            end_process_group(worker.process, grace=0.0)
        for worker in self._idle:
            end_process_group(worker.process, grace=_GRACE)

    def submit(self, job: Job) -> None:
        worker = self._idle.pop() if self._idle else self._start()
        worker.label, worker.name, worker.frames = job.tracker.label, job.sequence.name, 0
        self._busy.append(worker)
        with suppress(ConnectionError):  # it died meanwhile: `finished` finds out
            worker.connection.send(job)

    def finished(self) -> list[JobResult]:
        results: list[JobResult] = []
        while self._busy and not results:
            ready = connection.wait([worker.connection for worker in self._busy])
            for worker in [worker for worker in self._busy if worker.connection in ready]:
                message = self._message(worker)
                if isinstance(message, int):
                    worker.frames = message
                else:
                    self._busy.remove(worker)
                    results.append(message)
            self._under_way(sum(worker.frames for worker in self._busy))
        return results

    def _message(self, worker: _Worker) -> int | JobResult:
        """What a busy process says: how many frames are done of its job, or how it ended; it is idle then, or gone."""
        try:
            message: int | JobResult = worker.connection.recv()
        except (EOFError, OSError):
            worker.connection.close()
            end_process_group(worker.process, grace=_GRACE)
            fault = f"the process that ran it {_how_it_ended(worker.process.exitcode)}"
            return JobResult(worker.label, worker.name, None, fault)
        if isinstance(message, JobResult):
            self._idle.append(worker)
        return message

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        started = self._context.Process(target=_worker_main, args=(theirs,), daemon=False)
        with _environment(ONE_THREAD):
            started.start()
        theirs.close()
        return _Worker(started, ours)


@dataclass
class _Worker:
    process: BaseProcess
    connection: connection.Connection
    label: str = ""
    name: str = ""
    frames: int = 0  # of its job that are done


def _worker_main(jobs: connection.Connection) -> None:
    """Runs jobs until no more come: the main function of a process."""
    os.setpgid(0, 0)  # Ctrl-C reaches the main process alone, and a tracker's own programs can be ended with this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            jobs.send(run_job(jobs.recv(), jobs.send))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "this runs in a child process only"
    connection.wait([parent.sentinel])
    os.killpg(0, signal.SIGKILL)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended by itself with code {code}"
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
        options: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}  # not on the standard output
        if self._address == "local":
            options |= {"num_cpus": self._count or usable_cores(), "include_dashboard": False}
        settings = {**ONE_THREAD, "RAY_USAGE_STATS_ENABLED": "0"}
        if self._address != "local":  # else it would look 20 times, 40 s each, for a cluster that is gone
            settings[_TRIES] = os.environ.get(_TRIES, "1")
        try:
            with _environment(settings):
                self._ray.init(address=self._address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConnectionError(
                f"there is no cluster of Ray at '{self._address}' ({describe_error(error)}): start one with `ray start "
                "--head` (RAY_AUTH_MODE must be the same there and here), or give local for one on this machine alone"
            ) from error
        self._work = self._ray.remote(num_cpus=1, max_retries=0)(run_job)
        return self

    def __exit__(self, *error: object) -> None:
        self._ray.shutdown()

    def submit(self, job: Job) -> None:
        self._busy[self._work.remote(job)] = job

    def finished(self) -> list[JobResult]:
        if not self._busy:
            return []
        results = []
        for reference in self._ray.wait(list(self._busy))[0]:
            job = self._busy.pop(reference)
            try:
                results.append(self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                reason = f"the process that ran it was lost: {describe_error(error)}"
                results.append(JobResult(job.tracker.label, job.sequence.name, None, reason))
        return results


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
