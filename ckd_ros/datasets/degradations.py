"""What night, glare, gain control and sensors do to an image. Functions of an image, a strength and a generator.

Images are uint8, colour `H x W x 3` (RGB) or thermal `H x W`; strengths run from 0 (none) to 1 (hardest). Each returns a
new image. What moves with the scene (occlusion, crossover, registration) is part of the scene, not of this file.
"""

from __future__ import annotations

import cv2
import numpy as np

_NOISE = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)


def night(rgb: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Darkness: less light, lifted blacks, a cold tint and photon noise."""
    light = (1 - strength) + strength * 0.06
    tint = 1 - strength * np.array([0.25, 0.12, 0.0], np.float32)
    dark = rgb.astype(np.float32) * (light * tint) + 4 * strength
    return _clip(dark + _noise(rgb.shape, rng) * (6 * strength) * np.sqrt(0.2 + light))


def glare(rgb: np.ndarray, strength: float, centre: tuple[float, float]) -> np.ndarray:
    """A strong light in or near the picture: a saturated core, a wide veil, lost contrast.

    `centre` is the light's position as a fraction of the image, and may lie outside it.
    """
    height, width = rgb.shape[:2]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - centre[0]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height - centre[1]) * (height / width)
    square = x[None] ** 2 + y[:, None] ** 2
    veil = strength * (190 * np.exp(-square / 0.18) + 110 * np.exp(-square / 0.02) + 60)
    return _clip(rgb.astype(np.float32) * (1 - 0.55 * strength) + veil[..., None])


def noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Sensor noise, up to 30 grey levels."""
    return _clip(image.astype(np.float32) + _noise(image.shape, rng) * (30 * strength))


def gain(image: np.ndarray, contrast: float, offset: float, pivot: float = 128.0) -> np.ndarray:
    """A change of gain and level: `(image - pivot) * contrast + pivot + offset`."""
    table = _clip((np.arange(256, dtype=np.float32) - pivot) * contrast + pivot + offset)
    return cv2.LUT(image, table)


def blur(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Motion blur of `length` pixels along `angle` rad."""
    size = int(np.ceil(length)) | 1
    if size < 3:
        return image
    kernel = np.zeros((size, size), np.float32)
    middle, reach = size // 2, (length - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * reach
    start, end = (middle - step).round().astype(int), (middle + step).round().astype(int)
    cv2.line(kernel, tuple(int(v) for v in start), tuple(int(v) for v in end), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Unit Gaussian noise cut from a fixed tile at a random place: thirty times cheaper than drawing it."""
    height, width = shape[:2]
    if height > 512 or width > 1024 or len(shape) > 2:
        channels = [_noise_plane(height, width, rng) for _ in range(shape[2] if len(shape) > 2 else 1)]
        return np.stack(channels, -1).reshape(shape)
    return _noise_plane(height, width, rng)


def _noise_plane(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    y, x = rng.integers(0, 512, 2)
    rows, columns = (np.arange(height) + y) % 1024, (np.arange(width) + x) % 1024
    if rows[-1] > rows[0] and columns[-1] > columns[0]:
        return _NOISE[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _NOISE[np.ix_(rows, columns)]


def _clip(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)
