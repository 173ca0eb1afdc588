"""The end of process groups, and the cores that may be used."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from ckd_ros import system
from ckd_ros.system import end_process_group, multiplies_bytes, usable_cores

#: Starts a child that sleeps, prints both process numbers, and sleeps too.
PARENT = """
import os, signal, subprocess, sys, time
{}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), child.pid, flush=True)
{}
"""
IGNORE = "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)"


def started(before="", after="time.sleep(60)"):
    """A process that leads a group of its own, and the numbers of it and its child."""
    command = [sys.executable, "-c", PARENT.format(before, after)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    return process, [int(number) for number in process.stdout.readline().split()]


def running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_gone(numbers):
    limit = time.monotonic() + 10
    while any(map(running, numbers)) and time.monotonic() < limit:
        time.sleep(0.01)
    return not any(map(running, numbers))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("before", "after", "signals", "code"),
    [
        ("", "time.sleep(60)", (), -signal.SIGKILL),
        ("", "time.sleep(60)", (signal.SIGTERM,), -signal.SIGTERM),
        (IGNORE, "time.sleep(60)", (signal.SIGINT, signal.SIGTERM), -signal.SIGKILL),
        ("", "sys.exit(3)", (), 3),
        ("", "sys.exit(3)", (signal.SIGINT,), 3),
    ],
    ids=["killed", "terminated", "ignores signals", "ends by itself", "ended before it is told to"],
)
def test_a_process_ends_with_what_it_started(before, after, signals, code):
    process, numbers = started(before, after)
    if code == 3:
        assert process.wait(10) == 3 and running(numbers[1]), "the child outlives its parent"
    end_process_group(process, 0.2, signals)
    assert process.returncode == code
    assert all_gone(numbers)


def test_a_process_of_multiprocessing_ends_before_it_leads_its_group():
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    end_process_group(process, 0.0)
    assert process.exitcode == -signal.SIGKILL


def test_grace_lasts_only_until_the_process_ends():
    process, _ = started(after="sys.exit()")
    begin = time.monotonic()
    end_process_group(process, 60.0)
    assert process.returncode == 0 and time.monotonic() - begin < 30


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be left out on Linux only")
def test_only_the_cores_that_this_process_may_use_are_counted():
    before = os.sched_getaffinity(0)
    assert usable_cores() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    "text, can",
    [
        ("flags\t\t: fpu sse4_2 avx2 avx512f avx512_vnni bmi2", True),
        ("flags\t\t: fpu avx2 avx_vnni", True),
        ("flags\t\t: fpu sse4_2 avx2 avx512f", False),
        ("Features\t: fp asimd aes atomics asimddp", True),
        ("Features\t: fp asimd aes", False),
    ],
)
def test_what_the_cpu_makes_of_bytes_is_read_from_its_instructions(tmp_path, monkeypatch, text, can):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{text}\n")
    monkeypatch.setattr(system, "_CPU_INFO", file)
    assert multiplies_bytes() is can


def test_a_cpu_that_cannot_be_asked_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "_CPU_INFO", tmp_path / "none")
    assert not multiplies_bytes()
