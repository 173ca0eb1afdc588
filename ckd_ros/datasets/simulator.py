"""Simulated RGB-T sequences with exact truth, from nothing or from real registered pairs and crops.

A target moves as recorded targets did, before a moving camera, among look-alikes and behind occluders; light, heat,
sensors, registration and clocks misbehave as far as each setting says.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ckd_ros.datasets import degradations
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.simulated_world import ENVELOPES, World
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.frames import FramePair, Image

__all__ = ["SimulatedSequence", "SimulatorConfig"]

HIDDEN = 0.9  # share of an object's box that is covered or out of the picture from which on it is not visible
SHOWN = 0.05  # share of the frames from which on an effect is an attribute of the sequence
START = 1_000_000_000  # stamp of the first frame, ns: a stamp of zero means "none" in ROS


class SimulatedSequence(FrameSequence):
    """A simulated sequence.

    Attributes:
        thermal_boxes: the truth in thermal pixels, at the thermal camera's own moments.
        thermal_other_boxes: `other_boxes` in the same way.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config = config or SimulatorConfig()
        self.name = f"simulated-{config.seed}"
        self.rate = config.rate
        period = 1 / config.rate
        self._times = np.arange(config.frames) * period
        delays = config.time_offset + config.generator("jitter").normal(0, 1, config.frames) * config.jitter
        self._thermal_times = self._times + np.clip(delays, -0.9, 0.9)
        # The world's own clock is sampled finely and interpolated: the two cameras look at different moments.
        self._world = World(config, np.arange(-1.0, self._times[-1] + 1.0 + period, period / 2) + 1.0)
        self._light = config.generator("glare").uniform([-0.1, -0.2], [1.1, 0.6])
        self._set_truth()

    def _set_truth(self) -> None:
        world = self._world
        boxes = np.stack([world.boxes(t) for t in self._times])
        thermal_boxes = np.stack([world.boxes(t, thermal=True) for t in self._thermal_times])
        target, *others = (world.order.index(name) for name in ("target", *world.like_target))
        self.attributes = self._effects_shown(boxes[:, target], _covered(boxes, target))
        hidden = np.stack([self._hidden(boxes, number) for number in (target, *others)], axis=1)
        hidden[0, 0] = False  # the target is shown to the tracker
        seen, thermal_seen = boxes[:, [target, *others]], thermal_boxes[:, [target, *others]]
        seen[hidden] = thermal_seen[hidden] = np.nan
        self.boxes, self.thermal_boxes, self.init_box = seen[:, 0], thermal_seen[:, 0], seen[0, 0]
        self.thermal_other_boxes: np.ndarray | None = None
        if others:
            self.other_boxes, self.thermal_other_boxes = seen[:, 1:], thermal_seen[:, 1:]

    def _hidden(self, boxes: np.ndarray, number: int) -> np.ndarray:
        """`(N,)` bool: in which frames one of the objects, whose boxes are `N x M x 4`, is not to be seen."""
        outside = _outside(boxes[:, number], self.config.width, self.config.height)
        return np.maximum(_covered(boxes, number), outside) > HIDDEN

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

    def _effects_shown(self, boxes: np.ndarray, covered: np.ndarray) -> frozenset[str]:
        """Which settings really make the sequence hard; `covered` is how much of the target is hidden in each frame."""
        world, config = self._world, self.config
        side = np.sqrt(boxes[:, 2] * boxes[:, 3])
        centre = boxes[:, :2] + boxes[:, 2:] / 2
        step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / side[1:]
        effects = {name: [world.strength(name, t) > 0.2 for t in self._times] for name in ENVELOPES}
        shown = {name for name, frames in effects.items() if np.mean(frames) >= SHOWN}
        shown |= {"occlusion"} if covered.max() > 0.5 else set()
        shown |= {"distractors"} if world.like_target else set()
        shown |= {"look_alikes"} if config.look_alikes else set()
        shown |= {"motion"} if len(step) and np.mean(step > 0.2) >= SHOWN else set()
        shown |= {"scale"} if side.max() > 1.5 * side.min() else set()
        shown |= {"loss"} if config.loss >= SHOWN else set()
        return frozenset(shown)

    # -- the cameras -----------------------------------------------------------------------------------------------

    def _blur(self, image: np.ndarray, time: float, effect: str, index: int) -> np.ndarray:
        moved = self._world.moved(time, 1 / self.config.rate)
        shake = self.config.generator(effect, index).uniform(0, 3)
        length = self.config.blur * (float(np.linalg.norm(moved)) + shake)
        return degradations.blur(image, min(length, 15.0), float(np.arctan2(moved[1], moved[0])))

    def _rgb(self, index: int) -> np.ndarray:
        config, time = self.config, float(self._times[index])
        image = self._world.scene(time).render_rgb(self._world.view(time), config.width, config.height)
        image = self._blur(image, time, "blur", index)
        glare, night, smoke = (self._world.strength(name, time) for name in ("glare", "night", "smoke"))
        if smoke > 0:
            image = degradations.drifting_smoke(image, smoke, drift=0.05 * time)
        if night > 0:
            dark = degradations.night(image, night, config.generator("night", index))
            lights = self._world.lights(time)
            image = dark if lights is None else cv2.add(dark, cv2.multiply(image, lights, scale=night / 255))
        if glare > 0:
            image = degradations.glare(image, glare, tuple(self._light))
        if config.noise > 0:
            image = degradations.noise(image, 0.5 * config.noise, config.generator("noise", index))
        return image

    def _thermal(self, index: int) -> Image:
        config, time = self.config, float(self._thermal_times[index])
        view = self._world.thermal_view(time)
        image = self._world.scene(time).render_thermal(view, config.thermal_width, config.thermal_height)
        image = self._blur(image, time, "thermal_blur", index)
        if config.noise > 0:
            image = degradations.noise(image, 0.5 * config.noise, config.generator("thermal_noise", index))
        contrast, level = self._world.gain(time)
        if config.thermal_bits == 16:  # centikelvin around 17 degrees Celsius; the level drifts with the sensor
            kelvin = 29000 + (image.astype(np.float32) - 128) * 12 + 400 * level
            return Image(kelvin.astype(np.uint16), "mono16")
        return Image(degradations.gain(image, float(np.exp(0.3 * contrast)), 20 * level), "mono8")


def _covered(boxes: np.ndarray, number: int) -> np.ndarray:
    """`(N,)` how much of one object the nearer one that covers most of it covers, [0, 1]; `boxes` is `N x M x 4`."""
    one, nearer = boxes[:, number, None], boxes[:, number + 1 :]
    low = np.maximum(one[..., :2], nearer[..., :2])
    high = np.minimum(one[..., :2] + one[..., 2:], nearer[..., :2] + nearer[..., 2:])
    share = np.prod(np.clip(high - low, 0, None), axis=-1) / np.prod(one[..., 2:], axis=-1)
    return share.max(axis=1, initial=0.0)


def _outside(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """`(N,)` share of each box, `N x 4`, that is out of the picture, [0, 1]."""
    low, high = np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, :2] + boxes[:, 2:], [width, height])
    return 1 - np.prod(np.clip(high - low, 0, None), axis=1) / np.prod(boxes[:, 2:], axis=1)
