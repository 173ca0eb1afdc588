"""Says what a long step of the set-up is doing, and shows the whole output of a command only when it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path


class SetupError(Exception):
    """What is wrong with the machine, and what to do about it."""


class Progress:
    """One step: its title, the last line of what runs on a terminal, and how long it took."""

    KEPT_LINES = 60

    def __init__(self, title: str) -> None:
        self.title = title
        self.live = sys.stdout.isatty()
        self.started = time.monotonic()

    def __enter__(self) -> Progress:
        print(f"{self.title} ...", end="" if self.live else "\n", flush=True)
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            seconds = f"{time.monotonic() - self.started:.0f} s"
            print(f"\r\x1b[K{self.title}: {seconds}" if self.live else f"      done in {seconds}", flush=True)
        elif self.live:
            print()

    def say(self, line: str) -> None:
        """Shows `line` in place of the one before it, where there is a terminal to show it on."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print("\r\x1b[K" + f"{self.title}: {line.strip()}"[:width], end="", flush=True)

    def keep(self, line: str) -> None:
        """Shows `line` below the title, where it stays."""
        print(("\r\x1b[K" if self.live else "") + f"      {line}", flush=True)

    def run(self, command: list, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
        """Runs `command` to its end.

        Raises SetupError with the end of its output when it fails or is not there.
        """
        command = [str(part) for part in command]
        kept: deque[str] = deque(maxlen=self.KEPT_LINES)
        try:
            process = subprocess.Popen(
                command, cwd=cwd, env=env, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except FileNotFoundError as error:
            raise SetupError(f"{command[0]} is not there: {error}") from error
        for line in process.stdout:
            kept.append(line)
            if line.strip():
                self.say(line)
        if process.wait():
            raise SetupError(f"this failed (exit status {process.returncode}): {' '.join(command)}\n\n{''.join(kept)}")
