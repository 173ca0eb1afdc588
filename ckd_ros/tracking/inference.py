"""What several targets ask of the network in one frame, answered in one call.

Following a target asks the network once, looking for a lost one several times, and each question depends on the answer
before. So what is done for a target in a frame is a generator: it yields the network's inputs and is sent its maps.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from ckd_ros.frames import Float32Array
from ckd_ros.tracking.engine.spec import Engine, Maps

T = TypeVar("T")

Inputs: TypeAlias = Mapping[str, Float32Array]


class Answer(NamedTuple):
    """Maps for what was asked, and the seconds that the call took which gave them, perhaps others too."""

    maps: Maps
    seconds: float


Steps: TypeAlias = Generator[Inputs, Answer, T]


def run_steps(engine: Engine, steps: Sequence[Steps[T]]) -> list[T]:
    """What each of `steps` returns; what they ask at the same time is one call of the engine."""
    results: dict[int, T] = {}
    asked: dict[int, Inputs] = {}

    def go_on(number: int, answer: Answer | None) -> None:
        try:
            # A generator begins with None.
            asked[number] = next(steps[number]) if answer is None else steps[number].send(answer)
        except StopIteration as end:
            asked.pop(number, None)
            results[number] = end.value

    for number in range(len(steps)):
        go_on(number, None)
    while asked:
        numbers, inputs = list(asked), list(asked.values())
        start = time.perf_counter()
        maps = [engine.run(inputs[0])] if len(inputs) == 1 else engine.run_many(inputs)
        seconds = time.perf_counter() - start
        for number, found in zip(numbers, maps, strict=True):
            go_on(number, Answer(found, seconds))
    return [results[number] for number in range(len(steps))]
