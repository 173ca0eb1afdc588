"""Sequences that are costly to make, made only when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair


def _from_sequence(name: str) -> Any:
    """An attribute that is read from the sequence, which is made for it."""
    return property(attrgetter(f"_sequence.{name}"))


class LazySequence(FrameSequence):
    """The sequence that `make()` returns, made when its frames or its truth are first asked for."""

    boxes: np.ndarray | None = _from_sequence("boxes")
    thermal_boxes: np.ndarray | None = _from_sequence("thermal_boxes")
    other_boxes: np.ndarray | None = _from_sequence("other_boxes")
    init_box: np.ndarray | None = _from_sequence("init_box")
    attributes: frozenset[str] = _from_sequence("attributes")

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
