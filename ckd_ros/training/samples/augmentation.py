"""What light, heat and sensors do to the crops of a sample, after they were cut.

A sample's images change in place in its dict; geometry is shared by all four crops.
"""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.colour import to_grey, to_rgb
from ckd_ros.datasets import degradations
from ckd_ros.training.samples.config import AugmentationConfig

COLOUR = ("template_rgb", "search_rgb")
THERMAL = ("template_tir", "search_tir")


def augment(sample: dict, config: AugmentationConfig, dropped: float, rng: np.random.Generator) -> None:
    """Drop a modality with the chance `dropped` each, age what is left, mirror all crops or none."""
    present = sample["present"]
    if present.all() and rng.random() < 2 * dropped:
        present[int(rng.integers(2))] = False
    if present[0]:
        _age_colour(sample, config, rng)
    if present[1]:
        _age_thermal(sample, config, rng)
    if rng.random() < config.flip:
        _flip(sample)
    for names, there in zip((COLOUR, THERMAL), present, strict=True):
        for name in names:
            sample[name] = np.ascontiguousarray(sample[name]) if there else np.zeros_like(sample[name])


def _age_colour(sample: dict, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Light and sensor of the colour camera; what lasts (night) mostly covers the template too."""
    if rng.random() < config.grey:
        for name in COLOUR:
            sample[name] = to_rgb(to_grey(sample[name], "rgb8"), "mono8")
    cast = np.exp(rng.normal(0, config.channel_gain, 3))
    offset = rng.normal(0, config.channel_offset, 3)
    for name in COLOUR:
        gain = cast * np.exp(rng.normal(0, config.brightness)) * _even_brightness(config, rng)
        table = np.clip(np.arange(256)[:, None] * gain + offset, 0, 255).astype(np.uint8)
        sample[name] = cv2.LUT(sample[name], table.reshape(256, 1, 3))
    names = COLOUR if rng.random() < config.lasting else ("search_rgb",)
    kind = rng.random()
    if kind < config.night:
        strength = rng.uniform(*config.night_strength)
        for name in names:
            sample[name] = degradations.night(sample[name], strength, rng)
    elif kind < config.night + config.glare:
        strength, light = rng.uniform(*config.glare_strength), tuple(rng.uniform(-0.3, 1.3, 2))
        sample["search_rgb"] = degradations.glare(sample["search_rgb"], strength, light)
    elif kind < config.night + config.glare + config.noise:
        strength = rng.uniform(*config.noise_strength)
        for name in names:
            sample[name] = degradations.noise(sample[name], strength, rng)
    _blur(sample, "search_rgb", config, rng)


def _age_thermal(sample: dict, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Gain control, polarity and sensor of the thermal camera."""
    if rng.random() < config.inverted:
        for name in THERMAL:
            sample[name] = 255 - sample[name]
    pivot = float(sample["search_tir"].mean())
    contrast, level = np.exp(rng.normal(0, config.contrast)), rng.normal(0, config.level)
    for name in THERMAL:
        change = np.exp(rng.normal(0, config.contrast_change))
        offset = level + rng.normal(0, config.level_change)
        brightness = _even_brightness(config, rng)
        # gain() turns about the pivot, brightness about black
        sample[name] = degradations.gain(
            sample[name], contrast * change * brightness, brightness * (pivot + offset) - pivot, pivot
        )
    if rng.random() < config.thermal_noise:
        strength = rng.uniform(*config.thermal_noise_strength)
        for name in THERMAL if rng.random() < config.lasting else ("search_tir",):
            sample[name] = degradations.noise(sample[name], strength, rng)
    _blur(sample, "search_tir", config, rng)


def _even_brightness(config: AugmentationConfig, rng: np.random.Generator) -> float:
    return 1 + rng.uniform(-config.brightness_range, config.brightness_range)


def _blur(sample: dict, name: str, config: AugmentationConfig, rng: np.random.Generator) -> None:
    if rng.random() < config.blur:
        length, angle = rng.uniform(*config.blur_length), rng.uniform(0, np.pi)
        sample[name] = degradations.blur(sample[name], length, angle)


def _flip(sample: dict) -> None:
    for name in (*COLOUR, *THERMAL):
        sample[name] = sample[name][:, ::-1]
    for name in ("template_box", "box"):
        x, y, w, h = sample[name]
        sample[name] = np.array([1 - x - w, y, w, h])
