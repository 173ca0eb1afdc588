"""Starts both nodes and interrupts them at random moments, again and again: how they end.

    tools/env.sh python benchmarks/shutdown.py --runs 200 --load 2

Every process must end within 3 s, with status 0 or 130 and without a traceback. In every other run the interrupt comes
twice, as from an impatient person or from `ros2 launch` in a terminal.
"""

from __future__ import annotations

import collections
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import tyro

from ckd_ros.ros.process import private_domain

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
NODES = ("tracker_node", "camera_node")
PARAMETERS = ("-p", "source:=simulator", "-p", "loop:=true", "-p", "init:=auto", "-p", "wait_for_subscribers:=true")
#: What a shutdown must reach.
SECONDS, STATUSES = 3.0, (0, 130)
#: Signs of a process that did not end in order.
SIGNS = ("Traceback", "terminate called", "Fatal Python error", "Exception ignored")


@dataclass(frozen=True)
class End:
    """How one process ended: its node, how long it took, its status (negative: the signal that it died of), what it
    wrote."""

    node: str
    seconds: float
    status: int
    log: str

    def fault(self) -> str:
        """What was wrong with it; empty for nothing."""
        faults = [] if self.status in STATUSES else [f"status {self.status}"]
        faults += [f"{self.seconds:.1f} s"] if self.seconds > SECONDS else []
        return ", ".join(faults + [sign for sign in SIGNS if sign in self.log])


def main(runs: int = 200, load: int = 2, latest: float = 6.0, seed: int = 0) -> int:
    """Interrupt the nodes `runs` times, up to `latest` seconds after their first line, while `load` other processes
    keep the processor busy. Returns the number of processes that did not end as they must.

    Before their first line Python itself is being started, whose traceback we cannot help."""
    os.environ.update(private_domain())
    # A shell that starts this in the background has it ignore Ctrl-C, and so all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, ends = random.Random(seed), []
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    try:
        for run in range(runs):
            moment = rng.uniform(0.0, latest)
            ends += interrupted(moment, again=rng.uniform(0.0, 0.5) if run % 2 else None)
            for end in ends[-len(NODES) :]:
                if end.fault():
                    print(
                        f"run {run}: {end.node} interrupted after {moment:.2f} s: {end.fault()}\n{end.log}", flush=True
                    )
    finally:
        for process in busy:
            process.kill()
    bad = sum(bool(end.fault()) for end in ends)
    statuses = collections.Counter((end.node, end.status) for end in ends)
    slowest = max(end.seconds for end in ends)
    print(f"{len(ends) - bad} of {len(ends)} processes ended in order; slowest {slowest:.2f} s; {dict(statuses)}")
    return bad


def interrupted(moment: float, again: float | None) -> list[End]:
    """Start both nodes, interrupt them `moment` seconds later, and once more after `again` seconds (None: not)."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        logs = [stack.enter_context(open(Path(folder) / node, "w+")) for node in NODES]
        processes = [start(node, log) for node, log in zip(NODES, logs, strict=True)]
        for process in processes:
            stack.callback(process.kill)  # nothing for one that has ended
        for process in processes:
            wait_for_first_line(process)
        time.sleep(moment)
        stopped = time.monotonic()
        for process in processes:
            process.send_signal(signal.SIGINT)
        if again is not None:
            time.sleep(again)
            for process in processes:
                process.send_signal(signal.SIGINT)
        seconds = wait(processes, stopped)
        ends = []
        for node, process, log, taken in zip(NODES, processes, logs, seconds, strict=True):
            log.seek(0)
            ends.append(End(node, taken, process.returncode, log.read()))
        return ends


def start(node: str, log: IO[str]) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPTS / node), "--ros-args", *(PARAMETERS if node == "camera_node" else ())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def wait_for_first_line(process: subprocess.Popen) -> None:
    """Wait until a node has blocked its signals, the first thing that it does (`ckd_ros.ros.process`); the thread that
    waits for them does not show it."""
    bit = 1 << (signal.SIGINT - 1)
    while process.poll() is None:
        for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
            with suppress(OSError):  # the thread has ended
                if int(re.findall(r"SigBlk:\s*(\w+)", status.read_text())[0], 16) & bit:
                    return
        time.sleep(0.005)


def wait(processes: list[subprocess.Popen], since: float) -> list[float]:
    """Seconds from `since` until each process had ended; one that does not is killed."""
    taken: dict[int, float] = {}
    while len(taken) < len(processes):
        time.sleep(0.01)
        for index, process in enumerate(processes):
            late = time.monotonic() - since > 10 * SECONDS
            if late:
                process.kill()
            if index not in taken and process.poll() is not None:
                taken[index] = time.monotonic() - since
    return [taken[index] for index in range(len(processes))]


if __name__ == "__main__":
    raise SystemExit(min(1, tyro.cli(main)))
