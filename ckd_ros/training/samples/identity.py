"""Samples that teach identity: a target among others of its class, before real backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.geometry import centre
from ckd_ros.training.samples.cropping import Cropper, Sample
from ckd_ros.training.samples.objects import Objects, Thing, changed_shape, copy_with_a_difference, relit
from ckd_ros.training.samples.scene_pair import ScenePair, crop_scenes, visible_share

#: Largest share of a background's narrower side that a target may take.
_LARGEST = 0.22
_CANDIDATES = 3  # backgrounds to choose from


@dataclass(frozen=True)
class Scenery:
    """What is around targets: a random background, and a random piece of anything to stand before it."""

    background: Callable[[np.random.Generator], Texture]
    piece: Callable[[np.random.Generator], Texture]


class IdentitySource:
    """Targets with look-alikes beside, behind and in front of them, in the template's surroundings and in the search.

    Args:
        objects: targets and look-alikes.
    """

    def __init__(self, cropper: Cropper, objects: Objects, scenery: Scenery) -> None:
        self.cropper, self.objects, self.scenery = cropper, objects, scenery
        self.config, self.composing = cropper.config.identity, cropper.config.composing

    def sample(self, rng: np.random.Generator) -> Sample:
        """One sample; `positive` is False where the target is gone or less than `least_visible` of it is seen."""
        config = self.config
        thing = self.objects.target(rng)
        background = self._background(rng, thing.texture)
        elsewhere = rng.random() < config.elsewhere
        search_background = self._background(rng, thing.texture) if elsewhere else background
        scale = self._scale(rng, thing.texture, background)
        before, after = self._target(rng, thing.texture, background, scale, elsewhere)
        absent = bool(rng.random() < config.absent)
        count = max(int(rng.integers(0, config.look_alikes + 1)), int(absent))
        template, search = [], []
        for number in range(count):
            texture = self._look_alike(rng, thing, genuine=absent)
            if rng.random() < config.in_template:
                template.append(self._beside(rng, texture, before))
            search.append(self._beside(rng, texture, after, instead=absent and number == 0))
        front = [] if absent or rng.random() >= config.front else [self._in_front(rng, thing, after)]
        positive = not absent and visible_share(after, front) >= config.least_visible
        sprites = (*search, *(() if absent else (after,)), *front)
        scenes = Scene(background, (*template, before)), Scene(search_background, sprites)
        boxes = before.box(np.eye(3)), after.box(np.eye(3))
        return crop_scenes(rng, self.cropper, ScenePair(*scenes, *boxes, positive))

    def _background(self, rng: np.random.Generator, texture: Texture) -> Texture:
        """Of a few random ones, that which is most nearly as bright as the target: day to day, night to night."""
        level = texture.rgb[0].mean()
        candidates = [self.scenery.background(rng) for _ in range(_CANDIDATES)]
        # the full image, thinned: which smaller copies there are depends on what was drawn before
        return min(candidates, key=lambda background: abs(background.rgb[0][::8, ::8].mean() - level))

    def _scale(self, rng: np.random.Generator, texture: Texture, background: Texture) -> float:
        """World pixels to a pixel of the texture: near its own, so that it is as sharp as what is behind it."""
        side = float(np.sqrt(texture.width * texture.height))
        largest = _LARGEST * min(background.width, background.height)
        size = side * np.exp(rng.normal(0, self.config.size_spread))
        return float(np.clip(size, self.composing.target_size[0], max(self.composing.target_size[0], largest)) / side)

    def _target(
        self, rng: np.random.Generator, texture: Texture, background: Texture, scale: float, elsewhere: bool
    ) -> tuple[Sprite, Sprite]:
        """The target in the template and in the search region."""
        config, side = self.composing, scale * np.sqrt(texture.width * texture.height)
        field = np.array([background.width, background.height])
        first, second = (rng.uniform((0.2, 0.35), (0.8, 0.85)) * field for _ in range(2))  # rarely in the sky
        if not elsewhere:
            second = first + (rng.normal(0, config.motion, 2) * side if rng.random() < config.moved else 0.0)
        grow, squeeze = np.exp(rng.normal(0, config.grow)), np.exp(rng.normal(0, config.squeeze))
        tilt, turn = rng.normal(0, config.tilt) / 2, rng.normal(0, config.turn)  # these stand upright
        warmth = template_warmth = (
            float(rng.uniform(*config.warmth_contrast)),
            float(rng.normal(0, config.warmth_level)),
        )
        if rng.random() < config.crossover:
            warmth = (float(rng.uniform(*config.crossover_contrast)), 0.0)
            template_warmth = template_warmth if rng.random() < config.crossover_later else warmth
        before = Sprite(texture, _placed(texture, first, scale, angle=tilt), warmth=template_warmth)
        later = relit(rng, texture, self.config.light)
        later = changed_shape(rng, later, self.config.gait, bool(rng.random() < self.config.mirrored))
        stretch = grow * squeeze, grow / squeeze
        shift_x, shift_y = rng.normal(0, config.parallax, 2) * side
        after = Sprite(later, _placed(later, second, scale, stretch, tilt + turn), (shift_x, shift_y), warmth)
        return before, after

    def _look_alike(self, rng: np.random.Generator, thing: Thing, genuine: bool) -> Texture:
        """Another of the target's class or, unless `genuine`, by chance a changed copy of it."""
        if not genuine and rng.random() < self.config.copies:
            return copy_with_a_difference(rng, thing.texture)
        return self.objects.other(rng, thing).texture

    def _beside(self, rng: np.random.Generator, texture: Texture, target: Sprite, instead: bool = False) -> Sprite:
        """A look-alike next to the target or partly behind it, or `instead` of it; of about its size."""
        box = target.box(np.eye(3))
        side = float(np.sqrt(box[2] * box[3]))
        if instead:
            middle = centre(box) + rng.normal(0, 0.5, 2) * side
        else:
            angle = rng.uniform(0, 2 * np.pi)
            flat = rng.choice([0.35, 1.0])  # what stands on one ground is beside rather than above or below
            middle = centre(box) + rng.uniform(0.4, 2.3) * side * np.array([np.cos(angle), np.sin(angle) * flat])
        return self._like(rng, texture, middle, side)

    def _in_front(self, rng: np.random.Generator, thing: Thing, target: Sprite) -> Sprite:
        """A look-alike or any other thing that covers the target from one side."""
        box = target.box(np.eye(3))
        side = float(np.sqrt(box[2] * box[3]))
        if rng.random() < self.config.front_alike:
            sprite = self._like(rng, self._look_alike(rng, thing, genuine=False), centre(box), side)
        else:
            sprite = self._like(rng, self.scenery.piece(rng), centre(box), side * np.exp(rng.uniform(-0.7, 1.1)))
        size, cover = sprite.box(np.eye(3))[2:], rng.uniform(*self.config.cover)
        axis, sign = int(rng.random() < 0.25), int(rng.choice([-1, 1]))
        offset = rng.normal(0, 0.1, 2) * side
        offset[axis] = sign * ((0.5 - min(cover, 1.0)) * box[2 + axis] + size[axis] / 2)
        if cover >= 1:  # all of it, as far as the thing reaches
            offset[axis] = 0.0
        moved = sprite.pose.copy()
        moved[:2, 2] += offset
        return replace(sprite, pose=moved)

    def _like(self, rng: np.random.Generator, texture: Texture, middle: np.ndarray, side: float) -> Sprite:
        """A sprite of about that side, upright."""
        grow, squeeze = np.exp(rng.normal(0, self.config.proportions, 2))
        scale = side / np.sqrt(texture.width * texture.height)
        stretch = grow * squeeze, grow / squeeze
        warmth = float(rng.uniform(*self.composing.warmth_contrast)), float(rng.normal(0, self.composing.warmth_level))
        return Sprite(
            texture, _placed(texture, middle, scale, stretch, rng.normal(0, self.composing.tilt) / 2), warmth=warmth
        )


def _placed(
    texture: Texture,
    middle: np.ndarray,
    scale: float,
    stretch: tuple[float, float] = (1.0, 1.0),
    angle: float = 0.0,
) -> np.ndarray:
    width, height = texture.width * scale * stretch[0], texture.height * scale * stretch[1]
    return pose(texture, float(middle[0]), float(middle[1]), width, height, angle)
