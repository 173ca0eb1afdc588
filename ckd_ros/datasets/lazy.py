"""Sequences that are costly to make, made when they are first looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair


class LazySequence(FrameSequence):
    """The sequence that `make()` returns, called once for its frames or its truth; the rest is known before."""

    def __init__(self, name: str, length: int, rate: float, modality: str, make: Callable[[], FrameSequence]) -> None:
        self.name, self.rate, self.modality = name, rate, modality
        self._length, self._make = length, make

    @cached_property
    def _sequence(self) -> FrameSequence:
        return self._make()

    def __len__(self) -> int:
        return self._length

    def frames(self) -> Iterator[FramePair]:
        return self._sequence.frames()

    @property
    def boxes(self) -> np.ndarray | None:
        return self._sequence.boxes

    @property
    def thermal_boxes(self) -> np.ndarray | None:
        return self._sequence.thermal_boxes

    @property
    def init_box(self) -> np.ndarray | None:
        return self._sequence.init_box

    @property
    def attributes(self) -> frozenset[str]:
        return self._sequence.attributes
