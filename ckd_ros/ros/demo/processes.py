"""The package's nodes as child processes, with a log file each, that never outlive their parent's work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ckd_ros.files import package_file
from ckd_ros.system import end_process_group

#: ROS 2 distributions on Fast DDS 2, which names the variable differently.
_FAST_DDS_2 = ("humble", "iron", "jazzy")
#: Seconds a node may take to end after each signal before the next, harder one.
PATIENCE = 5.0
_SHOWN = 20  # lines of the log in the error


def use_large_images() -> None:
    """Have Fast DDS, in this process and its children, carry images in shared memory that holds them.

    Whatever the user has set stays. See `config/fastdds.xml`. Call before `rclpy.init`.
    """
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    if not any(name in os.environ for name in names):
        os.environ[names[os.environ.get("ROS_DISTRO") in _FAST_DDS_2]] = str(package_file("config/fastdds.xml"))


class ProcessFailed(RuntimeError):
    """A node died; the message shows the end of its log."""


class NodeProcess:
    """One executable of the package, running while the context lasts.

    Args:
        name: module of `ckd_ros.ros`, as `tracker_node`.
        parameters: its ROS parameters.
        folder: where `NAME.log` and `NAME.yaml` (the parameters) are written.
        ends: whether it may end by itself, with exit code 0.
    """

    def __init__(self, name: str, parameters: dict[str, object], folder: Path, ends: bool = False) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._parameters, self._file, self._ends = parameters, folder / f"{name}.yaml", ends

    def __enter__(self) -> NodeProcess:
        # A file, because sources such as ',thermal.mp4' are no plain YAML; JSON is YAML.
        self._file.write_text(json.dumps({"/**": {"ros__parameters": self._parameters}}, indent=1) + "\n")
        command = [sys.executable, "-m", f"ckd_ros.ros.{self.name}", "--ros-args", "--params-file", str(self._file)]
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
        end_process_group(self._process, PATIENCE, (signal.SIGINT, signal.SIGTERM))

    def running(self) -> bool:
        return self._process.poll() is None

    def warnings(self) -> list[str]:
        """The newest lines of its log that warn of something."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith(("[WARN]", "[ERROR]", "[FATAL]"))][-_SHOWN:]

    def check(self) -> None:
        """Raise ProcessFailed if it ended in another way than it may."""
        code = self._process.poll()
        if code is None or (code == 0 and self._ends):
            return
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-_SHOWN:])
        raise ProcessFailed(f"{self.name} ended with exit code {code}; {self.log} ends with:\n{end}")
