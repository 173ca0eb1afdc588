"""Simulated RGB-T sequences with exact truth, from nothing or from a folder of real registered pairs.

A target moves as recorded targets did, before a moving camera, among look-alikes and behind occluders; light, heat,
sensors, registration and clocks misbehave as far as each setting says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ckd_ros.datasets import degradations
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.textures import dead_leaves, make_target
from ckd_ros.datasets.trajectories import envelope, recorded_motion, wander
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import scaling, translation
from ckd_ros.settings import Above, check, setting

SHOWN = 0.05  # share of the frames from which on an effect is an attribute of the sequence
MAX_STEP = 0.3  # of the target's side, per frame of 1/20 s: faster recordings are slowed down to this
START = 1_000_000_000  # stamp of the first frame, ns: a stamp of zero means "none" in ROS


@dataclass(frozen=True)
class SimulatorConfig:
    """Settings of a sequence. Strengths run from 0 (off) to 1 (hardest).

    Every random thing has its own generator, seeded by `seed` and its name: changing one setting leaves all else as it
    was. `seeds` replaces the seed of single effects, as `night:3+glare:7`. Raises ValueError for values that cannot be.
    """

    pairs: Path | None = setting(None, "folder of registered pairs for backgrounds and targets (None: procedural)")
    subset: str = setting("all", "which of them: all, train or held_out", choices=("all", "train", "held_out"))
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
    rotation: float = setting(0.3, "how far the target turns in the image", 0, 1)
    distractors: int = setting(3, "number of other moving objects; a third of them look like the target", low=0)
    occlusion: float = setting(0.3, "how often and how far other objects pass in front of the target", 0, 1)
    night: float = setting(0.8, "darkness in the colour image", 0, 1)
    glare: float = setting(0.6, "blinding light in the colour image", 0, 1)
    crossover: float = setting(0.8, "target as warm as its surroundings", 0, 1)
    coverage: float = setting(
        0.25, "share of the time in which night, glare and crossover reign (each at its own time; 1: always)", 0, 1
    )
    noise: float = setting(0.2, "sensor noise of both cameras", 0, 1)
    thermal_gain: float = setting(0.4, "wandering gain and level of the thermal image", 0, 1)
    blur: float = setting(0.2, "motion blur of both cameras", 0, 1)
    registration: float = setting(
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
        known = {f.name for f in fields(self)} | {"scene", "trajectory"}
        result = {}
        for part in filter(None, self.seeds.split("+")):
            name, _, value = part.partition(":")
            if name not in known or not value.strip().isdigit():
                raise ValueError(f"simulator seed '{part}' must be EFFECT:NUMBER with a setting's name, joined by '+'")
            result[name] = int(value)
        return result

    def generator(self, effect: str, frame: int | None = None) -> np.random.Generator:
        """The random numbers of one effect, for the whole sequence or for one frame of it."""
        key = [self.effect_seeds().get(effect, self.seed), zlib.crc32(effect.encode())]
        return np.random.default_rng(key if frame is None else [*key, frame])


class SimulatedSequence(FrameSequence):
    """A simulated sequence. `thermal_boxes` is the truth in thermal pixels, at the thermal camera's own moments."""

    def __init__(self, config: SimulatorConfig = SimulatorConfig()):
        self.config = config
        self.name = f"simulated-{config.seed}"
        self.rate = config.rate
        period = 1 / config.rate
        self._times = np.arange(config.frames) * period
        delays = config.time_offset + config.generator("jitter").normal(0, 1, config.frames) * config.jitter
        self._thermal_times = self._times + np.clip(delays, -0.9, 0.9)
        # The world's own clock is sampled finely and interpolated: the two cameras look at different moments.
        self._clock = np.arange(-1.0, self._times[-1] + 1.0 + period, period / 2) + 1.0
        self._build()
        views = [self._view(t) for t in self._times]
        boxes = np.stack([self._sprite("target", t).box(v) for t, v in zip(self._times, views, strict=True)])
        thermal_boxes = np.stack(
            [self._sprite("target", t).box(self._thermal_view(t), thermal=True) for t in self._thermal_times]
        )
        covered = np.array([self._covered(t) for t in self._times])
        self.attributes = self._effects_shown(boxes, covered)
        hidden = covered > 0.9
        boxes[hidden] = thermal_boxes[hidden] = np.nan
        self.boxes, self.thermal_boxes, self.init_box = boxes, thermal_boxes, boxes[0]

    def __len__(self) -> int:
        return self.config.frames

    def frames(self) -> Iterator[FramePair]:
        config = self.config
        lost = config.generator("loss").random((config.frames, 2)) < config.loss
        lost[0] = False
        lost[lost.all(1), 0] = False
        for index in range(config.frames):
            stamp, thermal_stamp = (
                START + round(float(t) * 1e9) for t in (self._times[index], self._thermal_times[index])
            )
            rgb = None if lost[index, 0] else Image(self._rgb(index), "rgb8")
            thermal = None if lost[index, 1] else self._thermal(index)
            yield FramePair(rgb, thermal, stamp if rgb else None, thermal_stamp if thermal else None)

    # -- the world -------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        config, clock = self.config, self._clock
        scene = config.generator("scene")
        library = PairLibrary(config.pairs, config.subset) if config.pairs else None
        if library:
            self._background = library.background(int(scene.integers(len(library))))
        else:
            self._background = Texture(*dead_leaves(scene, 800, 640, 220))
        self._textures = {"target": _object(scene, library)}
        self._tracks: dict[str, np.ndarray] = {"target": self._target_track()}
        rng = config.generator("distractors")
        for number in range(config.distractors):
            name = f"distractor{number}"
            twin = rng.random() < 0.35
            self._textures[name] = self._textures["target"] if twin else _object(rng, library)
            self._tracks[name] = self._distractor_track(rng)
        rng = config.generator("occlusion")
        self._occluders = []
        for number in range(round(config.occlusion * clock[-1] / 5)):
            name = f"occluder{number}"
            self._textures[name] = _object(rng, library)
            self._tracks[name] = self._occluder_track(rng)
            self._occluders.append(name)
        rng = config.generator("camera_motion")
        shake = 0.12 * wander(rng, clock, 2.5, 4) + 0.006 * wander(rng, clock, 0.25, 4)
        self._camera = shake * config.camera_motion
        self._envelope = {
            name: getattr(config, name) * envelope(config.generator(name), clock, config.coverage)
            for name in ("night", "glare", "crossover")
        }
        angle = config.generator("registration").uniform(0, 2 * np.pi)
        self._registration = config.registration * np.array([np.cos(angle), np.sin(angle)])
        angle = config.generator("parallax").uniform(0, 2 * np.pi)
        self._parallax = config.parallax * np.array([np.cos(angle), np.sin(angle)])
        self._gain = wander(config.generator("thermal_gain"), clock, 1.5, 2) * config.thermal_gain
        self._light = config.generator("glare").uniform([-0.1, -0.2], [1.1, 0.6])

    def _target_track(self) -> np.ndarray:
        """`N x 5`: centre in RGB pixels, width, height, angle, at the world's clock."""
        config, clock = self.config, self._clock
        path, size = recorded_motion(config.generator("trajectory"), clock)
        path = path * config.motion
        speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / np.diff(clock) / 20
        path = path * min(1.0, MAX_STEP / max(1e-9, float(np.quantile(speed, 0.98))))
        aspect = np.sqrt(self._textures["target"].width / self._textures["target"].height)
        # The recording's change of shape, laid on the shape of the target at hand.
        change = np.clip(size / size[0], 0.4, 2.5) ** config.scale
        width, height = config.target_size * aspect * change[:, 0], config.target_size / aspect * change[:, 1]
        start = config.generator("motion").uniform(0.3, 0.7, 2) * [config.width, config.height]
        margin = config.target_size
        place = start + path * config.target_size
        limits = (config.width - margin, config.height - margin)
        place = np.stack([_fold(place[:, k], margin, limit) for k, limit in enumerate(limits)], 1)
        angle = 0.3 * config.rotation * wander(config.generator("rotation"), clock, 2.0)[:, 0]
        return np.column_stack([place, width, height, angle])

    def _distractor_track(self, rng: np.random.Generator) -> np.ndarray:
        config, clock = self.config, self._clock
        start = rng.uniform(0, 1, 2) * [config.width, config.height]
        place = start + wander(rng, clock, 2.0, 2) * 2.5 * config.target_size
        side = config.target_size * np.exp(rng.normal(0, 0.25))
        aspect = np.exp(rng.normal(0, 0.2))
        shape = np.broadcast_to([side * aspect, side / aspect, rng.normal(0, 0.2)], (len(clock), 3))
        return np.column_stack([place, shape])

    def _occluder_track(self, rng: np.random.Generator) -> np.ndarray:
        """Crosses the target's path in a straight line relative to it, within about a second; never at the start."""
        config, clock, target = self.config, self._clock, self._tracks["target"]
        moment = 1.0 + max(0.8, rng.uniform(0.1, 0.95) * self._times[-1])  # the clock runs from 1 s before the start
        angle = rng.uniform(0, 2 * np.pi)
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        phase = (clock - moment)[:, None] * rng.uniform(2.0, 4.0)
        miss = rng.uniform(-1, 1) * (1 - 0.7 * config.occlusion) * 0.6
        place = target[:, :2] + (along * phase + across * miss) * config.target_size
        side = config.target_size * (0.6 + 0.6 * config.occlusion)
        shape = np.broadcast_to([side, side * np.exp(rng.normal(0, 0.3)), rng.normal(0, 0.2)], (len(clock), 3))
        return np.column_stack([place, shape])

    # -- the world at one moment -----------------------------------------------------------------------------------

    def _at(self, values: np.ndarray, time: float) -> np.ndarray:
        """Linear interpolation of rows (or scalars) given on the world's clock."""
        position = np.clip((time + 1.0 - self._clock[0]) / (self._clock[1] - self._clock[0]), 0, len(values) - 1.001)
        index = int(position)
        return values[index] + (values[index + 1] - values[index]) * (position - index)

    def _view(self, time: float) -> np.ndarray:
        """World (background pixels) -> RGB pixels; the background overfills the image by a third."""
        config, background = self.config, self._background
        x, y, roll, zoom = self._at(self._camera, time)
        fill = 1.35 * max(config.width / background.width, config.height / background.height) * np.exp(0.6 * zoom)
        c, s = np.cos(0.8 * roll), np.sin(0.8 * roll)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        middle = translation(config.width * (0.5 + x), config.height * (0.5 + y))
        return middle @ turn @ scaling(fill, fill) @ translation(-background.width / 2, -background.height / 2)

    def _thermal_view(self, time: float) -> np.ndarray:
        config = self.config
        resize = scaling(config.thermal_width / config.width, config.thermal_height / config.height)
        return resize @ translation(*self._registration) @ self._view(time)

    def _sprite(self, name: str, time: float) -> Sprite:
        x, y, width, height, angle = self._at(self._tracks[name], time)
        to_world = np.linalg.inv(self._view(time))
        texture = self._textures[name]
        nearness = np.sqrt(width * height) / self.config.target_size
        shift = to_world[:2, :2] @ (self._parallax * nearness)
        contrast = 1 - 0.97 * float(self._at(self._envelope["crossover"], time)) if name == "target" else 1.0
        placed = to_world @ pose(texture, x, y, width, height, angle)
        return Sprite(texture, placed, tuple(shift), (contrast, 0.0))

    def _scene(self, time: float) -> Scene:
        order = [name for name in self._tracks if name.startswith("distractor")] + ["target"] + self._occluders
        return Scene(self._background, tuple(self._sprite(name, time) for name in order))

    def _covered(self, time: float) -> float:
        """How much of the target the occluder that covers most of it covers, in [0, 1]."""
        identity, covered = self._view(time), 0.0
        target = self._sprite("target", time).box(identity)
        for name in self._occluders:
            cover = self._sprite(name, time).box(identity)
            low = np.maximum(target[:2], cover[:2])
            high = np.minimum(target[:2] + target[2:], cover[:2] + cover[2:])
            covered = max(covered, float(np.prod(np.clip(high - low, 0, None)) / np.prod(target[2:])))
        return covered

    def _effects_shown(self, boxes: np.ndarray, covered: np.ndarray) -> frozenset[str]:
        """Which settings really make the sequence hard; `covered` is how much of the target is hidden in each frame."""
        side = np.sqrt(boxes[:, 2] * boxes[:, 3])
        centre = boxes[:, :2] + boxes[:, 2:] / 2
        step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / side[1:]
        effects = {name: [self._at(values, t) > 0.2 for t in self._times] for name, values in self._envelope.items()}
        twins = [name for name, texture in self._textures.items() if texture is self._textures["target"]][1:]
        shown = {name for name, frames in effects.items() if np.mean(frames) >= SHOWN}
        shown |= {"occlusion"} if covered.max() > 0.5 else set()
        shown |= {"distractors"} if twins else set()  # look-alikes
        shown |= {"motion"} if len(step) and np.mean(step > 0.2) >= SHOWN else set()
        shown |= {"scale"} if side.max() > 1.5 * side.min() else set()
        shown |= {"loss"} if self.config.loss >= SHOWN else set()
        return frozenset(shown)

    # -- the cameras -----------------------------------------------------------------------------------------------

    def _blur(self, image: np.ndarray, time: float, effect: str, index: int) -> np.ndarray:
        step = 0.5 / self.config.rate
        moved = self._at(self._tracks["target"], time + step)[:2] - self._at(self._tracks["target"], time - step)[:2]
        shake = self.config.generator(effect, index).uniform(0, 3)
        length = self.config.blur * (float(np.linalg.norm(moved)) + shake)
        return degradations.blur(image, min(length, 15.0), float(np.arctan2(moved[1], moved[0])))

    def _rgb(self, index: int) -> np.ndarray:
        config, time = self.config, float(self._times[index])
        image = self._scene(time).render_rgb(self._view(time), config.width, config.height)
        image = self._blur(image, time, "blur", index)
        glare, night = (float(self._at(self._envelope[name], time)) for name in ("glare", "night"))
        if night > 0:
            image = degradations.night(image, night, config.generator("night", index))
        if glare > 0:
            image = degradations.glare(image, glare, tuple(self._light))
        if config.noise > 0:
            image = degradations.noise(image, 0.5 * config.noise, config.generator("noise", index))
        return image

    def _thermal(self, index: int) -> Image:
        config, time = self.config, float(self._thermal_times[index])
        scene = self._scene(time)
        image = scene.render_thermal(self._thermal_view(time), config.thermal_width, config.thermal_height)
        image = self._blur(image, time, "thermal_blur", index)
        if config.noise > 0:
            image = degradations.noise(image, 0.5 * config.noise, config.generator("thermal_noise", index))
        contrast, level = self._at(self._gain, time)
        if config.thermal_bits == 16:  # centikelvin around 17 degrees Celsius; the level drifts with the sensor
            kelvin = 29000 + (image.astype(np.float32) - 128) * 12 + 400 * level
            return Image(kelvin.astype(np.uint16), "mono16")
        return Image(degradations.gain(image, float(np.exp(0.3 * contrast)), 20 * float(level)), "mono8")


def _object(rng: np.random.Generator, library: PairLibrary | None) -> Texture:
    if library is not None:
        return library.cutout(rng)
    aspect = float(np.exp(rng.normal(0, 0.25)))
    return Texture(*make_target(rng, round(96 * aspect), round(96 / aspect)))


def _fold(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Reflect values into [low, high]."""
    if high <= low:
        return np.full_like(values, (low + high) / 2)
    span = high - low
    return low + np.abs((values - low + span) % (2 * span) - span)
