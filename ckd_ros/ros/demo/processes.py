"""The package's nodes as child processes, each with a log file; none outlives its context."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ckd_ros.system import end_process_group

#: Seconds a node may take to end after each signal before the next, harder one.
GRACE = 5.0
#: The newest lines of a log that are shown.
_SHOWN = 20


class ProcessFailed(RuntimeError):
    """A node died; the message shows the end of its log."""


class NodeProcess:
    """One executable of the package, running while the context lasts.

    Args:
        name: module of `ckd_ros.ros`, as `tracker_node`.
        parameters: its ROS parameters.
        folder: where `NAME.log` and `NAME.yaml` (the parameters) are written.
        may_end: whether it may end by itself, with exit code 0.
    """

    def __init__(self, name: str, parameters: Mapping[str, object], folder: Path, may_end: bool = False) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._parameters, self._parameter_file, self._may_end = parameters, folder / f"{name}.yaml", may_end
        self._expected: set[str] = set()

    def __enter__(self) -> NodeProcess:
        # A file, because sources such as ',thermal.mp4' are not plain YAML on a command line; JSON is YAML.
        self._parameter_file.write_text(
            json.dumps({"/**": {"ros__parameters": dict(self._parameters)}}, indent=1) + "\n"
        )
        command = [
            sys.executable,
            "-m",
            f"ckd_ros.ros.{self.name}",
            "--ros-args",
            "--params-file",
            str(self._parameter_file),
        ]
        with open(self.log, "w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is for the parent, which then ends its children in order
            )
        return self

    def __exit__(self, *error) -> None:
        end_process_group(self._process, GRACE, (signal.SIGINT, signal.SIGTERM))

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def expect_warnings(self, text: str) -> None:
        """The warnings so far that say `text` were to be expected."""
        self._expected = {line for line in self.warnings() if text in line}

    def warnings(self) -> list[str]:
        """The newest warnings and errors in its log that were not expected, one line each."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line for line in lines if line.startswith(("[WARN]", "[ERROR]", "[FATAL]"))]
        return [line for line in told if line not in self._expected][-_SHOWN:]

    def check(self) -> None:
        """Raise ProcessFailed if it has ended in a way in which it must not."""
        code = self._process.poll()
        if code is None or (code == 0 and self._may_end):
            return
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-_SHOWN:])
        raise ProcessFailed(f"{self.name} ended with exit code {code}; {self.log} ends with:\n{end}")
