"""Several targets in the same images: each with a tracker of its own, told apart, asked about together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ckd_ros.frames import FramePair
from ckd_ros.geometry import FloatArray, iou
from ckd_ros.tracking.confidence import TrackState
from ckd_ros.tracking.engine.spec import MANY, Engine
from ckd_ros.tracking.image_statistics import Measurements
from ckd_ros.tracking.inference import Steps, run_steps
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.tracker import Tracker, TrackerConfig, TrackResult

#: IoU from which on two boxes are close enough that only one of the targets can be the one that is seen there.
_TOUCHING = 0.2
#: IoU from which on a box that is drawn is taken for that of the target that is followed there.
_SAME = 0.5


class TargetGroup:
    """Follows targets by their numbers. Not for use by several threads at once.

    Targets are each other's look-alikes: a target that is seen for certain keeps the others away from its box (see
    `TargetFinder.taken`). Of two that meet, the surer one keeps it, and the other is looked for beside it.

    Args:
        engine, registration, config: as of `Tracker`, for all targets.

    Attributes:
        failures: what went wrong in the last `update`, by target.
    """

    def __init__(
        self, engine: Engine, registration: Registration | None = None, config: TrackerConfig | None = None
    ) -> None:
        self._engine, self.registration = engine, registration or Registration()
        self.config = config or TrackerConfig()
        self._trackers: dict[int, Tracker] = {}
        self._results: dict[int, TrackResult] = {}
        self._measurements = Measurements()
        self.failures: dict[int, Exception] = {}
        self._geometry: PairGeometry | None = (
            None  # a target that is shown while a camera is away needs its image's size
        )

    @property
    def targets(self) -> tuple[int, ...]:
        """The numbers of those that are followed, in the order in which they were shown."""
        return tuple(self._trackers)

    def configure(self, registration: Registration, config: TrackerConfig) -> None:
        """Change the settings between two frames; the targets stay."""
        self.registration, self.config = registration, config
        if self._geometry is not None:
            self._geometry = replace(self._geometry, registration=registration)
        for tracker in self._trackers.values():
            tracker.configure(registration, config)

    def init(
        self,
        target: int,
        pair: FramePair,
        box: npt.ArrayLike,
        drawn_in: str = "rgb",
        min_confidence: float = 0.0,
        most: int = 1,
        boxes: Mapping[int, FloatArray] | None = None,
    ) -> TrackResult:
        """Follow what is inside `box` as this target; see `Tracker.init` for the other arguments.

        A target that is followed there already is given up for it, and so is the only one where `most` is 1. `boxes`:
        where the others are in this pair, by number, if it is not the newest; one that is not named is elsewhere.

        Raises ValueError for a box that cannot be followed, and where `most` other targets are followed. Whatever is
        raised, the targets that were followed still are.
        """
        tracker = Tracker(self._engine, self.registration, self.config, self._geometry, self._measurements)
        result = tracker.init(pair, box, drawn_in, min_confidence)
        if boxes is None:
            boxes = {number: one.box for number, one in self._results.items() if one.state is not TrackState.LOST}
        replaced = [number for number, other in boxes.items() if float(iou(other, result.box)) > _SAME]
        if most == 1:
            replaced = [*self.targets]
        elif len(self.targets) - len(replaced) >= most:
            followed = ", ".join(map(str, self.targets))
            raise ValueError(f"targets {followed} are followed, and max_targets is {most}: stop one of them")
        for number in replaced:
            self.remove(number)
        self._trackers[target], self._results[target] = tracker, result
        self._observe(pair)
        return result

    def remove(self, target: int) -> None:
        """Follow a target no longer. Raises KeyError for one that is not followed."""
        del self._trackers[target], self._results[target]

    def update(self, pair: FramePair, targets: Collection[int] | None = None) -> dict[int, TrackResult]:
        """Find every target, or some of them, in the next pair: what was found, by number.

        What fails for one of them leaves the others alone, and is in `failures`. Where all fail, the first failure is
        raised.
        """
        trackers = {n: tracker for n, tracker in self._trackers.items() if targets is None or n in targets}
        for target, tracker in trackers.items():
            tracker.finder.taken = self._taken_from(target)
            tracker.narrow = len(self._trackers) >= MANY
        steps = [_guarded(tracker.steps(pair)) for tracker in trackers.values()]
        answers = dict(zip(trackers, run_steps(self._engine, steps), strict=True))
        results = {target: answer for target, answer in answers.items() if isinstance(answer, TrackResult)}
        self.failures = {target: answer for target, answer in answers.items() if isinstance(answer, Exception)}
        if self.failures and not results:
            raise next(iter(self.failures.values()))
        self._results.update(results)
        self._observe(pair)
        return results

    def _observe(self, pair: FramePair) -> None:
        known = self._geometry
        self._geometry = PairGeometry.of(pair, self.registration) if known is None else known.after(pair)

    def _taken_from(self, target: int) -> FloatArray:
        """`(N, 4)` the boxes of the targets that are seen for certain, but of those that this one is surer of."""
        own, boxes = self._results[target], []
        for number, other in self._results.items():
            if number == target or other.state is not TrackState.TRACKING:
                continue
            touching = float(iou(own.box, other.box)) > _TOUCHING
            surer = own.state is TrackState.TRACKING and (own.score, -target) > (other.score, -number)
            if not (touching and surer):
                boxes.append(other.box)
        return np.array(boxes).reshape(-1, 4)


def _guarded(steps: Steps[TrackResult]) -> Steps[TrackResult | Exception]:
    """The same steps; what they raise is what they return."""
    try:
        return (yield from steps)
    except Exception as error:
        return error
