"""What night, glare, smoke, gain control and sensors do to an image. Functions of an image, a strength and a generator.

Images are uint8, colour `H x W x 3` (RGB) or thermal `H x W`; strengths run from 0 (none) to 1 (hardest). Each returns
a new image. What moves with the scene (occlusion, crossover, registration) is part of the scene, not of this file.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ckd_ros.datasets.textures import smooth_noise

_TILES = (256, 512, 1024)  # sides; the smaller ones are for crops: all their levels fit into a processor's cache
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


def smoke(rgb: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Smoke, fog or dust of uneven density before the camera: from a thin haze to a wall (no contrast at all)."""
    height, width = rgb.shape[:2]
    cell = max(width, height)
    octaves = ((0.5, 0.6), (0.3, 0.25), (0.2, 0.1))  # share, size of the clouds in sides of the image
    clouds = np.sum([share * smooth_noise(rng, width, height, cell * size) for share, size in octaves], axis=0)
    patchy = rng.uniform(0.2, 1.0)
    density = strength**2 * rng.uniform(3, 7) * np.clip(1 + patchy * 2 * clouds, 0, None)  # optical depth
    seen = np.exp(-density, dtype=np.float32)
    level = float(rng.uniform(70, 235)) + 12 * clouds
    tint = 1 + rng.normal(0, 0.03, 3)
    wall = _clip(level[..., None] * tint)
    return cv2.blendLinear(rgb, wall, seen, 1 - seen)


def defocus(image: np.ndarray, size: float) -> np.ndarray:
    """An image out of focus: Gaussian blur of standard deviation `size` pixels."""
    return cv2.GaussianBlur(image, (0, 0), size) if size > 0 else image


def coarsen(image: np.ndarray, scale: float) -> np.ndarray:
    """An image of `scale` times the resolution, enlarged again; none is gained above 1."""
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    size = max(2, round(width * scale)), max(2, round(height * scale))
    few = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)


def ghost(image: np.ndarray, strength: float, shift: tuple[float, float]) -> np.ndarray:
    """A faint second copy of the image, displaced by `shift` = `(x, y)` pixels; `strength` is its share."""
    height, width = image.shape[:2]
    move = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    second = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return cv2.addWeighted(image, 1 - strength, second, strength, 0)


def black(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera with a closed shutter gives: black, with a little noise."""
    return _add_noise(np.full_like(image, int(rng.integers(0, 12))), float(rng.uniform(0, 3)), rng)


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
    size = next((side for side in _TILES if 2 * max(height, width) <= side), _TILES[-1])
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
    start = round(drift * 2 * width) % (2 * width)
    density, wall = (layer[:, start : start + width] for layer in _swathes(width, height))
    alpha = np.ascontiguousarray(strength * density)
    return cv2.blendLinear(rgb, np.ascontiguousarray(wall), 1 - alpha, alpha)


@lru_cache(maxsize=4)
def _swathes(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Smoke, `H x 3 W`, which repeats itself after `2 W`: its density in [.55, 1], and its colour (uint8)."""
    rng = np.random.default_rng(0)
    clouds: np.ndarray = np.zeros((height, 2 * width), np.float32)
    for share, rows, columns in ((0.55, 4, 5), (0.3, 7, 12), (0.2, 14, 28), (0.1, 28, 64)):
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        around = np.concatenate([grid, grid, grid], axis=1)
        clouds += (
            share * cv2.resize(around, (6 * width, height), interpolation=cv2.INTER_CUBIC)[:, 2 * width : 4 * width]
        )
    clouds = np.concatenate([clouds, clouds[:, :width]], axis=1)
    wall = np.repeat(_clip(182 + 38 * clouds)[..., None], 3, axis=2)
    return np.clip(0.82 + 0.36 * clouds, 0.55, 1), wall
