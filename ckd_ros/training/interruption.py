"""What ends a run between two steps, after it has saved a checkpoint: Ctrl-C, SIGTERM, and a limit of time."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


class Interrupted(KeyboardInterrupt):
    """A run that was told to stop, and has saved its state.

    Attributes:
        status: exit status of a program that ends because of it.
    """

    status = 130

    def __init__(self, stage: str, step: int, steps: int, saved: Path):
        super().__init__(
            f"stopped at step {step} of {steps} of stage '{stage}', saved in '{saved}': the same command resumes there"
        )


class OutOfTime(Interrupted):
    """A run that has used up the minutes it was given, and has saved its state.

    Its status is what `sysexits.h` calls EX_TEMPFAIL, "try again": a loop can tell it from a failure.
    """

    status = 75


class TimeLimit:
    """The minutes that a run may take, from now on; None: as many as it needs. Raises ValueError unless positive."""

    def __init__(self, minutes: float | None = None):
        if minutes is not None and not 0 < minutes < math.inf:
            raise ValueError(f"minutes is {minutes}: it must be a number above 0 (how long the run may take)")
        self._end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    @property
    def is_over(self) -> bool:
        """Whether the minutes have passed."""
        return time.monotonic() >= self._end


class StopRequests:
    """While entered, `received` tells whether to stop: a signal has come, or the limit of time is over.

    A second signal of its kind acts at once.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, limit: TimeLimit) -> None:
        self._limit, self._signalled = limit, False
        self._previous: dict[int, Handler] = {}

    @property
    def received(self) -> bool:
        """Whether the run is to stop."""
        return self._signalled or self._limit.is_over

    @property
    def ending(self) -> type[Interrupted]:
        """What a run that stops ends with."""
        return OutOfTime if self._limit.is_over and not self._signalled else Interrupted

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self._previous = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._signalled = True
        signal.signal(number, self._previous[number])
