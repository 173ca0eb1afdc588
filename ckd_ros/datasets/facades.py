"""What stands at the back of a place made from nothing: houses with windows, walls, trees and lamps."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.datasets.canvas import Canvas, Paint, painted
from ckd_ros.datasets.textures import smooth_noise

_WALLS = (
    (166, 92, 72), (148, 80, 66), (206, 192, 168), (224, 214, 196), (190, 178, 160), (158, 158, 156), (200, 168, 128),
    (176, 186, 190), (214, 196, 150),
)  # fmt: skip
_ROOFS = ((118, 62, 50), (92, 62, 54), (72, 74, 80), (96, 92, 90))
_DOORS = ((80, 50, 34), (48, 66, 58), (60, 64, 90), (110, 40, 36), (70, 72, 76))
_LEAVES = ((62, 88, 42), (78, 100, 48), (52, 78, 50), (96, 104, 50))
_LIT = (255, 205, 130)


class Lights:
    """What shines by night: `H x W x 3` uint8, how much of the day's light is there."""

    def __init__(self, width: int, height: int) -> None:
        self.map = np.zeros((height, width, 3), np.float32)

    def window(self, x: float, y: float, width: float, height: float, strength: float) -> None:
        """A lit window."""
        corners = [round(v) for v in (x, y, x + width, y + height)]
        cv2.rectangle(self.map, tuple(corners[:2]), tuple(corners[2:]), [strength * v for v in _LIT], -1)

    def lamp(self, x: float, y: float, foot: float, reach: float) -> None:
        """A street lamp at `(x, y)`: the bulb, the glow around it and a pool of light at its foot."""
        height, width = self.map.shape[:2]
        down, across = np.ogrid[:height, :width]
        pool = np.exp(-(((across - x) / reach) ** 2) - ((down - foot - 0.35 * reach) / (0.6 * reach)) ** 2)
        glow = np.exp(-(((across - x) ** 2 + (down - y) ** 2) / (0.18 * reach) ** 2))
        self.map += (0.55 * pool + 0.9 * glow)[..., None].astype(np.float32) * np.array(_LIT, np.float32)

    def finished(self) -> np.ndarray:
        """The map with soft edges."""
        return np.clip(cv2.GaussianBlur(self.map, (0, 0), 1.2), 0, 255).astype(np.uint8)


def house(
    canvas: Canvas, lights: Lights, rng: np.random.Generator, span: tuple[float, float], foot: float, metre: float
) -> None:
    """A house from `span[0]` to `span[1]` with its foot on a line; `metre` in pixels.

    By night some windows are lit. Walls are warm from the sun, roofs and panes mirror the cold sky, and where there is
    heating or a bad frame, it is warm.
    """
    left, right = span
    storeys = max(1, min(4, round(float(rng.uniform(75, 130)) / (3.0 * metre))))
    top = foot - storeys * 3.0 * metre - 0.3 * metre
    colour = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.normal(1, 0.05)
    wall = painted(colour, float(rng.uniform(122, 168)))
    canvas.box(left, top, right - left, foot - top, wall)
    _courses(canvas, rng, (left, top, right, foot), metre)
    canvas.box(left, foot - 0.5 * metre, right - left, 0.5 * metre, wall.shaded(0.7, 5))
    _roof(canvas, rng, (left, top, right), metre)
    count = max(1, int((right - left) / (2.6 * metre)))
    pitch = (right - left) / count
    door = int(rng.integers(count))
    frame = Paint((236, 234, 228) if rng.random() < 0.6 else (70, 58, 50), wall.warmth + 12)
    wide, tall = 1.15 * metre, float(rng.uniform(1.3, 1.6)) * metre
    for storey in range(storeys):
        base = foot - storey * 3.0 * metre
        for column in range(count):
            x = left + (column + 0.5) * pitch
            if storey == 0 and column == door:
                _door(canvas, rng, x, foot, metre)
                continue
            y = base - 0.95 * metre - tall
            _window(canvas, rng, (x - wide / 2, y, wide, tall), frame, wall)
            if rng.random() < 0.4:
                lights.window(x - wide / 2 + 1, y + 1, wide - 2, tall - 2, float(rng.uniform(0.5, 1.0)))
    pipe = left + float(rng.uniform(0.02, 0.05)) * (right - left)
    canvas.line([(pipe, top), (pipe, foot)], max(1.0, 0.1 * metre), wall.shaded(0.55, 3))
    canvas.line([(right, top), (right, foot)], 1.5, wall.shaded(0.6))


