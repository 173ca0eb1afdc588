"""Ctrl-C and SIGTERM end a run between two steps, so that what it saves is whole."""

from __future__ import annotations

import signal
import threading
from pathlib import Path


class Interrupted(KeyboardInterrupt):
    """A run that was told to stop, and has saved where it stands."""

    def __init__(self, stage: str, step: int, steps: int, saved: Path):
        super().__init__(
            f"stopped at step {step} of {steps} of stage '{stage}', saved in '{saved}': the same command goes on there"
        )


class StopRequest:
    """While entered, `asked` tells whether a signal has come. A second one of its kind acts at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self.asked = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self._former = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame) -> None:
        self.asked = True
        signal.signal(number, self._former[number])
