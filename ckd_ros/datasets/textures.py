"""Procedural colour and thermal textures: backgrounds, silhouettes and targets made from nothing.

All images are uint8: colour `H x W x 3` in RGB order, thermal and alpha `H x W`.
"""

from __future__ import annotations

import cv2
import numpy as np


def smooth_noise(rng: np.random.Generator, width: int, height: int, cell: float, channels: int = 1) -> np.ndarray:
    """Band-limited noise in [-1, 1] whose features are about `cell` pixels wide; `H x W` or `H x W x channels`."""
    grid = rng.uniform(-1, 1, (max(2, round(height / cell) + 1), max(2, round(width / cell) + 1), channels))
    noise = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(noise, -1, 1)


def _surface(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured surface of one material, `(rgb float, thermal float)`; its warmth does not follow its colour."""
    cell = float(rng.choice([4, 8, 16, 40]))
    colour = rng.uniform(10, 245, 3) if rng.random() < 0.5 else rng.uniform(20, 235) + rng.normal(0, 18, 3)
    grain = smooth_noise(rng, width, height, cell, 3 if rng.random() < 0.3 else 1)
    rgb = colour + np.atleast_3d(grain) * rng.uniform(4, 50)
    warm = smooth_noise(rng, width, height, float(rng.choice([8, 16, 40])))
    thermal = rng.uniform(15, 240) + warm * rng.uniform(2, 30)
    if rng.random() < 0.3:  # stripes, as on walls, fences and clothes
        angle, period = rng.uniform(0, np.pi), rng.uniform(4, 24)
        y, x = np.ogrid[:height, :width]
        wave = np.sign(np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period))
        rgb = rgb + wave[..., None] * rng.normal(0, 30, 3)
        thermal = thermal + wave * rng.normal(0, 8)
    return rgb.astype(np.float32), thermal.astype(np.float32)


def silhouette(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """The alpha mask of one closed shape that touches all four sides of `width` x `height`."""
    kind = rng.integers(3)
    mask: np.ndarray = np.zeros((height, width), np.uint8)
    if kind == 0:  # superellipse: from a rounded box to an ellipse
        power = rng.uniform(2, 8)
        y, x = np.ogrid[:height, :width]
        u, v = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
        mask[np.abs(u) ** power + np.abs(v) ** power <= 1] = 255
    elif kind == 1:  # a wobbly blob or a polygon
        count = int(rng.integers(4, 12))
        angles: np.ndarray = np.sort(rng.uniform(0, 2 * np.pi, count))
        radii: np.ndarray = rng.uniform(0.55, 1.0, count)
        if rng.random() < 0.5:
            dense = np.linspace(0, 2 * np.pi, 64, endpoint=False)
            radii, angles = np.interp(dense, angles, radii, period=2 * np.pi), dense
        points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1)
        mask = _fill_to_edges(points, width, height)
    else:  # parts joined to a body, like wings, limbs, a cabin on a hull
        canvas = np.zeros((128, 128), np.uint8)
        cv2.ellipse(canvas, (64, 64), (int(rng.integers(14, 40)), int(rng.integers(14, 40))), 0, 0, 360, 255, -1)
        for _ in range(int(rng.integers(1, 6))):
            centre = (int(rng.integers(34, 94)), int(rng.integers(34, 94)))
            axes = (int(rng.integers(5, 38)), int(rng.integers(3, 18)))
            cv2.line(canvas, (64, 64), centre, 255, int(rng.integers(3, 10)))
            cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        left, top, w, h = cv2.boundingRect(canvas)
        mask = cv2.resize(canvas[top : top + h, left : left + w], (width, height), interpolation=cv2.INTER_AREA)
    return mask


def soft_ellipse(width: int, height: int, power: float) -> np.ndarray:
    """The alpha mask of a superellipse with soft edges, from an ellipse (2) to nearly the whole rectangle (8)."""
    y, x = np.ogrid[:height, :width]
    u, v = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
    radius = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    return _to_uint8(255 * (1.04 - radius) / 0.12)


def _fill_to_edges(points: np.ndarray, width: int, height: int) -> np.ndarray:
    low, high = points.min(0), points.max(0)
    pixels = (points - low) / (high - low) * [width - 1, height - 1]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [pixels.round().astype(np.int32)], 255)
    return mask


def dead_leaves(rng: np.random.Generator, width: int, height: int, leaves: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A background of overlapping textured shapes, the statistics of natural scenes; `(rgb, thermal)`."""
    rgb, thermal = _surface(rng, width, height)
    for _ in range(leaves):
        size = np.exp(rng.uniform(np.log(12), np.log(max(width, height) * 0.5)))
        w, h = (int(max(6, size * r)) for r in rng.uniform(0.4, 1.0, 2))
        x, y = int(rng.integers(-w // 2, width - w // 2)), int(rng.integers(-h // 2, height - h // 2))
        x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        inside = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
        alpha = silhouette(rng, w, h)[inside].astype(np.float32) / 255
        leaf_rgb, leaf_thermal = _surface(rng, w, h)
        target = np.s_[y1:y2, x1:x2]
        rgb[target] += (leaf_rgb[inside] - rgb[target]) * alpha[..., None]
        thermal[target] += (leaf_thermal[inside] - thermal[target]) * alpha
    light = 1 + 0.35 * smooth_noise(rng, width, height, max(width, height) / 2)
    return _to_uint8(rgb * light[..., None]), _to_uint8(thermal)


def make_target(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One object of a few materials; `(rgb, thermal, alpha)`, its silhouette touching all four sides."""
    alpha = silhouette(rng, width, height)
    rgb, thermal = _surface(rng, width, height)
    for _ in range(int(rng.integers(1, 6))):  # parts: windows, clothes, engine, face
        w, h = (max(3, int(side * rng.uniform(0.15, 0.7))) for side in (width, height))
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        part = silhouette(rng, w, h).astype(np.float32) / 255
        part_rgb, part_thermal = _surface(rng, w, h)
        target = np.s_[y : y + h, x : x + w]
        rgb[target] += (part_rgb - rgb[target]) * part[..., None]
        thermal[target] += (part_thermal - thermal[target]) * part
    return _to_uint8(rgb), _to_uint8(thermal), alpha


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)