def _courses(canvas: Canvas, rng: np.random.Generator, area: tuple[float, float, float, float], metre: float) -> None:
    """Bricks or plaster: what a wall is made of, and how unevenly it is warm."""
    x1, y1, x2, y2 = (round(v) for v in area)
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(canvas.rgb.shape[1], x2), min(canvas.rgb.shape[0], y2)
    if x2 - x1 < 2 or y2 - y1 < 2:
        return
    width, height = x2 - x1, y2 - y1
    stains = smooth_noise(rng, width, height, 40) * 10 + smooth_noise(rng, width, height, 3) * 6
    if rng.random() < 0.5:
        down, across = np.mgrid[:height, :width]
        row = max(3.0, 0.16 * metre)
        number = (down / row).astype(int)
        joint = (down % row < 1) | ((across + (number % 2) * row) % (2 * row) < 1)
        shade = np.sin(number * 12.9898 + ((across + (number % 2) * row) // (2 * row)) * 78.233) * 12
        stains = stains + np.where(joint, 16, shade)
    part = np.s_[y1:y2, x1:x2]
    canvas.rgb[part] = np.clip(canvas.rgb[part] + stains[..., None], 0, 255).astype(np.uint8)
    heat = smooth_noise(rng, width, height, 60) * 9 + smooth_noise(rng, width, height, 8) * 2
    canvas.thermal[part] = np.clip(canvas.thermal[part] + heat, 0, 255).astype(np.uint8)


def _roof(canvas: Canvas, rng: np.random.Generator, place: tuple[float, float, float], metre: float) -> None:
    left, top, right = place
    tiles = painted(_ROOFS[int(rng.integers(len(_ROOFS)))], 58)
    over, high = 0.35 * metre, float(rng.uniform(0.8, 1.9)) * metre
    if rng.random() < 0.6:
        canvas.polygon([(left - over, top), (right + over, top), (right - high, top - high), (left + high, top - high)],
                       tiles)  # fmt: skip
        for share in (0.3, 0.6):
            y = top - share * high
            canvas.line([(left + share * high, y), (right - share * high, y)], 1, tiles.shaded(0.85, 2))
        x = left + float(rng.uniform(0.3, 0.7)) * (right - left)
        canvas.box(x, top - high - 0.5 * metre, 0.5 * metre, 0.9 * metre, Paint((120, 72, 60), 150))  # the chimney
        canvas.line([(left - over, top), (right + over, top)], max(1.0, 0.14 * metre), Paint((225, 222, 215), 74))
    else:
        canvas.box(left - 0.1 * metre, top - 0.3 * metre, right - left + 0.2 * metre, 0.35 * metre, tiles.shaded(1.3))


def _window(
    canvas: Canvas, rng: np.random.Generator, area: tuple[float, float, float, float], frame: Paint, wall: Paint
) -> None:
    x, y, wide, tall = area
    border = max(1.0, 0.07 * wide)
    canvas.box(x - border, y - border, wide + 2 * border, tall + 2 * border, frame)
    shine = float(rng.uniform(0, 1))
    canvas.box(x, y, wide, tall, Paint((38 + 50 * shine, 48 + 58 * shine, 58 + 66 * shine), 66 + 26 * shine))
    canvas.polygon(
        [(x, y), (x + wide, y), (x, y + tall)], Paint((60 + 60 * shine, 74 + 66 * shine, 88 + 72 * shine), 62)
    )
    if rng.random() < 0.5:
        cloth = Paint((200, 192, 178), 92)
        for start in (x, x + 0.76 * wide):
            canvas.box(start, y, 0.24 * wide, tall, cloth)
    canvas.line([(x + wide / 2, y), (x + wide / 2, y + tall)], max(1.0, 0.06 * wide), frame)
    canvas.line([(x, y + 0.35 * tall), (x + wide, y + 0.35 * tall)], max(1.0, 0.05 * wide), frame)
    canvas.box(x - 2 * border, y + tall + border, wide + 4 * border, 1.5 * border, wall.shaded(1.25, 10))
    if rng.random() < 0.5:  # a radiator behind the wall under it
        canvas.thermal[max(0, round(y + tall + 3 * border)) : max(0, round(y + 1.45 * tall)),
                       max(0, round(x)) : max(0, round(x + wide))] += 14  # fmt: skip


def _door(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, metre: float) -> None:
    leaf = painted(_DOORS[int(rng.integers(len(_DOORS)))], 118)
    wide, tall = 1.1 * metre, 2.15 * metre
    canvas.box(x - wide / 2 - 2, foot - tall - 2, wide + 4, tall + 2, leaf.shaded(1.7, 8))
    canvas.box(x - wide / 2, foot - tall, wide, tall, leaf)
    canvas.box(x - 0.36 * wide, foot - 0.92 * tall, 0.72 * wide, 0.28 * tall, Paint((70, 84, 92), 92))
    canvas.box(x - 0.36 * wide, foot - 0.5 * tall, 0.72 * wide, 0.36 * tall, leaf.shaded(0.8))
    canvas.ellipse(x + 0.38 * wide, foot - 0.5 * tall, 1.5, 1.5, Paint((220, 200, 120), 122))
    canvas.polygon([(x - 0.8 * wide, foot - 1.12 * tall), (x + 0.8 * wide, foot - 1.12 * tall),
                    (x + 0.95 * wide, foot - tall), (x - 0.95 * wide, foot - tall)],
                   leaf.shaded(1.25, -30))  # fmt: skip
    canvas.box(x - 0.7 * wide, foot - 0.12 * metre, 1.4 * wide, 0.12 * metre, Paint((168, 164, 158), 116))


def tree(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, tall: float) -> None:
    """A tree: a cool trunk and a crown of leaves, cooler than the walls and warmer than the sky."""
    bark = Paint((82, 66, 52), 96)
    trunk = [(-0.035, 0.0), (-0.018, 0.5), (0.018, 0.5), (0.035, 0.0)]
    canvas.polygon([(x + across * tall, foot - up * tall) for across, up in trunk], bark)
    for side in (-1, 1):
        canvas.line([(x, foot - 0.4 * tall), (x + side * 0.16 * tall, foot - 0.62 * tall)], 0.02 * tall, bark)
    r, g, b = _LEAVES[int(rng.integers(len(_LEAVES)))]
    count = 90
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    across, down = 0.3 * tall * radius * np.cos(angle), 0.3 * tall * radius * np.sin(angle)
    size = rng.uniform(0.035, 0.085, count) * tall
    for k in np.argsort(-down):  # the lower ones first: light falls from above
        light = float(0.72 - 0.5 * down[k] / (0.3 * tall) * 0.8 + rng.normal(0, 0.1))
        leaf = Paint((r * light, g * light, b * light), float(82 + 8 * rng.normal() + 10 * (1 - light)))
        canvas.ellipse(x + across[k], foot - 0.68 * tall + down[k], float(size[k]), 0.8 * float(size[k]), leaf)


def lamp_post(canvas: Canvas, lights: Lights, x: float, foot: float, metre: float) -> None:
    """A street lamp five metres tall."""
    top, steel = foot - 4.6 * metre, Paint((66, 72, 72), 84)
    canvas.line([(x, foot), (x, top), (x + 0.8 * metre, top - 0.15 * metre)], max(2.0, 0.11 * metre), steel)
    canvas.line([(x, foot), (x, foot - 0.8 * metre)], max(2.0, 0.2 * metre), steel)
    canvas.box(x + 0.5 * metre, top - 0.2 * metre, 0.7 * metre, 0.16 * metre, Paint((228, 226, 210), 130))
    lights.lamp(x + 0.85 * metre, top, foot, 5.0 * metre)


def fence(canvas: Canvas, span: tuple[float, float], foot: float, metre: float, paint: Paint) -> None:
    """A garden fence of boards, or what stands for it."""
    left, right = span
    high, step = 1.3 * metre, max(4.0, 0.22 * metre)
    for number, x in enumerate(np.arange(left, right, step)):
        board = paint.shaded(1.0 if number % 2 else 0.86, -2.0 * (number % 3))
        canvas.box(float(x), foot - high, step - 1, high, board)
    canvas.line([(left, foot - 0.75 * high), (right, foot - 0.75 * high)], 1.5, paint.shaded(0.7))
