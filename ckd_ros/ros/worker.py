"""The one thread in which the tracker runs, always on the newest pair."""

from __future__ import annotations

import copy
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace

import numpy as np

from ckd_ros.frames import FramePair, Image
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.health import StreamHealth
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, Counters, Frame, Pair, Verdict
from ckd_ros.tracking import Tracker, TrackResult

#: After a start in the past, buffered pairs are worked through this many times faster than they came, and what the
#: tracker cannot do at that pace is left out: the present is reached after as long as the delay was, however slow the
#: tracker. A higher speed would leave out pairs that a tracker on two CPU cores manages at 20 Hz.
CATCH_UP_SPEED = 2.0
#: A target cannot be started on images older than this without saying so with a stamp, seconds.
STALE_AFTER = 1.0


@dataclass(frozen=True)
class TrackedPair:
    """What the worker did with a pair. `result` is None while no target is followed (`target` is then 0)."""

    pair: Pair
    images: FramePair
    result: TrackResult | None
    target: int


@dataclass(frozen=True)
class Progress:
    """Since the worker started: pairs it worked on, and pairs that came too fast while a target was followed."""

    pairs: int = 0
    dropped: int = 0


class TrackerWorker:
    """Runs `tracker` on what `pairer` has ready and gives every TrackedPair to `publish`, in its own thread.

    `targets` numbers the targets. `outcome` is the newest TrackedPair, None before the first.

    `add`, `submit`, `start` and `stop` may be called from any thread; the other methods only through `submit`.
    """

    def __init__(
        self,
        tracker: Tracker,
        pairer: FramePairer,
        publish: Callable[[TrackedPair], None],
        faults: FaultMonitor,
        targets: Iterator[int],
    ) -> None:
        self.tracker = tracker
        self.health = {name: StreamHealth(name) for name in (RGB, THERMAL)}
        self.progress = Progress()
        self.outcome: TrackedPair | None = None
        self._pairer, self._publish, self._faults, self._targets = pairer, publish, faults, targets
        self._changed = threading.Condition()
        self._actions: deque[tuple[Callable[[], object], Future]] = deque()
        self._stopping = False
        self._target = 0
        self._current: Pair | None = None
        self._replay: _Replay | None = None
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after what it is doing; actions that it did not begin are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        for _, future in self._actions:
            future.set_exception(CancelledError("the tracker is being stopped"))
        self._actions.clear()

    def add(self, frame: Frame) -> Verdict:
        """Store an image that has just arrived."""
        with self._changed:
            verdict = self._pairer.add(frame)
            self._changed.notify()
        return verdict

    def submit(self, action: Callable[[], object]) -> Future:
        """Have `action` done by the thread between two pairs."""
        future: Future = Future()
        with self._changed:
            if self._stopping:
                future.set_exception(CancelledError("the tracker is being stopped"))
                return future
            self._actions.append((action, future))
            self._changed.notify()
        return future

    def pairing(self) -> tuple[Counters, float | None]:
        """Counters of the pairer and the stamp offset of the two streams in seconds, for the diagnostics."""
        with self._changed:
            return copy.deepcopy(self._pairer.counters), self._pairer.offset()

    def configure_pairing(self, slop: float, timeout: float, history: float) -> None:
        with self._changed:
            self._pairer.configure(slop, timeout, history)

    def init_target(self, box: np.ndarray, stream: str, stamp: int | None) -> int:
        """Follow what is inside `box`, in pixels of the image of `stream` at `stamp` (None: the newest).

        Returns the target's id. Raises LookupError where there is no such image, ValueError where the image or the box
        cannot be used; the target followed before is then still followed.
        """
        with self._changed:
            pair = self._pairer.newest(stream) if stamp is None else self._pairer.start_at(stream, stamp)
        age = (time.monotonic_ns() - pair.arrival) / 1e9
        if stamp is None and age > STALE_AFTER:
            raise LookupError(f"the newest {stream} image came {age:.1f} s ago: is the camera running?")
        images, reasons = self._load(pair)
        if images is None or getattr(images, stream) is None:
            raise ValueError(f"the {stream} image cannot be used: {reasons[stream]}")
        result = self.tracker.init(images, box, drawn_in=stream)
        self._target = next(self._targets)
        self._advance(pair)
        self._replay = _Replay(pair.arrival, time.monotonic_ns())
        self._finish(TrackedPair(pair, images, result, self._target))
        return self._target

    def stop_target(self) -> int:
        """Follow nothing any more. Returns the id of the target that was followed, 0 for none."""
        stopped, self._target, self._replay = self._target, 0, None
        return stopped

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopping:
                    return
                action, future = self._actions.popleft() if self._actions else (None, None)
                pair = self._next() if action is None else None
            if action is not None:
                self._perform(action, future)
            elif pair is not None:
                self._work_on(pair)

    def _has_work(self) -> bool:
        return self._stopping or bool(self._actions) or self._pairer.ready or self._replay is not None

    def _perform(self, action: Callable[[], object], future: Future) -> None:
        try:
            future.set_result(action())
        except Exception as error:
            future.set_exception(error)

    def _next(self) -> Pair | None:
        if self._replay is not None:
            later = self._pairer.after(self._current)
            if later:
                pair = self._replay.choose(later, time.monotonic_ns())
                self._pairer.mark_taken(pair)
                self._advance(pair)
                return pair
            self._replay = None
        pair = self._pairer.take()
        if pair is not None:
            if self._target and self._current is not None:
                missed = max(0, pair.number - self._current.number - 1)  # a single image may have paired since
                self.progress = replace(self.progress, dropped=self.progress.dropped + missed)
            self._advance(pair)
        return pair

    def _advance(self, pair: Pair) -> None:
        self._current = pair
        self.progress = replace(self.progress, pairs=self.progress.pairs + 1)

    def _work_on(self, pair: Pair) -> None:
        """One pair from images to TrackedPair. Whatever goes wrong is a fault, and the next pair gets its chance."""
        try:
            images, _ = self._load(pair)
            if images is not None:
                result = self.tracker.update(images) if self._target else None
                self._finish(TrackedPair(pair, images, result, self._target))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._faults.report(
                "tracker", f"a pair could not be worked on: {error!r} in {last.name} ({last.filename}:{last.lineno})"
            )

    def _finish(self, outcome: TrackedPair) -> None:
        self.outcome = outcome
        self._publish(outcome)

    def _load(self, pair: Pair) -> tuple[FramePair | None, dict[str, str]]:
        """The images of a pair, without those that are broken (None if all are), and why an image is missing."""
        images: dict[str, Image] = {}
        reasons = {name: f"no {name} image came with it" for name in (RGB, THERMAL)}
        for frame in pair.frames:
            try:
                images[frame.stream] = frame.load()
            except ValueError as error:
                reasons[frame.stream] = str(error)
                self._faults.report(f"{frame.stream} image", f"{frame.stream} image cannot be used: {error}")
                continue
            for key, message in self.health[frame.stream].inspect(images[frame.stream], time.monotonic()).items():
                self._faults.report(key, message)
        if not images:
            return None, reasons
        stamps = {frame.stream: frame.stamp for frame in pair.frames if frame.stream in images}
        return FramePair(images.get(RGB), images.get(THERMAL), stamps.get(RGB), stamps.get(THERMAL)), reasons


@dataclass(frozen=True)
class _Replay:
    """Catching up from a pair that came at `start` and was started on at `begun`, both in nanoseconds."""

    start: int
    begun: int

    def choose(self, later: list[Pair], now: int) -> Pair:
        """The next of the pairs that came later: never the one before, and as far on as the pace demands."""
        due = self.start + CATCH_UP_SPEED * (now - self.begun)
        chosen = later[0]
        for pair in later:
            if pair.arrival <= due:
                chosen = pair
        return chosen
