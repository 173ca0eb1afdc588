"""Samples composed from registered pairs and from nothing, rendered directly at crop size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.datasets.textures import dead_leaves, make_target
from ckd_ros.geometry import centre, scaling, transform_box, translation
from ckd_ros.training.samples.cropping import Cropper

_BACKGROUNDS = 48  # procedural ones are costly: so many are made once


class Composer:
    """Targets pasted on backgrounds, and regions of real pairs followed in place.

    Args:
        pairs: registered pairs, or None: everything is procedural.
        seed: of the procedural backgrounds.
    """

    def __init__(self, cropper: Cropper, pairs: PairLibrary | None, seed: int):
        self.cropper, self.pairs, self.seed = cropper, pairs, seed
        self.config, self.augmentation = cropper.config.composing, cropper.config.augmentation

    def pasted(self, rng: np.random.Generator) -> dict:
        """A target on a real background."""
        return self._composed(rng, self._real_background(rng), self.config.real_objects)

    def procedural(self, rng: np.random.Generator) -> dict:
        """A target on a background made from nothing."""
        background = _leaves(self.seed, int(rng.integers(_BACKGROUNDS)))
        return self._composed(rng, background, self.config.real_objects_procedural)

    def in_place(self, rng: np.random.Generator) -> dict:
        """A region of a real pair is the target; the search crop sees it zoomed, stretched and turned."""
        config, background = self.config, self._real_background(rng)
        size = np.exp(rng.uniform(*np.log(config.region_size)))
        aspect = np.exp(rng.normal(0, config.region_aspect))
        w, h = size * aspect, size / aspect
        x = rng.uniform(0, max(1.0, background.width - w))
        y = rng.uniform(0, max(1.0, background.height - h))
        box = np.array([x, y, w, h])
        middle = centre(box)
        stretch = np.exp(rng.normal(0, config.region_stretch, 2))
        change = translation(*middle) @ scaling(*stretch) @ translation(*-middle)
        scene = Scene(background)
        return self._crop(rng, scene, scene, box, transform_box(change, box), True, self._moment(rng, size)[1], change)

    def _real_background(self, rng: np.random.Generator) -> Texture:
        return self.pairs.background(int(rng.integers(len(self.pairs))))

    def _object(self, rng: np.random.Generator, real: float) -> Texture:
        if self.pairs is not None and rng.random() < real:
            return self.pairs.cutout(rng)
        aspect = np.exp(rng.normal(0, 0.4))
        return Texture(*make_target(rng, max(12, int(56 * aspect)), max(12, int(56 / aspect))))

    def _moment(self, rng: np.random.Generator, size: float) -> tuple[np.ndarray, np.ndarray]:
        """How far, in world pixels, target and camera moved between the colour and the thermal search image."""
        if rng.random() >= self.augmentation.time_jitter:
            return np.zeros(2), np.zeros(2)
        spread = np.array([[self.augmentation.time_motion], [self.augmentation.time_camera]]) * size
        return tuple(rng.normal(0, 1, (2, 2)) * spread)

    def _composed(self, rng: np.random.Generator, background: Texture, real: float) -> dict:
        config = self.config
        texture = self._object(rng, real)
        size = np.exp(rng.uniform(*np.log(config.target_size)))
        before, after, camera = self._target(rng, background, texture, size)
        place = after.pose[:2] @ [texture.width / 2, texture.height / 2, 1.0]
        count = int(rng.integers(0, config.distractors + 1))
        others = [self._distractor(rng, real, texture, place, size) for _ in range(count)]
        positive = rng.random() >= self.cropper.config.negatives
        sprites = [*others, after] if positive else list(others)
        if positive and rng.random() < config.occluder:
            sprites.append(self._occluder(rng, real, after))
        old = [o for o in others if rng.random() < 0.5]
        template_scene, search_scene = Scene(background, (*old, before)), Scene(background, tuple(sprites))
        identity = np.eye(3)
        return self._crop(
            rng, template_scene, search_scene, before.box(identity), after.box(identity), positive, camera
        )

    def _target(
        self, rng: np.random.Generator, background: Texture, texture: Texture, size: float
    ) -> tuple[Sprite, Sprite, np.ndarray]:
        """The target in the template and in the search region, and the camera's motion in its thermal image."""
        config = self.config
        aspect = np.sqrt(texture.width / texture.height)
        width, height = size * aspect, size / aspect
        first = rng.uniform([0.1, 0.1], [0.9, 0.9]) * [background.width, background.height]
        second = first + rng.normal(0, config.motion, 2) * size if rng.random() < config.moved else first
        grow, squeeze = np.exp(rng.normal(0, config.grow)), np.exp(rng.normal(0, config.squeeze))
        tilt, turn = rng.normal(0, config.tilt), rng.normal(0, config.turn)
        if rng.random() < config.crossover:
            warmth = (float(rng.uniform(*config.crossover_contrast)), 0.0)
            old_warmth = (1.0, 0.0) if rng.random() < config.crossover_later else warmth
        else:
            old_warmth = warmth = (float(rng.uniform(*config.warmth_contrast)), rng.normal(0, config.warmth_level))
        motion, camera = self._moment(rng, size)
        before = Sprite(texture, pose(texture, *first, width, height, tilt), warmth=old_warmth)
        after = Sprite(
            texture,
            pose(texture, *second, width * grow * squeeze, height * grow / squeeze, tilt + turn),
            thermal_shift=tuple(rng.normal(0, config.parallax, 2) * size + motion),
            warmth=warmth,
        )
        return before, after, camera

    def _distractor(self, rng, real: float, target: Texture, place: np.ndarray, size: float) -> Sprite:
        texture = target if rng.random() < self.config.look_alike else self._object(rng, real)
        away = rng.uniform(0, 2 * np.pi)
        x, y = place + size * rng.uniform(1.0, 2.4) * np.array([np.cos(away), np.sin(away)])
        side = size * np.exp(rng.normal(0, 0.3))
        aspect = np.sqrt(texture.width / texture.height)
        return Sprite(texture, pose(texture, x, y, side * aspect, side / aspect, rng.normal(0, 0.3)))

    def _occluder(self, rng, real: float, target: Sprite) -> Sprite:
        """An object that covers part of the target from one side."""
        texture, box = self._object(rng, real), target.box(np.eye(3))
        size = box[2:] * rng.uniform(0.8, 1.6, 2)
        middle, cover = centre(box), rng.uniform(*self.config.cover)
        axis = int(rng.integers(2))
        if rng.random() < 0.5:
            middle[axis] = box[axis] + cover * box[axis + 2] - size[axis] / 2
        else:
            middle[axis] = box[axis] + (1 - cover) * box[axis + 2] + size[axis] / 2
        return Sprite(texture, pose(texture, *middle, *size, rng.normal(0, 0.2)))

    def _crop(self, rng, template_scene, search_scene, before, after, positive, camera, change=None) -> dict:
        """The sample; `change` maps the world to what it has become in the search image."""
        cropper = self.cropper
        template_window, window = cropper.template_window(before), cropper.search_window(rng, after)
        T, S = cropper.template_size, cropper.search_size
        template_view = template_window.matrix(T)
        view = window.matrix(S)
        thermal_view = view @ cropper.misregistration(rng, window) @ translation(*camera)
        if change is not None:
            view, thermal_view = view @ change, thermal_view @ change
        return {
            "template_rgb": template_scene.render_rgb(template_view, T, T),
            "template_tir": template_scene.render_thermal(template_view, T, T),
            "search_rgb": search_scene.render_rgb(view, S, S),
            "search_tir": search_scene.render_thermal(thermal_view, S, S),
            "template_box": template_window.to_fraction(before),
            "box": window.to_fraction(after),
            "present": np.array([True, True]),
            "positive": positive,
        }


@lru_cache(maxsize=_BACKGROUNDS)
def _leaves(seed: int, number: int) -> Texture:
    return Texture(*dead_leaves(np.random.default_rng([seed, 1, number]), 448, 352))
