"""Any program as a tracker: a child process that gets a line for each frame and answers with a line.

    init<TAB>RGB_PATH<TAB>THERMAL_PATH<TAB>x,y,w,h      a new target, marked in these images
    update<TAB>RGB_PATH<TAB>THERMAL_PATH                the next images

come in on its standard input, one line a frame, and each wants one line on its standard output, flushed:

    x,y,w,h            or            x,y,w,h,confidence            `nan,nan,nan,nan`: no box

Boxes are in RGB pixels (thermal ones where there are thermal images only). Images are PNG files, 8 or 16 bits, that are
removed when the answer is there; `-` stands for one that is missing. docs/trackers.md has an example.
"""

from __future__ import annotations

import fcntl
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import BinaryIO, cast

import cv2
import numpy as np

from ckd_ros.colour import as_opencv
from ckd_ros.evaluation.provenance import fingerprint, versions
from ckd_ros.evaluation.trackers.interface import BoxEstimate, SequenceTracker
from ckd_ros.frames import FramePair, Image
from ckd_ros.system import end_process_group

#: Seconds that a program may take for a frame, and for the first one, when it loads what it needs.
FRAME_SECONDS, START_SECONDS = 60.0, 300.0
_GRACE = 1.0  # seconds to end by itself when nothing more is to come
_PREFIX = "ckd-program-"  # of the folders for images
_QUOTED = 5  # lines of its log in an error
#: Linux ends the child with its parent (the thread that started it), however that ends. A Python of its own asks for it
#: and then becomes the program, for a process with threads must not run Python after a fork. 1 is PR_SET_PDEATHSIG.
_LAUNCH = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit()\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)


class ProgramError(RuntimeError):
    """A program that ended, was silent, or gave an answer that cannot be read."""


class Program:
    """A tracker that runs as a program.

    The program is started by the first `init` and asked to `init` again for every later target. It ends with this
    object: its standard input is closed, and what is still running a second later is killed, with all that it started.
    After an error it is killed, and the next `init` starts it anew.

    Args:
        command: the words of its command line.
        frame_seconds, start_seconds: how long it may take for an answer, and for the first one after its start.

    `init` and `update` raise ProgramError naming the command, what was wrong, and the last lines of what the program
    wrote to its standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        frame_seconds: float = FRAME_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._command, self._frame_seconds, self._start_seconds = list(command), frame_seconds, start_seconds
        self._child: _Child | None = None
        self._number = 0

    def init(self, pair: FramePair, box: np.ndarray) -> BoxEstimate:
        seconds = self._frame_seconds
        if self._child is None:
            self._child, seconds = _Child(self._command), self._start_seconds
        self._child.forget_log()
        return self._ask(self._child, "init", pair, seconds, ",".join(f"{value:.9g}" for value in box))

    def update(self, pair: FramePair) -> BoxEstimate:
        if self._child is None:
            raise RuntimeError("no target to follow: call init(pair, box) before update(pair)")
        return self._ask(self._child, "update", pair, self._frame_seconds)

    def close(self) -> None:
        """End the program."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ask(self, child: _Child, what: str, pair: FramePair, seconds: float, *more: str) -> BoxEstimate:
        self._number += 1
        names = (f"rgb-{self._number:08d}.png", f"thermal-{self._number:08d}.png")
        paths = [child.folder / name for name in names]
        try:
            images = [write_image(image, path) for image, path in zip((pair.rgb, pair.thermal), paths, strict=True)]
            line = child.ask("\t".join((what, *images, *more)), seconds)
            return parse_answer(line)
        except (ProgramError, ValueError) as error:
            log = child.log_tail()
            self.close()
            command = shlex.join(self._command)
            raise ProgramError(f"'{command}' {error}{f'; it wrote: {log}' if log else ''}") from None
        finally:
            for path in paths:
                path.unlink(missing_ok=True)


