"""The one thread in which the tracker runs, always on the newest pair."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from ckd_ros.frames import FramePair
from ckd_ros.ros.faults import FaultMonitor, described
from ckd_ros.ros.health import PairingHealth, RegistrationHealth
from ckd_ros.ros.pair_loader import PairLoader
from ckd_ros.ros.status import Status
from ckd_ros.ros.sync.pairing import FramePairer, PairingSnapshot
from ckd_ros.ros.sync.streams import CameraFrame, CameraPair, Verdict
from ckd_ros.ros.target_memory import IDLE, TargetMemory
from ckd_ros.tracking import TargetGroup, TrackResult, TrackState
from ckd_ros.tracking.image_quality import ImageQuality

T = TypeVar("T")

#: After a start in the past, buffered pairs are worked through this many times faster than they arrived, and pairs that
#: the tracker cannot manage at that pace are left out: it reaches the present after a time as long as the delay was,
#: however slow it is. A higher speed would leave out pairs that a tracker on two CPU cores manages at 20 Hz.
CATCH_UP_SPEED = 2.0
#: Without a stamp, a target is not started on an image older than this, seconds.
STALE_AFTER = 1.0
#: So many boxes of each target are kept, to see whether one that is drawn in the past is on a target that is followed.
#: In pairs that are so many apart a target is taken to be at the same place.
_PATH, _CLOSE = 300, 5


@dataclass(frozen=True)
class TrackedPair:
    """What the worker did with a pair: the results by the numbers of the targets, none while none is followed."""

    pair: CameraPair
    images: FramePair
    results: Mapping[int, TrackResult]


@dataclass
class TargetCount:
    """The number of the newest target; every new one has the next."""

    newest: int = 0


@dataclass(frozen=True)
class Progress:
    """Since the worker started: pairs it worked on, and pairs that came too fast while a target was followed."""

    pairs: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class WorkerSnapshot:
    """What a worker has done, at one moment; the default is that of a node without one.

    Attributes:
        targets: those that are followed and their states, as text for a person.
        formats: width, height and encoding of the newest image of each stream that sent one.
        offset: what is known of the offset between the stamps of the cameras.
        registration_offset: what is known of the shift of the target's thermal image.
    """

    targets: str = "no target"
    progress: Progress = Progress()
    pairing: PairingSnapshot = field(default_factory=PairingSnapshot)
    formats: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)
    offset: str = ""
    registration_offset: str = "not measured"

    def describe(self, status: Status) -> None:
        """Contribute to the status of the node."""
        status.note(self.targets)
        status.add("target", self.targets)
        status.add("pairs", self.progress.pairs)
        status.add("dropped", self.progress.dropped)
        self.pairing.describe(status)
        status.add("estimated stamp offset", self.offset)
        status.add("registration offset", self.registration_offset)

    def describe_stream(self, status: Status, stream: str) -> None:
        """Contribute to the status of a stream."""
        width, height, encoding = self.formats.get(stream, (0, 0, ""))
        status.add("image", f"{width} x {height} {encoding}")
        self.pairing.describe_stream(status, stream)


class TrackerWorker:
    """Runs `tracker` on what `pairer` has ready and gives every TrackedPair to `publish`, in its own thread.

    `targets` gives every new target its number; with `memory` targets outlive the worker, see `restore`.

    `add`, `submit`, `configure_pairing`, `snapshot`, `check_pairing`, `start` and `stop` may be called from any thread;
    the other methods only through `submit`.

    Attributes:
        loader: decodes the images; changed through `submit`.
    """

    def __init__(
        self,
        tracker: TargetGroup,
        pairer: FramePairer,
        loader: PairLoader,
        publish: Callable[[TrackedPair], None],
        faults: FaultMonitor,
        targets: TargetCount,
        memory: TargetMemory | None = None,
    ) -> None:
        self.tracker = tracker
        self.loader = loader
        self._pairing_health = PairingHealth()
        self._registration_health = RegistrationHealth()
        self._quality: ImageQuality | None = None  # while no target is followed: each target has its own
        self._progress = Progress()
        self._latest: Mapping[int, TrackResult] = {}
        self._pairer, self._publish, self._faults = pairer, publish, faults
        self._targets, self._memory = targets, memory
        self._changed = threading.Condition()
        self._actions: deque[tuple[Callable[[], Any], Future]] = deque()
        self._stopping = False
        self._reached: dict[int, int] = {}  # the number of the newest pair that each target was looked for in
        self._paths: dict[int, dict[int, np.ndarray]] = {}  # the box of each target by the number of the pair
        self._current: CameraPair | None = None
        self._catch_up: _CatchUp | None = None
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present work; actions that it has not begun are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        for _, future in self._actions:
            future.set_exception(CancelledError("the tracker is being stopped"))
        self._actions.clear()

    def add(self, frame: CameraFrame) -> Verdict:
        """Store an image that has just arrived."""
        with self._changed:
            verdict = self._pairer.add(frame)
            self._changed.notify()
        return verdict

    def submit(self, action: Callable[[], T]) -> Future[T]:
        """Have `action` done by the thread between two pairs."""
        future: Future[T] = Future()
        with self._changed:
            if self._stopping:
                future.set_exception(CancelledError("the tracker is being stopped"))
                return future
            self._actions.append((action, future))
            self._changed.notify()
        return future

    def snapshot(self) -> WorkerSnapshot:
        """What the worker has done so far, for the diagnostics."""
        with self._changed:
            pairing = self._pairer.snapshot()
        results = self._latest
        targets = ", ".join(f"target {target} {result.state.name}" for target, result in results.items())
        offsets = {target: result.describe_registration_offset() for target, result in results.items()}
        if len(offsets) > 1:
            offsets = {target: f"target {target}: {offset}" for target, offset in offsets.items()}
        return WorkerSnapshot(
            targets or "no target",
            self._progress,
            pairing,
            self.loader.formats,
            self.loader.offset,
            "; ".join(offsets.values()),
        )

    def check_pairing(self) -> None:
        """Report a fault where both streams deliver images but no pair was made since the last call."""
        with self._changed:
            pairing = self._pairer.snapshot()
        for key, message in self._pairing_health.inspect(pairing).items():
            self._faults.report(key, message)

    def configure_pairing(self, slop: float, timeout: float, history: float, drive: str) -> None:
        """Change the limits of the pairing and its drive, see `FramePairer`."""
        with self._changed:
            self._pairer.configure(slop, timeout, history, drive)

    def init_target(
        self, box: np.ndarray, stream: str, stamp: int | None, min_confidence: float = 0.0, most: int = 1
    ) -> tuple[int, float]:
        """Follow what is inside `box`, in pixels of the image of `stream` at `stamp` (None: the newest).

        Returns the target's id and how sure the network is of it. Raises LookupError where there is no such image,
        ValueError where the image or the box cannot be used, it is less sure than `min_confidence`, or `most` targets
        are followed already (see `TargetGroup.init`); those followed before are then still followed.
        """
        with self._changed:
            pair = self._pairer.newest(stream) if stamp is None else self._pairer.start_at(stream, stamp)
        age = (time.monotonic_ns() - pair.arrival) / 1e9
        if stamp is None and age > STALE_AFTER:
            sec, nanosec = divmod(getattr(pair, stream).stamp, 10**9)
            raise LookupError(
                f"the newest {stream} image arrived {age:.1f} s ago: is the camera running? If a bag is paused, give "
                f"the stamp of the image on which the box was drawn (the newest: {{sec: {sec}, nanosec: {nanosec}}})"
            )
        images, reasons = self.loader.load(pair)
        if images is None or getattr(images, stream) is None:
            raise ValueError(f"the {stream} image cannot be used: {reasons[stream]}")
        target = self._targets.newest + 1
        result = self.tracker.init(target, images, box, stream, min_confidence, most, self._boxes_at(pair))
        self._targets.newest = target
        self._reached[target] = pair.number
        self._note_targets()
        if self._catch_up is None or self._current is None or pair.number < self._current.number:
            self._advance(pair)
            self._catch_up = _CatchUp(pair.arrival, time.monotonic_ns())
        self._finish(TrackedPair(pair, images, {target: result}))
        return target, result.confidence

    def restore(self, most: int = 1) -> str:
        """Follow the targets that are remembered, at most so many. Returns, for a person, what became of them."""
        if self._memory is None:
            return IDLE
        what = self._memory.restore(self.tracker, most)
        self._reached = dict.fromkeys(self.tracker.targets, 0)
        self._targets.newest = max(self._targets.newest, *self.tracker.targets, 0)
        return what

    def stop_targets(self, target: int = 0) -> tuple[int, ...]:
        """Follow a target no more, or none at all (0). Returns the ids of those that were followed until now.

        Raises LookupError for one that is not followed.
        """
        followed = self.tracker.targets
        if target and target not in followed:
            names = ", ".join(map(str, followed))
            raise LookupError(f"target {target} is not followed: {f'followed: {names}' if followed else 'none is'}")
        stopped = (target,) if target else followed
        for one in stopped:
            self.tracker.remove(one)
        self._note_targets()
        return stopped

    def _boxes_at(self, pair: CameraPair) -> dict[int, np.ndarray]:
        """Where the targets were in a pair, or in one close to it; without those that were lost."""
        boxes = {}
        for target, path in self._paths.items():
            number = min(path, key=lambda one: abs(one - pair.number), default=None)
            if number is not None and abs(number - pair.number) <= _CLOSE:
                boxes[target] = path[number]
        return boxes

    def _note_targets(self) -> None:
        """Forget what is known of targets that are followed no more."""
        followed = self.tracker.targets
        self._reached = {target: number for target, number in self._reached.items() if target in followed}
        self._paths = {target: path for target, path in self._paths.items() if target in followed}
        if self._memory is not None:
            self._memory.keep(followed)
        if not followed:
            self._catch_up = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopping:
                    return
                action = self._actions.popleft() if self._actions else None
                pair = self._next() if action is None else None
            if action is not None:
                self._perform(*action)
            elif pair is not None:
                self._work_on(pair)

    def _has_work(self) -> bool:
        return self._stopping or bool(self._actions) or self._pairer.ready or self._catch_up is not None

    def _perform(self, action: Callable[[], Any], future: Future) -> None:
        try:
            future.set_result(action())
        except Exception as error:
            future.set_exception(error)

    def _next(self) -> CameraPair | None:
        """The pair to work on now: while catching up a buffered one, else the newest."""
        if self._catch_up is not None and self._current is not None:
            later = self._pairer.after(self._current)
            if later:
                chosen = self._catch_up.choose(later, time.monotonic_ns())
                self._pairer.mark_taken(chosen)
                self._advance(chosen)
                return chosen
        self._catch_up = None
        newest = self._pairer.take()
        if newest is not None:
            if self.tracker.targets and self._current is not None:
                missed = max(0, newest.number - self._current.number - 1)  # a single image may have paired since
                self._progress = replace(self._progress, dropped=self._progress.dropped + missed)
            self._advance(newest)
        return newest

    def _advance(self, pair: CameraPair) -> None:
        self._current = pair
        self._progress = replace(self._progress, pairs=self._progress.pairs + 1)

    def _work_on(self, pair: CameraPair) -> None:
        """One pair from images to TrackedPair. Whatever goes wrong is a fault, and the next pair gets its chance."""
        try:
            # A target that is catching up is looked for in pairs that the others were looked for in long ago.
            due = [target for target, reached in self._reached.items() if reached < pair.number]
            if self._reached and not due:
                return
            images, _ = self.loader.load(pair)
            if images is not None:
                self._reached.update(dict.fromkeys(due, pair.number))
                self._finish(TrackedPair(pair, images, self.tracker.update(images, due)))
                for target, error in self.tracker.failures.items():
                    self._faults.report(f"target {target}", f"target {target} was not followed: {described(error)}")
        except Exception as error:
            self._faults.report("tracker", f"a pair could not be processed: {described(error)}")

    def _finish(self, tracked: TrackedPair) -> None:
        problems: dict[str, str] = {}
        for result in tracked.results.values():
            problems.update(result.problems)
        if tracked.results:
            self._quality = None
        else:
            self._quality = self._quality or ImageQuality()
            problems.update(self._quality.of(tracked.images).problems)
            problems.update(self._registration_health.inspect(tracked.images, self.tracker.registration))
        for key, message in problems.items():
            self._faults.report(key, message)
        for target, result in tracked.results.items():
            path = self._paths.setdefault(target, {})
            if result.state is not TrackState.LOST:
                path[tracked.pair.number] = result.box
            while len(path) > _PATH:
                del path[next(iter(path))]
        others = {target: result for target, result in self._latest.items() if target in self.tracker.targets}
        self._latest = {**others, **tracked.results}
        self._publish(tracked)
        if self._memory is not None:
            try:
                for target, result in tracked.results.items():
                    self._memory.note(target, tracked.images, result)
            except OSError as error:
                self._faults.report("init.restore", f"the target cannot be remembered: {error}")


@dataclass(frozen=True)
class _CatchUp:
    """The way from a pair in the past to the present: when that pair arrived, and when the tracker began to work on it,
    both in nanoseconds."""

    arrival: int
    begin: int

    def choose(self, later: list[CameraPair], now: int) -> CameraPair:
        """One of the later pairs: the first, or as far on as the pace demands."""
        due = self.arrival + CATCH_UP_SPEED * (now - self.begin)
        chosen = later[0]
        for pair in later:
            if pair.arrival <= due:
                chosen = pair
        return chosen
