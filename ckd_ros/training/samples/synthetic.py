"""Samples composed from registered pairs or procedurally, rendered directly at crop size."""

from __future__ import annotations

import numpy as np

from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.datasets.textures import make_target
from ckd_ros.geometry import centre, scaling, transform_box, translation
from ckd_ros.training.samples.cropping import Cropper, Sample
from ckd_ros.training.samples.scene_pair import BACKGROUNDS, ScenePair, crop_scenes, procedural_background


class SyntheticSource:
    """Targets pasted on backgrounds, and regions of real pairs that serve as targets where they are.

    Args:
        pairs: registered pairs; None: only `procedural` can be sampled.
        seed: of the procedural backgrounds.
    """

    def __init__(self, cropper: Cropper, pairs: PairLibrary | None, seed: int):
        self.cropper, self.pairs, self.seed = cropper, pairs, seed
        self.config, self.augmentation = cropper.config.composing, cropper.config.augmentation

    def pasted(self, rng: np.random.Generator) -> Sample:
        """A target on a real background."""
        return self._composed(rng, self._real_background(rng), self.config.real_objects)

    def procedural(self, rng: np.random.Generator) -> Sample:
        """A target on a procedural background."""
        return self._composed(rng, self._procedural_background(rng), self.config.real_objects_procedural)

    def in_place(self, rng: np.random.Generator) -> Sample:
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
        _, camera_motion = self._time_jitter(rng, size)
        changed = transform_box(change, box)
        return crop_scenes(rng, self.cropper, ScenePair(scene, scene, box, changed, True, camera_motion, change))

    def background(self, rng: np.random.Generator) -> Texture:
        """A real background where there are pairs, else a procedural one."""
        return self._real_background(rng) if self.pairs else self._procedural_background(rng)

    def piece(self, rng: np.random.Generator) -> Texture:
        """An object of no kind: a piece of a real pair where there are some, else procedural."""
        return self._object(rng, self.config.real_objects)

    def _procedural_background(self, rng: np.random.Generator) -> Texture:
        return procedural_background(self.seed, int(rng.integers(BACKGROUNDS)))

    def _real_background(self, rng: np.random.Generator) -> Texture:
        assert self.pairs is not None
        return self.pairs.background(int(rng.integers(len(self.pairs))))

    def _object(self, rng: np.random.Generator, real: float) -> Texture:
        if self.pairs is not None and rng.random() < real:
            return self.pairs.cutout(rng)
        aspect = np.exp(rng.normal(0, 0.4))
        return Texture(*make_target(rng, max(12, int(56 * aspect)), max(12, int(56 / aspect))))

    def _time_jitter(self, rng: np.random.Generator, size: float) -> tuple[np.ndarray, np.ndarray]:
        """`(x, y)` in world pixels by which target and camera moved between the colour and thermal search image."""
        if rng.random() >= self.augmentation.time_jitter:
            return np.zeros(2), np.zeros(2)
        spread = np.array([[self.augmentation.time_motion], [self.augmentation.time_camera]]) * size
        target, camera = rng.normal(0, 1, (2, 2)) * spread
        return target, camera

    def _composed(self, rng: np.random.Generator, background: Texture, real: float) -> Sample:
        config = self.config
        texture = self._object(rng, real)
        size = np.exp(rng.uniform(*np.log(config.target_size)))
        before, after, camera_motion = self._target(rng, background, texture, size)
        position = after.pose[:2] @ [texture.width / 2, texture.height / 2, 1.0]
        count = int(rng.integers(0, config.distractors + 1))
        distractors = [self._distractor(rng, real, texture, position, size) for _ in range(count)]
        positive = rng.random() >= self.cropper.config.negatives
        sprites = [*distractors, after] if positive else list(distractors)
        if positive and rng.random() < config.occluder:
            sprites.append(self._occluder(rng, real, after))
        in_template = [distractor for distractor in distractors if rng.random() < 0.5]
        template, search = Scene(background, (*in_template, before)), Scene(background, tuple(sprites))
        boxes = before.box(np.eye(3)), after.box(np.eye(3))
        return crop_scenes(rng, self.cropper, ScenePair(template, search, *boxes, positive, camera_motion))

    def _target(
        self, rng: np.random.Generator, background: Texture, texture: Texture, size: float
    ) -> tuple[Sprite, Sprite, np.ndarray]:
        """The target in the template and in the search region, and the camera's motion until its thermal image."""
        config = self.config
        aspect = np.sqrt(texture.width / texture.height)
        width, height = size * aspect, size / aspect
        first = rng.uniform([0.1, 0.1], [0.9, 0.9]) * [background.width, background.height]
        second = first + rng.normal(0, config.motion, 2) * size if rng.random() < config.moved else first
        grow, squeeze = np.exp(rng.normal(0, config.grow)), np.exp(rng.normal(0, config.squeeze))
        tilt, turn = rng.normal(0, config.tilt), rng.normal(0, config.turn)
        if rng.random() < config.crossover:
            warmth = (float(rng.uniform(*config.crossover_contrast)), 0.0)
            template_warmth = (1.0, 0.0) if rng.random() < config.crossover_later else warmth
        else:
            template_warmth = warmth = (float(rng.uniform(*config.warmth_contrast)), rng.normal(0, config.warmth_level))
        motion, camera_motion = self._time_jitter(rng, size)
        before = Sprite(texture, pose(texture, first[0], first[1], width, height, tilt), warmth=template_warmth)
        shift_x, shift_y = rng.normal(0, config.parallax, 2) * size + motion
        after = Sprite(
            texture,
            pose(texture, second[0], second[1], width * grow * squeeze, height * grow / squeeze, tilt + turn),
            thermal_shift=(shift_x, shift_y),
            warmth=warmth,
        )
        return before, after, camera_motion

    def _distractor(
        self, rng: np.random.Generator, real: float, target: Texture, position: np.ndarray, size: float
    ) -> Sprite:
        """Another object beside the target, by chance one that looks like it."""
        texture = target if rng.random() < self.config.look_alike else self._object(rng, real)
        angle = rng.uniform(0, 2 * np.pi)
        x, y = position + size * rng.uniform(1.0, 2.4) * np.array([np.cos(angle), np.sin(angle)])
        side = size * np.exp(rng.normal(0, 0.3))
        aspect = np.sqrt(texture.width / texture.height)
        return Sprite(texture, pose(texture, x, y, side * aspect, side / aspect, rng.normal(0, 0.3)))

    def _occluder(self, rng: np.random.Generator, real: float, target: Sprite) -> Sprite:
        """An object that covers part of the target from one side."""
        texture, box = self._object(rng, real), target.box(np.eye(3))
        size = box[2:] * rng.uniform(0.8, 1.6, 2)
        middle, cover = centre(box), rng.uniform(*self.config.cover)
        axis = int(rng.integers(2))
        if rng.random() < 0.5:
            middle[axis] = box[axis] + cover * box[axis + 2] - size[axis] / 2
        else:
            middle[axis] = box[axis] + (1 - cover) * box[axis + 2] + size[axis] / 2
        return Sprite(texture, pose(texture, middle[0], middle[1], size[0], size[1], rng.normal(0, 0.2)))
