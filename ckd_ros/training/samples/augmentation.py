"""What light, heat and sensors do to the crops of a sample, after they were cut.

A sample's images change in place in its dict; geometry is shared by all four crops.
"""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.colour import to_grey, to_rgb
from ckd_ros.datasets import degradations
from ckd_ros.training.samples.config import AugmentationConfig
from ckd_ros.training.samples.cropping import Sample

COLOUR = ("template_rgb", "search_rgb")
THERMAL = ("template_tir", "search_tir")


def augment(sample: Sample, config: AugmentationConfig, dropped: float, rng: np.random.Generator) -> None:
    """Drop each modality with the chance `dropped`, augment what is left, flip all crops or none."""
    present, live = sample["present"], sample.pop("live", np.array([True, True]))
    if present.all() and live.all() and rng.random() < 2 * dropped:
        present[int(rng.integers(2))] = False
    if _happens(config.small, rng):
        _coarsen(sample, config, rng)
    if present[0]:
        _augment_rgb(sample, config, rng)
    if present[1]:
        _augment_thermal(sample, config, rng)
    if present.all() and live.all():
        _blind_one_camera(sample, config, rng)
    if rng.random() < config.flip:
        _flip(sample)
    for names, modality_present in zip((COLOUR, THERMAL), present, strict=True):
        for name in names:
            sample[name] = np.ascontiguousarray(sample[name]) if modality_present else np.zeros_like(sample[name])


def _coarsen(sample: Sample, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Crops as of a target that is small in the cameras' images, where it has fewer pixels than the crop gives it."""
    box = sample["template_box"]
    side = np.sqrt(box[2] * box[3]) * len(sample["template_rgb"])
    scale = rng.uniform(*config.small_side) / side
    for names, share in ((COLOUR, 1.0), (THERMAL, rng.uniform(*config.small_thermal))):
        for name in names:
            sample[name] = degradations.coarsen(sample[name], scale * share)


def _augment_rgb(sample: Sample, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Light and sensor of the colour camera; night and noise often affect the template too."""
    if rng.random() < config.grey:
        for name in COLOUR:
            sample[name] = to_rgb(to_grey(sample[name], "rgb8"), "mono8")
    channel_gain = np.exp(rng.normal(0, config.channel_gain, 3))
    offset = rng.normal(0, config.channel_offset, 3)
    for name in COLOUR:
        gain = channel_gain * np.exp(rng.normal(0, config.brightness)) * _uniform_brightness(config, rng)
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
    _motion_blur(sample, "search_rgb", config, rng)


def _augment_thermal(sample: Sample, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Gain control, polarity and sensor noise of the thermal camera."""
    if rng.random() < config.inverted:
        for name in THERMAL:
            sample[name] = 255 - sample[name]
    pivot = float(sample["search_tir"].mean())
    contrast, level = np.exp(rng.normal(0, config.contrast)), rng.normal(0, config.level)
    for name in THERMAL:
        change = np.exp(rng.normal(0, config.contrast_change))
        offset = level + rng.normal(0, config.level_change)
        brightness = _uniform_brightness(config, rng)
        # gain() turns about the pivot, brightness about black
        sample[name] = degradations.gain(
            sample[name], contrast * change * brightness, brightness * (pivot + offset) - pivot, pivot
        )
    if rng.random() < config.thermal_noise:
        strength = rng.uniform(*config.thermal_noise_strength)
        for name in THERMAL if rng.random() < config.lasting else ("search_tir",):
            sample[name] = degradations.noise(sample[name], strength, rng)
    _motion_blur(sample, "search_tir", config, rng)
    if _happens(config.thermal_blur, rng):
        size = rng.uniform(*config.thermal_blur_size)
        for name in THERMAL:
            sample[name] = degradations.defocus(sample[name], size)
    if _happens(config.ghost, rng):
        side = np.sqrt(sample["box"][2] * sample["box"][3]) * len(sample["search_tir"])
        x, y = rng.normal(0, config.ghost_shift, 2) * side
        sample["search_tir"] = degradations.ghost(sample["search_tir"], rng.uniform(*config.ghost_strength), (x, y))


def _blind_one_camera(sample: Sample, config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Smoke before the colour camera, or one camera black; the other still shows the target."""
    if _happens(config.black, rng):
        names = (COLOUR, THERMAL)[int(rng.integers(2))]
        for name in names if _happens(config.black_lasting, rng) else names[1:]:
            sample[name] = degradations.black(sample[name], rng)
    elif _happens(config.smoke, rng):
        strength = rng.uniform(*config.smoke_strength)
        sample["search_rgb"] = degradations.smoke(sample["search_rgb"], strength, rng)
        if _happens(config.smoke_lasting, rng):
            strength = rng.uniform(*config.smoke_strength)
            sample["template_rgb"] = degradations.smoke(sample["template_rgb"], strength, rng)


def _happens(chance: float, rng: np.random.Generator) -> bool:
    """By chance; what is switched off takes no random number, so that older recipes keep theirs."""
    return chance > 0 and bool(rng.random() < chance)


def _uniform_brightness(config: AugmentationConfig, rng: np.random.Generator) -> float:
    return 1 + rng.uniform(-config.brightness_range, config.brightness_range)


def _motion_blur(sample: Sample, name: str, config: AugmentationConfig, rng: np.random.Generator) -> None:
    if rng.random() < config.blur:
        length, angle = rng.uniform(*config.blur_length), rng.uniform(0, np.pi)
        sample[name] = degradations.blur(sample[name], length, angle)


def _flip(sample: Sample) -> None:
    for name in (*COLOUR, *THERMAL):
        sample[name] = sample[name][:, ::-1]
    for name in ("template_box", "box"):
        x, y, w, h = sample[name]
        sample[name] = np.array([1 - x - w, y, w, h])
