"""How well it is known where a target is: from what was seen of it last, and for how long it has not been seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Standard deviation of a seen target's centre, in sides of its box: where the box surely overlaps it by half, and what
#: is added where it surely does not. Measured on M3SVD, by confidence (docs/tracking.md).
_SURE, _DOUBT = 0.03, 0.4
#: How it grows while the target is not seen, in sides: by the power of the number of frames. Measured on the recorded
#: motion of LasHeR's targets (docs/tracking.md).
_RATE, _POWER = 0.074, 0.75
#: Frames a second of those recordings: what time is counted in.
FRAMES = 30.0
#: How far off it may be found again, in sides, besides so many standard deviations; how little a find counts beyond,
#: as a power of the distance; and the frames after which it may be anywhere, as it may have left the picture.
_SLACK, _DEVIATIONS, _DECLINE, _ANYWHERE = 0.4, 1.5, 6.0, 90
#: The power up to which the distance makes no difference in any picture.
_FLAT = 0.05
#: How far from where it is expected a seen target may be in the next frame, in sides, besides so many times as far as
#: usual; the weight of a frame in what is usual, and the frames from which on that is known.
_LEAP, _USUAL_LEAPS, _RATE_OF_USUAL, _ENOUGH = 0.3, 5.0, 0.1, 10


@dataclass
class Whereabouts:
    """What is known of a target's place. All lengths are in geometric mean sides of its box, all times in frames
    of 1 / FRAMES seconds.

    Attributes:
        unseen: frames since it was seen.
        anywhere: whether nothing is known of what the camera has done since.
        after_gap: whether more time than usual has passed since the frame before.
    """

    unseen: float = 0.0
    anywhere: bool = False
    after_gap: bool = False
    _usually_off: float = 0.0
    _steps: int = 0
    _at_last: float = _SURE

    def seen(self, probability: float) -> None:
        """The target was seen: the box overlaps it by half with a probability."""
        self.unseen, self.anywhere, self._at_last = 0.0, False, _SURE + _DOUBT * (1 - probability)

    def note_step(self, distance: float) -> None:
        """The target was seen for certain, so far from where it was expected from one frame to the next."""
        self._steps += 1
        self._usually_off += max(_RATE_OF_USUAL, 1 / self._steps) * (distance - self._usually_off)

    def not_seen(self, frames: float = 1.0) -> None:
        """The next image does not show the target, so long after the one before."""
        self.unseen += frames

    @property
    def deviation(self) -> float:
        """Standard deviation of its centre, along x and along y."""
        return float(np.hypot(self._at_last, _RATE * self.unseen**_POWER))

    def plausibility(self, distance: float) -> float:
        """How much a find counts that is so far from where the target is expected, [0, 1].

        One in reach counts whole. What is found farther off soon after is more likely another one of its kind.
        """
        return 1.0 if distance <= self._reach else float((self._reach / distance) ** self._decline)

    @property
    def limit(self) -> float:
        """The distance at which a find counts half; none where it hardly counts less however far off it is."""
        return self._reach * 2 ** (1 / self._decline) if self._decline > _FLAT else np.inf

    @property
    def long_unseen(self) -> bool:
        """Whether it may be anywhere, as it was not seen for so long."""
        return self.unseen >= _ANYWHERE

    @property
    def _reach(self) -> float:
        if self.anywhere:
            return np.inf
        if self.unseen:
            return _SLACK + _DEVIATIONS * self.deviation
        known = self._steps >= _ENOUGH and not self.after_gap
        return _LEAP + _USUAL_LEAPS * self._usually_off if known else np.inf

    @property
    def _decline(self) -> float:
        return _DECLINE * max(0.0, 1 - self.unseen / _ANYWHERE)
