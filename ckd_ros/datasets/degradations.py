"""What night, glare, gain control and sensors do to an image. Functions of an image, a strength and a generator.

Images are uint8, colour `H x W x 3` (RGB) or thermal `H x W`; strengths run from 0 (none) to 1 (hardest). Each returns
a new image. What moves with the scene (occlusion, crossover, registration) is part of the scene, not of this file.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

_TILE, _SMALL_TILE = 1024, 256  # the small one is for crops: all its levels fit into a processor's cache
_LEVELS = 64


def night(rgb: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Darkness: less light, lifted blacks, a cold tint and photon noise."""
    light = (1 - strength) + strength * 0.06
    tint = 1 - strength * np.array([0.25, 0.12, 0.0])
    table = np.arange(256)[:, None] * (light * tint) + 4 * strength
    dark = cv2.LUT(rgb, _clip(table).reshape(256, 1, 3))
    return _add_noise(dark, 6 * strength * np.sqrt(0.2 + light), rng)


def glare(rgb: np.ndarray, strength: float, centre: tuple[float, float]) -> np.ndarray:
    """A strong light in or near the picture: a saturated core, a wide veil, lost contrast.

    `centre` is the light's position as a fraction of the image, and may lie outside it.
    """
    height, width = rgb.shape[:2]
    veil = _veil(width, height, round(centre[0], 3), round(centre[1], 3))
    return cv2.addWeighted(rgb, 1 - 0.55 * strength, veil, 2 * strength, 0)


@lru_cache(maxsize=4)
def _veil(width: int, height: int, x: float, y: float) -> np.ndarray:
    """Half the light's brightness, `H x W x 3` uint8."""
    across = (np.arange(width, dtype=np.float32) + 0.5) / width - x
    down = ((np.arange(height, dtype=np.float32) + 0.5) / height - y) * (height / width)
    square = across[None] ** 2 + down[:, None] ** 2
    veil = 95 * np.exp(-square / 0.18) + 55 * np.exp(-square / 0.02) + 30
    return np.repeat(_clip(veil)[..., None], 3, axis=2)


def noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Sensor noise, up to 30 grey levels."""
    return _add_noise(image, 30 * strength, rng)


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


def _add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise cut from a fixed tile at a random place: far cheaper than drawing it for every pixel."""
    height, width = image.shape[:2]
    level = round(float(sigma) / 30 * _LEVELS)
    if level == 0:
        return image
    size = _SMALL_TILE if 2 * max(height, width) <= _SMALL_TILE else _TILE
    tile = _noise_tile(min(level, _LEVELS), size, image.shape[2] if image.ndim > 2 else 1)
    y, x = (int(v) for v in rng.integers(0, size, 2))
    if y + height > size or x + width > size:
        rows, columns = (np.arange(height) + y) % size, (np.arange(width) + x) % size
        cut = tile[np.ix_(rows, columns)]
    else:
        cut = tile[y : y + height, x : x + width]
    return cv2.add(image, cut, dtype=cv2.CV_8U)


@lru_cache(maxsize=4 * _LEVELS)
def _noise_tile(level: int, size: int, channels: int) -> np.ndarray:
    shape = (size, size) if channels == 1 else (size, size, channels)
    return np.rint(_unit_noise(shape) * (30 * level / _LEVELS)).astype(np.int16)


@lru_cache(maxsize=4)
def _unit_noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _clip(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)


def drifting_smoke(rgb: np.ndarray, strength: float, drift: float) -> np.ndarray:
    """Grey smoke in swathes, which are `drift` of their tile's width further on; at 1 little shows through."""
    height, width = rgb.shape[:2]
    density = np.roll(_swathes(width, height), round(drift * 2 * width), axis=1)[:, :width]
    alpha = (strength * density)[..., None]
    return _clip(rgb + (np.float32(185) - rgb) * alpha)


@lru_cache(maxsize=4)
def _swathes(width: int, height: int) -> np.ndarray:
    """Densities of smoke in [.55, 1], `H x 2 W`, which go on from the right side to the left one."""
    grid = np.random.default_rng(0).uniform(-1, 1, (7, 16)).astype(np.float32)
    grid = np.concatenate([grid, grid, grid], axis=1)
    tile = cv2.resize(grid, (6 * width, height), interpolation=cv2.INTER_CUBIC)[:, 2 * width : 4 * width]
    return np.clip(0.82 + 0.3 * tile, 0.55, 1)
