"""What a composed sample shows, and its crops rendered from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np

from ckd_ros.datasets.scene import Scene, Sprite, Texture
from ckd_ros.datasets.textures import dead_leaves
from ckd_ros.geometry import index_matrix, translation
from ckd_ros.training.samples.cropping import Cropper, Sample

BACKGROUNDS = 48  # procedural ones are costly: so many are made once


@dataclass(frozen=True)
class ScenePair:
    """What a sample's template and search image show: two scenes and the target in them, in world pixels.

    Attributes:
        template_box, search_box: the target `(x, y, w, h)`.
        positive: whether the target is in the search scene.
        camera_motion: `(x, y)` by which the camera moved between the colour and the thermal search image.
        change: 3x3, what has become of the world in the search image.
    """

    template: Scene
    search: Scene
    template_box: np.ndarray
    search_box: np.ndarray
    positive: bool
    camera_motion: np.ndarray = field(default_factory=lambda: np.zeros(2))
    change: np.ndarray = field(default_factory=lambda: np.eye(3))


def crop_scenes(rng: np.random.Generator, cropper: Cropper, scenes: ScenePair) -> Sample:
    """A sample's crops and boxes, rendered at crop size; by chance one camera's search image is frozen."""
    template_window = cropper.template_window(scenes.template_box)
    search_window = cropper.search_window(rng, scenes.search_box)
    T, S = cropper.template_size, cropper.search_size
    template_view, search_view = template_window.matrix(T), search_window.matrix(S)
    camera_x, camera_y = scenes.camera_motion
    misregistration = cropper.misregistration(rng, search_window)
    thermal_view = search_view @ misregistration @ translation(camera_x, camera_y) @ scenes.change
    search_view = search_view @ scenes.change
    template_thermal_view = template_view @ cropper.template_misregistration(rng, template_window)
    rgb_scene, thermal_scene, live = _frozen(rng, cropper, scenes)
    return {
        "template_rgb": scenes.template.render_rgb(template_view, T, T),
        "template_tir": scenes.template.render_thermal(template_thermal_view, T, T),
        "search_rgb": rgb_scene.render_rgb(search_view, S, S),
        "search_tir": thermal_scene.render_thermal(thermal_view, S, S),
        "template_box": template_window.to_fraction(scenes.template_box),
        "box": search_window.to_fraction(scenes.search_box),
        "present": np.array([True, True]),
        "live": live,
        "positive": scenes.positive,
    }


def _frozen(rng: np.random.Generator, cropper: Cropper, scenes: ScenePair) -> tuple[Scene, Scene, np.ndarray]:
    """The search scene as each camera shows it, and whether that is the present: everything moved since an old one."""
    config, search, live = cropper.config.augmentation, scenes.search, np.array([True, True])
    if not config.frozen or not search.sprites or rng.random() >= config.frozen:
        return search, search, live
    side = float(np.sqrt(scenes.search_box[2] * scenes.search_box[3]))
    sprites = []
    for sprite in search.sprites:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(*config.frozen_motion) * side
        moved = translation(far * np.cos(angle), far * np.sin(angle))
        sprites.append(replace(sprite, pose=moved @ sprite.pose))
    old = Scene(search.background, tuple(sprites))
    camera = int(rng.integers(2))
    live[camera] = False
    return (old, search, live) if camera == 0 else (search, old, live)


def visible_share(target: Sprite, in_front: Sequence[Sprite], size: int = 32) -> float:
    """The share of a sprite's silhouette that is not covered by others."""
    x, y, w, h = target.box(np.eye(3))
    view = np.diag([size / w, size / h, 1.0]) @ translation(-x, -y)
    whole = shown = _silhouette(target, view, size)
    for sprite in in_front:
        shown = shown * (1 - _silhouette(sprite, view, size))
    return float(shown.sum() / max(float(whole.sum()), 1e-6))


def _silhouette(sprite: Sprite, view: np.ndarray, size: int) -> np.ndarray:
    assert sprite.texture.alpha is not None, "a sprite is cut out by its alpha"
    alpha = cv2.warpAffine(sprite.texture.alpha[0], index_matrix(view @ sprite.pose)[:2], (size, size))
    return alpha.astype(np.float32) / 255


@lru_cache(maxsize=BACKGROUNDS)
def procedural_background(seed: int, number: int) -> Texture:
    """One of `BACKGROUNDS` procedural backgrounds of a seed."""
    return Texture(*dead_leaves(np.random.default_rng([seed, 1, number]), 448, 352))
