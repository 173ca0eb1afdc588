"""Test sequences composed from real pairs that were kept out of training: one difficulty at a time, or look-alikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig

_CLEAN = SimulatorConfig(
    subset="held_out",
    scale=0.3,
    occlusion=0.0,
    night=0.0,
    glare=0.0,
    crossover=0.0,
    coverage=1.0,
    noise=0.05,
    thermal_gain=0.2,
    blur=0.1,
    misregistration=0.0,
    parallax=0.0,
)

#: What each degradation changes on a clean sequence; it lasts from the second frame to the end.
DEGRADATIONS: dict[str, dict[str, Any]] = {
    "clean": {},
    "crossover": {"crossover": 0.9},
    "glare": {"glare": 0.9},
    "night": {"night": 0.95},
    "noise": {"noise": 1.0, "blur": 0.5},
    "occlusion": {"occlusion": 0.9},
    "offset": {"misregistration": 6.0, "parallax": 4.0},
    "scale": {"scale": 1.0, "rotation": 1.0},
}


def composed_sequence(pairs: Path | None, degradation: str, frames: int, seed: int) -> SimulatedSequence:
    """One sequence; the seed chooses scene and motion, the degradation leaves them as they are."""
    return SimulatedSequence(replace(_CLEAN, pairs=pairs, seed=seed, frames=frames, **DEGRADATIONS[degradation]))


def composed_sequences(
    pairs: Path | None, each: int, frames: int, seed: int = 1000
) -> Iterator[tuple[str, SimulatedSequence]]:
    """`(degradation, sequence)`, `each` of every degradation; the same scenes and motions under all of them."""
    for degradation in DEGRADATIONS:
        for number in range(each):
            yield degradation, composed_sequence(pairs, degradation, frames, seed + number)


#: What the sequences of `look_alike_sequences` have in turn, beside their look-alikes.
_LIGHTS: tuple[dict[str, Any], ...] = ({}, {"night": 0.9}, {}, {"smoke": 0.95}, {"crossover": 0.7})
_SIZES: tuple[dict[str, Any], ...] = (
    {"target_size": 60.0, "growth": 4.5},
    {"target_size": 60.0},
    {"target_size": 90.0},
    {"target_size": 140.0, "growth": 0.4},
)


def look_alike_sequences(
    pairs: Path | None, crops: Path | None, count: int, frames: int = 300, seed: int = 2000
) -> Iterator[SimulatedSequence]:
    """`count` sequences of a target among three or four look-alikes, which is away for seconds twice in 15 s.

    By day, at night, in smoke or as warm as what surrounds it, for 60 % of the time; small, growing and shrinking.
    `crops` is an archive of people and cars (`CropArchive`), which then are target and look-alikes.
    """
    for number in range(count):
        config = replace(
            _CLEAN,
            pairs=pairs,
            crops=crops,
            seed=seed + number,
            frames=frames,
            look_alikes=3 + number % 2,
            distractors=0,
            motion=0.5,
            coverage=0.6,
            misregistration=1.0,
            parallax=1.0,
            **_LIGHTS[number % len(_LIGHTS)],
            **_SIZES[number % len(_SIZES)],
        )
        yield SimulatedSequence(config)
