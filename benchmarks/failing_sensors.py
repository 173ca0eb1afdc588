"""Sensors that fail for two seconds while the target moves and the other camera shows it: is it kept?

Rows of the table of `robustness.py`. In every run the target is marked, the fault begins 1.3 s later, and the target
is kept if its box overlaps the truth by half (IoU) a second after the fault, and it was never LOST since that began.
Each scene of the table gives some runs, with scenes of their own in which both cameras show the target all the time (by
day, without smoke or occlusion, and never as warm as what surrounds it), and in which it is kept without a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from simulated_cameras import RATE, Camera, Scene, play

from ckd_ros.datasets import degradations
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.frames import Image
from ckd_ros.metrics import overlaps
from ckd_ros.tracking import TrackState
from ckd_ros.tracking.engine import Engine

#: The figure of every row.
KEPT = "kept, share of runs"
#: When the target is marked, when the fault begins and ends, and when the target must be there; seconds.
MARKED, BEGIN, END, JUDGED = 0.2, 1.5, 3.5, 4.5
#: Runs for each scene of the table, and overlap of a box that is kept.
RUNS, OVERLAP = 3, 0.5
#: Seeds to choose the scenes of one scene of the table from.
_SEEDS = 100

#: What a camera shows in place of an image: of its pixels, their number, and the pixels before the fault.
Change = Callable[[np.ndarray, int, np.ndarray], np.ndarray]


def fault(
    says: str, rgb: Change | None = None, thermal: Change | None = None, silent: str = "", rate: float = RATE
) -> Callable:
    """A row of the table: what happens to a camera, `silent` naming one that sends nothing; `rate` is the thermal's."""

    def row(scene: Scene) -> dict[str, float]:
        scenes = _clear_scenes(scene.seed, scene.engine)
        changed = [replace(one, rgb=_changed(one.rgb, rgb), thermal=_changed(one.thermal, thermal)) for one in scenes]
        return {KEPT: float(np.mean([_kept(one, silent, rate) for one in changed]))}

    row.__doc__ = says
    return row


def _kept(scene: Scene, silent: str = "", rate: float = RATE) -> bool:
    silence = {name: (BEGIN, END) if name == silent else (np.inf, np.inf) for name in ("rgb", "thermal")}
    run = play(scene, Camera(rate, silent=silence["thermal"]), Camera(silent=silence["rgb"]), MARKED)
    last = len(scene.boxes) - 1
    if last not in run.boxes or overlaps([run.boxes[last]], scene.boxes[[last]])[0] < OVERLAP:
        return False
    return all(state is not TrackState.LOST for frame, state in run.states.items() if frame >= BEGIN * RATE)


def _changed(images: list[Image], change: Change | None) -> list[Image]:
    first, end = round(BEGIN * RATE), round(END * RATE)
    if change is None:
        return images
    before = images[first - 1].data
    during = [Image(change(images[k].data, k, before), images[k].encoding) for k in range(first, end)]
    return [*images[:first], *during, *images[end:]]


@lru_cache(maxsize=1)
def _clear_scenes(seed: int, engine: Engine) -> list[Scene]:
    """The scenes of the runs that a scene of the table gives."""
    clear = SimulatorConfig(frames=round(JUDGED * RATE), rate=RATE, misregistration=0.0, parallax=0.0, jitter=0.0)
    clear = replace(clear, night=0.0, glare=0.0, crossover=0.0, occlusion=0.0)
    found: list[Scene] = []
    for number in range(_SEEDS * (seed + 1), _SEEDS * (seed + 2)):
        sequence = SimulatedSequence(replace(clear, seed=number))
        if np.isfinite(sequence.boxes).all():
            scene = Scene.of(sequence, engine)
            found += [scene] if _kept(scene) else []
        if len(found) == RUNS:
            break
    return found


def _frozen(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return before.copy()


def _black(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return degradations.black(pixels, np.random.default_rng(number))


def _white(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return degradations.noise(np.full_like(pixels, 252), 0.1, np.random.default_rng(number))


def _smoke(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return degradations.drifting_smoke(pixels, 1.0, 0.05 * number / RATE)


def _fog(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return degradations.smoke(pixels, 1.0, np.random.default_rng(0))


def _noise(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    twice = degradations.noise(pixels, 1.0, np.random.default_rng([number, 0]))
    return degradations.noise(twice, 1.0, np.random.default_rng([number, 1]))


def _gain(pixels: np.ndarray, number: int, before: np.ndarray) -> np.ndarray:
    return degradations.gain(pixels, 0.5, 50.0)


#: The rows by name.
FAULTS = {
    "no thermal": fault("2 s without thermal", silent="thermal"),
    "no colour": fault("2 s without colour", silent="rgb"),
    "no thermal, 9 Hz": fault("2 s without thermal, which has 9 Hz", silent="thermal", rate=9.0),
    "no colour, 9 Hz": fault("2 s without colour, beside thermal of 9 Hz", silent="rgb", rate=9.0),
    "frozen thermal": fault("2 s of frozen thermal", thermal=_frozen),
    "frozen colour": fault("2 s of frozen colour", rgb=_frozen),
    "smoke": fault("2 s of smoke over colour, in swathes", rgb=_smoke),
    "fog": fault("2 s of fog over colour, a wall", rgb=_fog),
    "black thermal": fault("2 s of black thermal", thermal=_black),
    "black colour": fault("2 s of black colour", rgb=_black),
    "white colour": fault("2 s of white colour", rgb=_white),
    "noise": fault("2 s of noise over colour, as strong as its contrast", rgb=_noise),
    "gain": fault("Thermal gain halved at once, for 2 s", thermal=_gain),
}
