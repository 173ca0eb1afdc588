"""The state of the track (tracking, uncertain or lost), from the score of what is found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ckd_ros.settings import check, setting


class TrackState(IntEnum):
    """What the tracker believes; the values are those of `msg/Track.msg`."""

    IDLE = 0  #: no target
    TRACKING = 1  #: the target is seen
    UNCERTAIN = 2  #: a best guess, on weak evidence
    LOST = 3  #: not seen; a growing region is searched


@dataclass(frozen=True)
class ConfidenceConfig:
    """When the state changes.

    Thresholds are of the score (the score map's peak, as far as it is believed); counts are of consecutive frames.
    `lost_below <= uncertain_below <= tracking_above`: the gaps between them, and the counts, are the hysteresis.
    Raises ValueError for values out of range or order.
    """

    uncertain_below: float = setting(0.42, "below this, TRACKING turns UNCERTAIN", 0.0, 1.0)
    uncertain_after: int = setting(2, "frames below `uncertain_below` until it does", 1, 1000)
    tracking_above: float = setting(0.5, "from this on, UNCERTAIN turns TRACKING again", 0.0, 1.0)
    tracking_after: int = setting(2, "frames above `tracking_above` until it does", 1, 1000)
    lost_below: float = setting(0.35, "below this, UNCERTAIN turns LOST", 0.0, 1.0)
    lost_after: int = setting(10, "frames below `lost_below` until it does", 1, 1000)
    reacquire_above: float = setting(0.75, "from this on, a find of the search for a lost target counts", 0.01, 1.0)
    reacquire_after: int = setting(2, "frames in which the same find must be seen until LOST turns TRACKING", 1, 1000)

    def __post_init__(self) -> None:
        check(self)
        if not self.lost_below <= self.uncertain_below <= self.tracking_above:
            raise ValueError(
                f"thresholds lost_below {self.lost_below}, uncertain_below {self.uncertain_below}, tracking_above "
                f"{self.tracking_above} are out of order: each must be at most the next"
            )


class ConfidenceMonitor:
    """The state machine. Starts in TRACKING: the target has just been marked by somebody who sees it."""

    def __init__(self, config: ConfidenceConfig | None = None) -> None:
        self.config = config or ConfidenceConfig()
        self.state = TrackState.TRACKING
        self._streaks: dict[str, int] = {}

    def update(self, score: float) -> TrackState:
        """The state after a frame. While LOST, `score` is that of the best detection: see `restart_count`."""
        c = self.config
        if self.state is TrackState.TRACKING:
            if self._lasted("low", score < c.uncertain_below, c.uncertain_after):
                self._enter(TrackState.UNCERTAIN)
        elif self.state is TrackState.UNCERTAIN:
            if self._lasted("high", score >= c.tracking_above, c.tracking_after):
                self._enter(TrackState.TRACKING)
            elif self._lasted("lost", score < c.lost_below, c.lost_after):
                self._enter(TrackState.LOST)
        elif self._lasted("found", score >= c.reacquire_above, c.reacquire_after):
            self._enter(TrackState.TRACKING)
        return self.state

    def restart_count(self) -> None:
        """Count anew towards `reacquire_after`: the next detection is at another place than those counted so far."""
        self._streaks.clear()

    def _enter(self, state: TrackState) -> None:
        self.state = state
        self._streaks.clear()

    def _lasted(self, name: str, holds: bool, frames: int) -> bool:
        self._streaks[name] = self._streaks.get(name, 0) + 1 if holds else 0
        return self._streaks[name] >= frames
