"""What there is in a simulated sequence, and where it is at each moment.

Positions are in RGB pixels, before the camera; a view takes the background along. Times are seconds from the first
frame on, from -1 to a second after the last.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ckd_ros.datasets import look_alikes
from ckd_ros.datasets.gait import Gait
from ckd_ros.datasets.props import MadeProps, Prop, RealProps, open_props
from ckd_ros.datasets.scene import Scene, Sprite, pose
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.datasets.trajectories import (
    distractor_track,
    envelope,
    hiding_tracks,
    occluder_track,
    on_ground,
    target_track,
    wander,
)
from ckd_ros.geometry import index_matrix, scaling, translation

#: Effects that reign for a share of the time.
ENVELOPES = ("night", "glare", "smoke", "crossover")
TWIN = 0.35  # chance of a distractor to look as the target does
ANOTHER = 0.4  # chance of a look-alike to be really another one of the target's class, where there are classes


class World:
    """Objects, camera and conditions of a sequence.

    Attributes:
        order: names of all objects, the nearest last; the target is `target`.
        like_target: names of those that look like it.
    """

    def __init__(self, config: SimulatorConfig, clock: np.ndarray) -> None:
        self.config, self._clock = config, clock
        scene, props = config.generator("scene"), open_props(config)
        self._place = props.place(scene)
        self._set_conditions()
        kind = props.kind(scene)
        target = props.draw(scene, kind)
        self._props: dict[str, Prop] = {}
        self._tracks: dict[str, np.ndarray] = {}
        self._gaits: dict[str, Gait] = {}
        self.order: list[str] = []
        self.like_target: list[str] = []
        self._absences: list[look_alikes.Absence] = []
        if config.look_alikes:
            self._absences = look_alikes.draw_absences(config.generator("absences"), (config.frames - 1) / config.rate)
        moments = look_alikes.standing_still(clock, self._absences)
        self._add("target", target, target_track(config, clock, target.aspect, moments, target.speed))
        self._add_distractors(props)
        self._add_occluders(props)
        if config.look_alikes:
            self._add_look_alikes(props, kind)
            self._add_absences(props)
        self._add_hiding(props)
        for number, name in enumerate(self.order):
            if self._props[name].grounded:
                self._gaits[name] = Gait(clock, self._tracks[name], self._views, number)

    # -- what there is ---------------------------------------------------------------------------------------------

    def _add(self, name: str, prop: Prop, track: np.ndarray, in_front: bool = True) -> None:
        track = track * [1, 1, prop.size, prop.size, 1]
        if prop.grounded:  # upright but for a little, and but for the target of its own proportions
            track[:, 4] *= 0.3
            if name != "target":
                side = np.sqrt(track[:, 2] * track[:, 3])
                track[:, 2], track[:, 3] = side * np.sqrt(prop.aspect), side / np.sqrt(prop.aspect)
        if prop.grounded and self._ground is not None:
            track = on_ground(track, self._ground)
        self._props[name], self._tracks[name] = prop, track
        self.order.insert(len(self.order) if in_front else self.order.index("target"), name)

    def _add_distractors(self, props: RealProps | MadeProps) -> None:
        config, rng = self.config, self.config.generator("distractors")
        for number in range(config.distractors):
            name = f"distractor{number}"
            if rng.random() < TWIN:
                target = self._props["target"]
                prop = target.varied(rng) if target.grounded else target  # another one, dressed nearly alike
                self.like_target.append(name)
            else:
                prop = props.draw(rng)
            self._add(name, prop, distractor_track(config, self._clock, rng), in_front=False)

    def _add_occluders(self, props: RealProps | MadeProps) -> None:
        config, rng = self.config, self.config.generator("occlusion")
        for number in range(round(config.occlusion * self._clock[-1] / 5)):
            prop = props.passing(rng)
            track = occluder_track(config, self._clock, rng, self._tracks["target"])
            self._add(f"occluder{number}", prop, track)

    def _add_look_alikes(self, props: RealProps | MadeProps, kind: str | None) -> None:
        config, clock, rng = self.config, self._clock, self.config.generator("look_alikes")
        target, picture = self._props["target"], (config.width, config.height)
        for number in range(config.look_alikes):
            if kind is not None and rng.random() < ANOTHER:
                prop = props.draw(rng, kind)
            else:
                prop = target.varied(rng)
            there = [a.start - 1.0 for k, a in enumerate(self._absences) if k % config.look_alikes == number]
            track = look_alikes.look_alike_track(rng, clock, self._tracks["target"], there, picture)
            if not prop.grounded:  # one that is another has its own shape, and the same area
                stretch = np.sqrt(prop.aspect / target.aspect)
                track[:, 2:4] *= [stretch, 1 / stretch]
                track = look_alikes.walk(rng, clock, track)
            self._add(f"look_alike{number}", replace(prop, size=1.0), track, in_front=rng.random() < 0.5)
            self.like_target.append(f"look_alike{number}")

    def _add_absences(self, props: RealProps | MadeProps) -> None:
        """What hides the target, and where it leaves the picture."""
        config, clock, rng = self.config, self._clock, self.config.generator("covers")
        path = self._tracks["target"]
        for number, absence in enumerate(a for a in self._absences if a.covered):
            prop = props.cover(rng)
            self._add(f"cover{number}", prop, look_alikes.cover_track(path, clock, absence, config.width))
        path = look_alikes.leave_picture(path, clock, self._absences, (config.width, config.height))
        grounded = self._props["target"].grounded
        self._tracks["target"] = path if grounded else look_alikes.walk(rng, clock, path)

    def _add_hiding(self, props: RealProps | MadeProps) -> None:
        rng = self.config.generator("hiding")
        for number, track in enumerate(hiding_tracks(self.config, self._clock, rng, self._tracks["target"])):
            self._add(f"hiding{number}", props.screen(rng), track)

    def _set_conditions(self) -> None:
        config, clock = self.config, self._clock
        rng = config.generator("camera_motion")
        shake = 0.12 * wander(rng, clock, 2.5, 4) + 0.006 * wander(rng, clock, 0.25, 4)
        self._camera = shake * config.camera_motion
        self._views = np.stack([self.view(t - 1.0) for t in clock])
        self._ground: np.ndarray | None = None
        if self._place.free is not None:
            foot = np.array([self._place.texture.width / 2, self._place.free, 1.0])
            self._ground = (self._views @ foot)[:, 1]
        self._envelope = {
            name: getattr(config, name) * envelope(config.generator(name), clock, config.coverage) for name in ENVELOPES
        }
        angle = config.generator("misregistration").uniform(0, 2 * np.pi)
        self._registration = config.misregistration * np.array([np.cos(angle), np.sin(angle)])
        angle = config.generator("parallax").uniform(0, 2 * np.pi)
        self._parallax = config.parallax * np.array([np.cos(angle), np.sin(angle)])
        self._gain = wander(config.generator("thermal_gain"), clock, 1.5, 2) * config.thermal_gain

    # -- at one moment ---------------------------------------------------------------------------------------------

    def _position(self, time: float) -> float:
        """Where a moment is among those of the world's clock."""
        step = self._clock[1] - self._clock[0]
        return float(np.clip((time + 1.0 - self._clock[0]) / step, 0, len(self._clock) - 1))

    def _at(self, values: np.ndarray, time: float) -> np.ndarray:
        """Linear interpolation of rows (or scalars) given on the world's clock."""
        position = min(self._position(time), len(values) - 1.001)
        index = int(position)
        return values[index] + (values[index + 1] - values[index]) * (position - index)

    def strength(self, effect: str, time: float) -> float:
        """How strong one of `ENVELOPES` is, [0, 1]."""
        return float(self._at(self._envelope[effect], time))

    def gain(self, time: float) -> tuple[float, float]:
        """Contrast and level of the thermal image, about -1 to 1, where 0 is as it should be."""
        contrast, level = self._at(self._gain, time)
        return float(contrast), float(level)

    def moved(self, time: float, duration: float) -> np.ndarray:
        """`(2,)` pixels by which the target moves within `duration` seconds around a moment."""
        track, half = self._tracks["target"], duration / 2
        return self._at(track, time + half)[:2] - self._at(track, time - half)[:2]

    def view(self, time: float) -> np.ndarray:
        """World (background pixels) -> RGB pixels; the background overfills the image by a third."""
        config, background = self.config, self._place.texture
        x, y, roll, zoom = self._at(self._camera, time)
        fill = 1.35 * max(config.width / background.width, config.height / background.height) * np.exp(0.6 * zoom)
        c, s = np.cos(0.8 * roll), np.sin(0.8 * roll)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        middle = translation(config.width * (0.5 + x), config.height * (0.5 + y))
        return middle @ turn @ scaling(fill, fill) @ translation(-background.width / 2, -background.height / 2)

    def lights(self, time: float) -> np.ndarray | None:
        """`height x width x 3` uint8, how much of the day's light there is by night, of 255; None without lamps."""
        lights = self._place.lights
        if lights is None:
            return None
        size = self.config.width, self.config.height
        return cv2.warpAffine(lights, index_matrix(self.view(time))[:2], size, borderMode=cv2.BORDER_REFLECT_101)

    def thermal_view(self, time: float) -> np.ndarray:
        """World -> thermal pixels."""
        config = self.config
        resize = scaling(config.thermal_width / config.width, config.thermal_height / config.height)
        return resize @ translation(*self._registration) @ self.view(time)

    def _sprite(self, name: str, time: float, to_world: np.ndarray) -> Sprite:
        x, y, width, height, angle = self._at(self._tracks[name], time)
        prop = self._props[name]
        texture = prop.looks[0]
        if name in self._gaits:
            phase, heading = self._gaits[name].at(self._position(time))
            texture, width = prop.looks[int(phase * len(prop.looks)) % len(prop.looks)], width * heading
        nearness = np.sqrt(abs(width) * height) / self.config.target_size
        shift = to_world[:2, :2] @ (self._parallax * nearness)
        contrast = 1 - 0.97 * self.strength("crossover", time) if self._fades(name) else 1.0
        placed = to_world @ pose(texture, x, y, width, height, angle)
        return Sprite(texture, placed, tuple(shift), (contrast, 0.0))

    def _fades(self, name: str) -> bool:
        return name == "target" or name.startswith("look_alike")

    def scene(self, time: float) -> Scene:
        """All of it, to be rendered."""
        to_world = np.linalg.inv(self.view(time))
        sprites = tuple(self._sprite(name, time, to_world) for name in self.order)
        return Scene(self._place.texture, sprites, self._place.sun)

    def boxes(self, time: float, thermal: bool = False) -> np.ndarray:
        """`M x 4` boxes of all objects, in their order, in RGB or in thermal pixels."""
        view = self.thermal_view(time) if thermal else self.view(time)
        return np.stack([sprite.box(view, thermal) for sprite in self.scene(time).sprites])
