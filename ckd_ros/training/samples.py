"""Training samples: a template and a search region in both modalities, made fresh and directly at crop size.

Four sources are mixed: targets pasted on real backgrounds, targets pasted on procedural ones, regions of real pairs
followed in place, and real single-modality videos (the other modality absent). Sample `i` depends on the seed and `i`
alone, so that a stopped run resumes with the samples it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from ckd_ros.datasets import degradations
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.datasets.textures import dead_leaves, make_target
from ckd_ros.geometry import Window, centre, crop_window, index_matrix, scaling, transform_box, translation
from ckd_ros.training.videobank import VideoBank


@dataclass(frozen=True)
class SampleConfig:
    """What samples are made of; paths may be None, then that source is left out.

    Attributes:
        pairs: folder of registered pairs (`rgb/`, `tir/`).
        thermal_videos, visible_videos: folders of labelled single-modality videos.
        cache: where windows cut from the videos are kept.
        weights: relative share of the sources `pasted`, `procedural`, `in_place`, `thermal_video`, `visible_video`.
        centre_jitter: the search centre is off the target by at most half of this, times the target's side.
        scale_jitter: standard deviation of the log of the search region's scale.
        negatives: share of search regions without the target.
        dropped: chance of each modality to be absent.
    """

    pairs: Path | None = None
    thermal_videos: Path | None = None
    visible_videos: Path | None = None
    cache: Path = Path("runs/cache")
    weights: dict[str, float] = field(
        default_factory=lambda: {
            "pasted": 0.34,
            "procedural": 0.2,
            "in_place": 0.16,
            "thermal_video": 0.15,
            "visible_video": 0.15,
        }
    )
    centre_jitter: float = 2.4
    scale_jitter: float = 0.22
    negatives: float = 0.05
    dropped: float = 0.05


class SampleSet(Dataset):
    """Samples as dicts of arrays.

    `template_rgb` (T,T,3), `template_tir` (T,T), `search_rgb` (S,S,3), `search_tir` (S,S), all uint8;
    `template_box` and `box` (4,) float32: the target `(x, y, w, h)` in fractions of the template and the search crop;
    `present` (2,) bool: colour and thermal are there; `positive` bool: the search region holds the target.
    """

    def __init__(self, config: SampleConfig, network, seed: int, length: int):
        self.config, self.seed, self.length = config, seed, length
        self.template_size, self.search_size = network.template_size, network.search_size
        self.template_factor, self.search_factor = network.template_factor, network.search_factor
        self.pairs = PairLibrary(config.pairs, "train") if config.pairs else None
        self.banks = {
            name: VideoBank(folder, name == "thermal_video", config.cache)
            for name, folder in (("thermal_video", config.thermal_videos), ("visible_video", config.visible_videos))
            if folder
        }
        usable = {"procedural", *self.banks} | ({"pasted", "in_place"} if self.pairs else set())
        unknown = set(config.weights) - {"pasted", "procedural", "in_place", "thermal_video", "visible_video"}
        if unknown:
            raise ValueError(f"unknown sample source(s) {sorted(unknown)} in weights")
        self.sources = [name for name in config.weights if name in usable and config.weights[name] > 0]
        weights = np.array([config.weights[name] for name in self.sources])
        self.probabilities = weights / weights.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, index])
        source = self.sources[rng.choice(len(self.sources), p=self.probabilities)]
        if source in self.banks:
            sample = self._from_video(self.banks[source], rng)
        elif source == "in_place":
            sample = self._in_place(rng)
        else:
            sample = self._composed(rng, real=source == "pasted")
        return _finish(sample, rng, self.config.dropped)

    # -- sources ---------------------------------------------------------------------------------------------------

    def _background(self, rng: np.random.Generator, real: bool) -> Texture:
        if real:
            return self.pairs.background(int(rng.integers(len(self.pairs))))
        return _leaves(self.seed, int(rng.integers(48)))

    def _object(self, rng: np.random.Generator, real: bool) -> Texture:
        if self.pairs is not None and rng.random() < (0.7 if real else 0.3):
            return self.pairs.cutout(rng)
        aspect = np.exp(rng.normal(0, 0.4))
        return Texture(*make_target(rng, max(12, int(56 * aspect)), max(12, int(56 / aspect))))

    def _composed(self, rng: np.random.Generator, real: bool) -> dict:
        background = self._background(rng, real)
        texture = self._object(rng, real)
        size = np.exp(rng.uniform(np.log(14), np.log(110)))
        aspect = np.sqrt(texture.width / texture.height)
        width, height = size * aspect, size / aspect
        first = rng.uniform([0.1, 0.1], [0.9, 0.9]) * [background.width, background.height]
        # The target may have moved over the background, grown, turned and changed its shape since the template.
        second = first + rng.normal(0, 0.8, 2) * size if rng.random() < 0.7 else first
        grow = np.exp(rng.normal(0, 0.18))
        squeeze = np.exp(rng.normal(0, 0.1))
        turn = rng.normal(0, 0.12)
        start = rng.normal(0, 0.15)
        crossover = rng.random() < 0.2
        plain = (float(rng.uniform(0.7, 1.3)), rng.normal(0, 8))
        warmth = (float(rng.uniform(0.02, 0.35)), 0.0) if crossover else plain
        before = Sprite(texture, pose(texture, *first, width, height, start), warmth=warmth)
        if crossover and rng.random() < 0.5:  # the template may still be from before
            before = Sprite(texture, before.pose)
        after = Sprite(
            texture,
            pose(texture, *second, width * grow * squeeze, height * grow / squeeze, start + turn),
            thermal_shift=tuple(rng.normal(0, 0.04, 2) * size),
            warmth=warmth,
        )
        others = [self._distractor(rng, real, texture, second, size) for _ in range(int(rng.integers(0, 4)))]
        positive = rng.random() >= self.config.negatives
        sprites = [*others, after] if positive else others
        if positive and rng.random() < 0.25:
            sprites.append(self._occluder(rng, real, after, size))
        identity = np.eye(3)
        old = [o for o in others if rng.random() < 0.5]
        template_scene, search_scene = Scene(background, (*old, before)), Scene(background, tuple(sprites))
        return self._crop(rng, template_scene, search_scene, before.box(identity), after.box(identity), positive)

    def _distractor(self, rng, real: bool, target: Texture, place: np.ndarray, size: float) -> Sprite:
        texture = target if rng.random() < 0.2 else self._object(rng, real)
        away = rng.uniform(0, 2 * np.pi)
        x, y = place + size * rng.uniform(1.0, 2.4) * np.array([np.cos(away), np.sin(away)])
        side = size * np.exp(rng.normal(0, 0.3))
        aspect = np.sqrt(texture.width / texture.height)
        return Sprite(texture, pose(texture, x, y, side * aspect, side / aspect, rng.normal(0, 0.3)))

    def _occluder(self, rng, real: bool, target: Sprite, size: float) -> Sprite:
        texture = self._object(rng, real)
        box = target.box(np.eye(3))
        side = rng.integers(4)  # covers part of the target from one side
        cover = rng.uniform(0.15, 0.5)
        w, h = box[2] * rng.uniform(0.8, 1.6), box[3] * rng.uniform(0.8, 1.6)
        x, y = centre(box)
        if side == 0:
            x = box[0] + cover * box[2] - w / 2
        elif side == 1:
            x = box[0] + (1 - cover) * box[2] + w / 2
        elif side == 2:
            y = box[1] + cover * box[3] - h / 2
        else:
            y = box[1] + (1 - cover) * box[3] + h / 2
        return Sprite(texture, pose(texture, x, y, w, h, rng.normal(0, 0.2)))

    def _in_place(self, rng: np.random.Generator) -> dict:
        """A region of a real pair is the target; the search crop sees it zoomed, stretched and turned."""
        background = self._background(rng, real=True)
        size = np.exp(rng.uniform(np.log(20), np.log(120)))
        aspect = np.exp(rng.normal(0, 0.35))
        w, h = size * aspect, size / aspect
        x = rng.uniform(0, max(1.0, background.width - w))
        y = rng.uniform(0, max(1.0, background.height - h))
        box = np.array([x, y, w, h])
        middle = centre(box)
        stretch = np.exp(rng.normal(0, 0.12, 2))
        change = translation(*middle) @ scaling(*stretch) @ translation(*-middle)
        scene = Scene(background)
        return self._crop(rng, scene, scene, box, transform_box(change, box), True, change)

    def _crop(self, rng, template_scene, search_scene, before, after, positive, change=None) -> dict:
        change = np.eye(3) if change is None else change
        template_window = crop_window(before, self.template_factor)
        window = self._search_window(rng, after)
        T, S = self.template_size, self.search_size
        template_view, search_view = template_window.matrix(T), window.matrix(S) @ change
        thermal_off = translation(*(rng.normal(0, 0.02, 2) * window.side / self.search_factor))
        return {
            "template_rgb": template_scene.render_rgb(template_view, T, T),
            "template_tir": template_scene.render_thermal(template_view, T, T),
            "search_rgb": search_scene.render_rgb(search_view, S, S),
            "search_tir": search_scene.render_thermal(search_view @ thermal_off, S, S),
            "template_box": template_window.to_fraction(before),
            "box": window.to_fraction(after),
            "present": np.array([True, True]),
            "positive": positive,
        }

    def _search_window(self, rng: np.random.Generator, box: np.ndarray) -> Window:
        side = np.sqrt(box[2] * box[3])
        reach = self.config.centre_jitter / 2 * (1.0 if rng.random() < 0.5 else 0.35)
        middle = centre(box) + rng.uniform(-reach, reach, 2) * side
        side = max(1.0, side * np.exp(rng.normal(0, self.config.scale_jitter)) * self.search_factor)
        return Window(float(middle[0] - side / 2), float(middle[1] - side / 2), float(side))

    def _from_video(self, bank: VideoBank, rng: np.random.Generator) -> dict:
        first, last = bank.spans[int(rng.integers(len(bank.spans)))]
        old = int(rng.integers(first, last))
        new = int(np.clip(old + rng.integers(-50, 51), first, last - 1))
        template_window = crop_window(bank.boxes[old], self.template_factor)
        positive = rng.random() >= self.config.negatives
        box = bank.boxes[new]
        window = self._search_window(rng, box)
        T, S = self.template_size, self.search_size
        template = _warp(np.asarray(bank.images[old]), template_window.matrix(T), T)
        search_image = np.asarray(bank.images[new])
        if not positive:  # a part of the surroundings without the target
            away = rng.uniform(0, 2 * np.pi)
            shift = 3.2 * np.sqrt(box[2] * box[3]) * np.array([np.cos(away), np.sin(away)])
            window = Window(window.x + shift[0], window.y + shift[1], window.side)
            middle = centre(window.to_fraction(box))
            positive = bool(((middle > 0.0) & (middle < 1.0)).all())
        search = _warp(search_image, window.matrix(S), S)
        grey = bank.thermal
        channels = (3,) if grey else ()  # of the camera that is absent
        there, absent = ("tir", "rgb") if grey else ("rgb", "tir")
        return {
            f"template_{there}": template,
            f"search_{there}": search,
            f"template_{absent}": np.zeros((T, T, *channels), np.uint8),
            f"search_{absent}": np.zeros((S, S, *channels), np.uint8),
            "template_box": template_window.to_fraction(bank.boxes[old]),
            "box": window.to_fraction(box),
            "present": np.array([not grey, grey]),
            "positive": positive,
        }


@lru_cache(maxsize=48)
def _leaves(seed: int, number: int) -> Texture:
    return Texture(*dead_leaves(np.random.default_rng([seed, 1, number]), 448, 352))


def _warp(image: np.ndarray, view: np.ndarray, size: int) -> np.ndarray:
    return cv2.warpAffine(image, index_matrix(view)[:2], (size, size), flags=cv2.INTER_LINEAR)


# -- augmentation ------------------------------------------------------------------------------------------------------


def _finish(sample: dict, rng: np.random.Generator, dropped: float) -> dict[str, np.ndarray]:
    present = sample["present"]
    if present.all() and rng.random() < 2 * dropped:
        present[int(rng.integers(2))] = False
    if present[0]:
        _age_colour(sample, rng)
    if present[1]:
        _age_thermal(sample, rng)
    if rng.random() < 0.5:
        _flip(sample)
    for name in ("template_rgb", "search_rgb", "template_tir", "search_tir"):
        if not present[0 if name.endswith("rgb") else 1]:
            sample[name] = np.zeros_like(sample[name])
        sample[name] = np.ascontiguousarray(sample[name])
    sample["template_box"] = np.asarray(sample["template_box"], np.float32)
    sample["box"] = np.asarray(sample["box"], np.float32)
    sample["positive"] = np.bool_(sample["positive"])
    return sample


def _age_colour(sample: dict, rng: np.random.Generator) -> None:
    """Light and sensor of the colour camera; what lasts (night) mostly covers the template too."""
    both = ("template_rgb", "search_rgb")
    if rng.random() < 0.05:
        for name in both:
            grey = cv2.cvtColor(sample[name], cv2.COLOR_RGB2GRAY)
            sample[name] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    channel_gain, channel_offset = np.exp(rng.normal(0, 0.1, 3)), rng.normal(0, 6, 3)
    for name in both:
        brightness = np.exp(rng.normal(0, 0.2))
        image = sample[name].astype(np.float32) * (channel_gain * brightness) + channel_offset
        sample[name] = np.clip(image, 0, 255).astype(np.uint8)
    names = both if rng.random() < 0.65 else ("search_rgb",)
    kind = rng.random()
    if kind < 0.25:
        strength = rng.uniform(0.4, 1.0)
        for name in names:
            sample[name] = degradations.night(sample[name], strength, rng)
    elif kind < 0.43:
        strength = rng.uniform(0.3, 1.0)
        sample["search_rgb"] = degradations.glare(sample["search_rgb"], strength, tuple(rng.uniform(-0.3, 1.3, 2)))
    elif kind < 0.53:
        strength = rng.uniform(0.1, 1.0)
        for name in names:
            sample[name] = degradations.noise(sample[name], strength, rng)
    if rng.random() < 0.1:
        sample["search_rgb"] = degradations.blur(sample["search_rgb"], rng.uniform(2, 7), rng.uniform(0, np.pi))


def _age_thermal(sample: dict, rng: np.random.Generator) -> None:
    """Gain control, polarity and sensor of the thermal camera."""
    both = ("template_tir", "search_tir")
    if rng.random() < 0.15:  # black-hot instead of white-hot
        for name in both:
            sample[name] = 255 - sample[name]
    pivot = float(sample["search_tir"].mean())
    contrast, offset = np.exp(rng.normal(0, 0.25)), rng.normal(0, 18)
    for name in both:
        sample[name] = degradations.gain(
            sample[name], contrast * np.exp(rng.normal(0, 0.1)), offset + rng.normal(0, 6), pivot
        )
    if rng.random() < 0.15:
        strength = rng.uniform(0.1, 0.8)
        for name in both if rng.random() < 0.65 else ("search_tir",):
            sample[name] = degradations.noise(sample[name], strength, rng)
    if rng.random() < 0.1:
        sample["search_tir"] = degradations.blur(sample["search_tir"], rng.uniform(2, 7), rng.uniform(0, np.pi))


def _flip(sample: dict) -> None:
    for name in ("template_rgb", "search_rgb", "template_tir", "search_tir"):
        sample[name] = sample[name][:, ::-1]
    for name in ("template_box", "box"):
        x, y, w, h = sample[name]
        sample[name] = np.array([1 - x - w, y, w, h])
