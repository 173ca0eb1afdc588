"""What can be set of a simulated sequence."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ckd_ros.settings import Above, check, setting

#: Renamed effects, by the names that their random numbers still come from: sequences stay what they were.
_DRAWN_AS = {"misregistration": "registration"}


@dataclass(frozen=True)
class SimulatorConfig:
    """Settings of a sequence. Strengths run from 0 (off) to 1 (hardest).

    Every random thing has its own generator, seeded by `seed` and its name: changing one setting leaves all else as it
    was. `seeds` replaces the seed of single effects, as `night:3+glare:7`. Raises ValueError for values that cannot be.
    """

    pairs: Path | None = setting(None, "folder of registered pairs for backgrounds and targets (none: procedural)")
    crops: Path | None = setting(None, "tar archive of registered crops of people and cars, which then are the objects")
    subset: str = setting(
        "all", "which of the pairs and crops: all, train or held_out", choices=("all", "train", "held_out")
    )
    seed: int = setting(0, "of every random thing that `seeds` does not name", low=0)
    seeds: str = setting("", "seeds of single effects")
    frames: int = setting(300, "length of the sequence", low=1)
    rate: float = setting(20.0, "frames per second", low=Above(0))
    width: int = setting(640, "of the colour image in pixels; both cameras cover the same field of view", low=1)
    height: int = setting(512, "of the colour image in pixels", low=1)
    thermal_width: int = setting(640, "of the thermal image in pixels", low=1)
    thermal_height: int = setting(512, "of the thermal image in pixels", low=1)
    thermal_bits: int = setting(8, "8 (mono8, gain controlled) or 16 (mono16, radiometric)", choices=(8, 16))
    target_size: float = setting(64.0, "the target's first geometric mean side, in RGB pixels", low=Above(0))
    motion: float = setting(1.0, "how much of the recorded motion the target shows (1: all of it)", 0, 1)
    camera_motion: float = setting(0.4, "pan, shake, roll and zoom of the camera", 0, 1)
    scale: float = setting(0.6, "how much of the recorded change of size and shape the target shows", 0, 1)
    growth: float = setting(1.0, "how many times as large the target is in the end as in the beginning", 0.1, 10)
    rotation: float = setting(0.3, "how far the target turns in the image", 0, 1)
    distractors: int = setting(3, "number of other moving objects; a third of them look like the target", low=0)
    look_alikes: int = setting(
        0, "number of look-alikes that cross the target's path, and stay while it is away for some seconds", 0, 20
    )
    occlusion: float = setting(0.3, "how often and how far other objects pass in front of the target", 0, 1)
    hiding: float = setting(
        0.0,
        "seconds for which something hides the target altogether, about every 4 s, wherever it goes",
        0,
        10,
    )
    night: float = setting(0.8, "darkness in the colour image", 0, 1)
    glare: float = setting(0.6, "blinding light in the colour image", 0, 1)
    smoke: float = setting(0.0, "smoke in the colour image", 0, 1)
    crossover: float = setting(0.8, "target as warm as its surroundings", 0, 1)
    coverage: float = setting(
        0.25,
        "share of the time in which night, glare, smoke and crossover reign (each at its own time; 1: always)",
        0,
        1,
    )
    noise: float = setting(0.2, "sensor noise of both cameras", 0, 1)
    thermal_gain: float = setting(0.4, "wandering gain and level of the thermal image", 0, 1)
    blur: float = setting(0.2, "motion blur of both cameras", 0, 1)
    misregistration: float = setting(
        2.0, "constant offset of the thermal image, in RGB pixels, in a random direction", low=0
    )
    parallax: float = setting(
        2.0, "further offset in RGB pixels at the target's first distance, growing as it comes nearer", low=0
    )
    time_offset: float = setting(0.0, "the thermal camera's delay in seconds", -1, 1)
    jitter: float = setting(0.002, "standard deviation of that delay in seconds", low=0)
    loss: float = setting(0.0, "chance of each image to be lost", 0, 1)

    def __post_init__(self) -> None:
        check(self)
        self.effect_seeds()

    def effect_seeds(self) -> dict[str, int]:
        """`seeds` as a dict. Raises ValueError for an unknown effect or a value that is not a whole number."""
        known = {f.name for f in fields(self)} | {"scene", "trajectory", "absences", "covers"}
        result = {}
        for part in filter(None, self.seeds.split("+")):
            name, _, value = part.partition(":")
            if name not in known or not value.strip().isdigit():
                raise ValueError(f"simulator seed '{part}' must be EFFECT:NUMBER with a setting's name, joined by '+'")
            result[name] = int(value)
        return result

    def generator(self, effect: str, frame: int | None = None) -> np.random.Generator:
        """The random numbers of one effect, for the whole sequence or for one frame of it."""
        drawn_as = _DRAWN_AS.get(effect, effect)
        key = [self.effect_seeds().get(effect, self.seed), zlib.crc32(drawn_as.encode())]
        return np.random.default_rng(key if frame is None else [*key, frame])
