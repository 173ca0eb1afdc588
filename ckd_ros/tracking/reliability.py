"""What a score of a network is worth: the probability that the box overlaps the target by half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """A rising line through points (score, probability), measured with a network (`benchmarks/reliability.py`).

    Scores are told apart as well after as before. Of a network that was not measured the score itself is taken.

    Raises ValueError for what is no such line.

    >>> Reliability.parse("0:0 0.5:0.1 1:1").probability(0.75)
    0.55
    """

    scores: tuple[float, ...] = (0.0, 1.0)
    probabilities: tuple[float, ...] = (0.0, 1.0)

    def __post_init__(self) -> None:
        for values in (self.scores, self.probabilities):
            inside = len(values) > 1 and values[0] >= 0 and values[-1] <= 1
            if not inside or len(values) != len(self.scores) or not (np.diff(values) > 0).all():
                raise ValueError(f"the reliability '{self}' should be SCORE:PROBABILITY ..., both rising, in [0, 1]")

    def probability(self, score: float) -> float:
        """That a box with a score overlaps its target by half."""
        return float(np.interp(score, self.scores, self.probabilities))

    def __str__(self) -> str:
        pairs = zip(self.scores, self.probabilities, strict=False)
        return " ".join(f"{score:g}:{probability:g}" for score, probability in pairs)

    @staticmethod
    def parse(text: str) -> Reliability:
        """From what `str` gives. Raises ValueError."""
        try:
            pairs = [(float(score), float(value)) for score, value in (part.split(":") for part in text.split())]
        except ValueError:
            raise ValueError(f"the reliability '{text}' should be SCORE:PROBABILITY ..., both rising") from None
        return Reliability(tuple(score for score, _ in pairs), tuple(value for _, value in pairs))