class _Child:
    """A running program, with a folder of its own for images and log."""

    def __init__(self, command: Sequence[str]) -> None:
        parent = _fast_folder()
        _remove_leftovers(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._log: BinaryIO = open(self.folder / "log", "ab+")
        fcntl.flock(self._log, fcntl.LOCK_EX)  # the child holds it too: free when both are gone
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                start_new_session=True,  # a process group of its own, to be ended as one
            )
        except OSError:
            shutil.rmtree(self.folder)
            raise
        self._unread = b""
        # With this object, or with this process, one of `multiprocessing` too, which does without `atexit`.
        self.end = Finalize(self, _end_program, (self._process, self._log, self.folder), exitpriority=0)

    def ask(self, request: str, seconds: float) -> str:
        """The line that answers a request. Raises ProgramError without one."""
        self._read(0.0)
        if self._unread:
            raise ProgramError(f"wrote more than one line for a frame: {self._unread[:200].decode(errors='replace')!r}")
        deadline = time.monotonic() + seconds
        try:
            _pipes(self._process)[0].write(f"{request}\n".encode())
        except BrokenPipeError:
            raise ProgramError(self._how_it_ended()) from None
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0:
                received = f" after {self._unread[:200].decode(errors='replace')!r}" if self._unread else ""
                raise ProgramError(f"did not answer '{request.split()[0]}' within {seconds:g} s{received}")
            if not self._read(left):
                raise ProgramError(self._how_it_ended())
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace").strip()

    def forget_log(self) -> None:
        """What it wrote about earlier targets is of no use, and the folder may be memory."""
        self._log.truncate(0)

    def log_tail(self) -> str:
        """The end of what it wrote to its standard error."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 2000))
        lines = self._log.read().decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-_QUOTED:] if line.strip())

    def _read(self, seconds: float) -> bool:
        """Read what it writes within so many seconds; False when it has closed its standard output."""
        output = _pipes(self._process)[1]
        if not select.select([output], [], [], seconds)[0]:
            return True
        received = os.read(output.fileno(), 65536)
        self._unread += received
        return bool(received)

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "closed its standard output"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"


def _end_program(process: subprocess.Popen[bytes], log: BinaryIO, folder: Path) -> None:
    requests, answers = _pipes(process)
    with suppress(OSError):
        requests.close()
    end_process_group(process, _GRACE)
    answers.close()
    log.close()
    shutil.rmtree(folder, ignore_errors=True)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output of a process that was started with both of them as pipes."""
    return cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)


def write_image(image: Image | None, path: Path) -> str:
    """Write an image as PNG, as it is (16 bits stay 16, alpha is left out). Returns its path, `-` without an image."""
    if image is None:
        return "-"
    # Not compressed: the file lives for one frame, mostly in memory.
    if not cv2.imwrite(str(path), as_opencv(image), [cv2.IMWRITE_PNG_COMPRESSION, 0]):
        raise OSError(f"'{path}' cannot be written")
    return str(path)


def parse_answer(line: str) -> BoxEstimate:
    """`x,y,w,h[,confidence]`. Raises ValueError for anything else; four NaN mean that there is no box."""
    try:
        values = np.array([float(value) for value in line.split(",")])
    except ValueError:
        values = np.zeros(0)
    box = values[:4]
    if len(values) not in (4, 5) or not (np.isfinite(box).all() or np.isnan(box).all()) or (box[2:] < 0).any():
        raise ValueError(f"answered {line[:200]!r}: expected x,y,w,h or x,y,w,h,confidence, w and h not negative")
    return BoxEstimate(box, float(np.clip(values[4], 0.0, 1.0)) if len(values) == 5 else float("nan"))


def _fast_folder() -> Path:
    """Memory, where the system offers it as files, else where temporary files go."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _remove_leftovers(parent: Path) -> None:
    """Remove what evaluations that were killed left there: folders of a minute and more, of no living process."""
    for log in parent.glob(f"{_PREFIX}*/log"):
        try:
            with open(log, "ab") as file:
                if time.time() - log.parent.stat().st_mtime > 60.0:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(log.parent, ignore_errors=True)
        except OSError:
            continue  # somebody's who lives, or another user's


@dataclass(frozen=True)
class ProgramTracker:
    """A program that is talked to by lines, see `program`. `line`: how it is started, as in a shell."""

    line: str

    def label(self) -> str:
        """The stem of the script, or of the program where there is none."""
        words = self.words()
        return Path(next((word for word in words if word.endswith((".py", ".sh"))), words[0])).stem

    def words(self) -> list[str]:
        """Raises ValueError if it is not a command line."""
        try:
            words = shlex.split(self.line)
        except ValueError as error:
            raise ValueError(f"'{self.line}' is not a command line: {error}") from None
        if not words:
            raise ValueError("'program:' needs a command line: program:python my_tracker.py")
        return words

    def check(self) -> None:
        words = self.words()
        if shutil.which(words[0]) is None:
            raise FileNotFoundError(f"program '{words[0]}' was not found: it is needed to run '{self.line}'")
        if len(words) > 1 and words[1].endswith((".py", ".sh")) and not Path(words[1]).is_file():
            raise FileNotFoundError(f"file '{words[1]}' does not exist: it is needed to run '{self.line}'")

    def make(self) -> SequenceTracker:
        return _program(tuple(self.words()))

    def settings(self) -> dict:
        """The files are those that the command line names: script, settings, weights."""
        named = [Path(word.partition("=")[2] if word.startswith("-") else word) for word in self.words()[1:]]
        return {
            "kind": "program",
            "settings": {"command": self.line},
            "files": [fingerprint(path) for path in named if path.is_file()],
            "versions": versions(),
        }


@lru_cache(maxsize=1)
def _program(words: tuple[str, ...]) -> Program:
    """One for all sequences that a process runs: what it loads at its start may take longer than a sequence."""
    return Program(words)
