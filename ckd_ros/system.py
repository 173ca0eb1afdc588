"""What the operating system is asked for: cores, what the CPU can, and the end of a process with its children."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_BYTE_PRODUCTS = {"avxvnni", "avx512vnni", "asimddp"}  # Linux's names of the instructions on x86 and ARM, without _


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def multiplies_bytes() -> bool:
    """Whether the CPU adds products of 8-bit numbers in 32 bits, as int8 networks want them: fast, and exact.

    x86 CPUs without VNNI add pairs of them in 16 bits, which overflow. Where it cannot be told: False.
    """
    try:
        words = set(_CPU_INFO.read_text().replace("_", "").split())
    except OSError:
        return False
    return bool(words & _BYTE_PRODUCTS)


def end_process_group(
    process: subprocess.Popen | BaseProcess, grace: float, signals: Sequence[signal.Signals] = ()
) -> None:
    """End a process that leads a process group, with everything that it started there.

    It gets `grace` seconds to end by itself, or, where there are `signals`, after each one that its group is sent
    in turn. Whatever of the group is then left is killed.
    """
    if not signals:
        _ends_within(process, grace)
    for number in signals:
        if _ends_within(process, 0.0):
            break
        _signal_group(process, number)
        _ends_within(process, grace)
    _signal_group(process, signal.SIGKILL)  # the group outlives its leader
    process.kill()  # one that has only just started does not lead its group yet
    _ends_within(process, None)


def _ends_within(process: subprocess.Popen | BaseProcess, seconds: float | None) -> bool:
    """Wait for so many seconds (None: for as long as it takes); whether the process has ended."""
    if isinstance(process, BaseProcess):
        process.join(seconds)
        return process.exitcode is not None
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _signal_group(process: subprocess.Popen | BaseProcess, number: signal.Signals) -> None:
    if process.pid is not None:  # else it was never started
        with suppress(ProcessLookupError, PermissionError):  # the group is gone, or not yet there
            os.killpg(process.pid, number)
