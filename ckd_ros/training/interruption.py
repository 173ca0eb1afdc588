"""Ctrl-C and SIGTERM end a run between two steps, after it has saved a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


class Interrupted(KeyboardInterrupt):
    """A run that was told to stop, and has saved its state."""

    def __init__(self, stage: str, step: int, steps: int, saved: Path):
        super().__init__(
            f"stopped at step {step} of {steps} of stage '{stage}', saved in '{saved}': the same command resumes there"
        )


class StopSignals:
    """While entered, `received` tells whether a stop signal has arrived. A second one of its kind acts at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.received = False
        self._previous: dict[int, Handler] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self._previous = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.received = True
        signal.signal(number, self._previous[number])
