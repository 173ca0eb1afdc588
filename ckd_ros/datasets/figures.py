"""People and vehicles made from nothing, in colour and in warmth: skin, engines and tyres are warm, glass is cold.

They face right. A person is drawn in the phases of a stride; a vehicle has one look.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros.datasets.canvas import Canvas, Paint, blend, rounded
from ckd_ros.datasets.scene import Texture

#: Looks in one stride (two steps) of a person.
PHASES = 16
_ZOOM = 3  # drawn so many times as large, then made smaller: smooth edges
_PERSON = 120  # height of a person's texture in pixels
_VEHICLE = 220  # length of a vehicle's texture in pixels
_SKIN = ((236, 188, 160), (205, 150, 115), (150, 100, 70), (95, 62, 45))
_HAIR = ((35, 28, 25), (70, 48, 32), (120, 90, 55), (150, 145, 140), (180, 150, 95))
_CLOTH = (
    (32, 34, 42), (60, 64, 72), (40, 55, 95), (75, 105, 150), (150, 32, 38), (190, 95, 35), (205, 180, 60),
    (50, 95, 60), (95, 85, 65), (165, 160, 150), (225, 222, 215), (110, 60, 110), (30, 110, 120),
)  # fmt: skip
_CAR = (
    (225, 226, 228), (170, 174, 178), (40, 42, 46), (90, 95, 102), (150, 25, 28), (30, 55, 115), (45, 85, 60),
    (200, 170, 60), (120, 150, 175), (90, 60, 45),
)  # fmt: skip
_TYRE, _RIM = Paint((28, 28, 30), 168), Paint((140, 142, 146), 205)
_GLASS, _SHINE = Paint((48, 58, 66), 62), Paint((150, 168, 180), 50)
_LAMP, _REAR_LAMP = Paint((240, 240, 225), 120), Paint((170, 30, 25), 110)


@dataclass(frozen=True)
class _Clothes:
    top: Paint
    trousers: Paint
    skin: Paint
    hair: Paint
    shoes: Paint
    build: float  # how broad, about 1
    coat: bool
    bag: Paint | None


def person(rng: np.random.Generator) -> tuple[Texture, ...]:
    """A person in the `PHASES` of a stride, all of one size."""
    clothes = _dress(rng)
    grain = rng.integers(1 << 32)
    canvases = [_walker(clothes, 2 * np.pi * phase / PHASES) for phase in range(PHASES)]
    columns = np.flatnonzero(np.any([canvas.alpha.max(axis=0) > 127 for canvas in canvases], axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    size = (max(4, round((right - left) / _ZOOM)), _PERSON)
    looks = []
    for canvas in canvases:
        rows = np.flatnonzero(canvas.alpha.max(axis=1) > 127)
        looks.append(_finished(canvas, (left, int(rows[0]), right, int(rows[-1]) + 1), size, int(grain)))
    return tuple(looks)


def _dress(rng: np.random.Generator) -> _Clothes:
    def paint(colours: tuple[tuple[int, int, int], ...], warmth: float) -> Paint:
        return Paint(_varied(rng, colours), warmth)

    warm = float(rng.normal(0, 8))  # thick clothes keep the heat in
    bag = paint(_CLOTH, 120 + warm) if rng.random() < 0.4 else None
    return _Clothes(
        top=paint(_CLOTH, 182 + warm),
        trousers=paint(_CLOTH, 170 + warm),
        skin=paint(_SKIN, 236),
        hair=paint(_HAIR, 178),
        shoes=paint(_CLOTH, 135),
        build=float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.25)),
        coat=bool(rng.random() < 0.35),
        bag=bag,
    )


def _varied(rng: np.random.Generator, colours: tuple[tuple[int, int, int], ...]) -> tuple[float, float, float]:
    """One of the colours, a little lighter or darker, and of a slightly other hue."""
    chosen = np.array(colours[int(rng.integers(len(colours)))])
    r, g, b = np.clip(chosen * rng.normal(1, 0.1) * rng.normal(1, 0.03, 3), 5, 250)
    return float(r), float(g), float(b)


def _walker(clothes: _Clothes, phase: float) -> Canvas:
    """One moment of a stride; the head's top is at 0.02 and the feet about at 1, in heights of a person."""
    height = _ZOOM * _PERSON
    canvas, middle, build = Canvas(height, round(1.1 * height), height), 0.5, clothes.build
    hip, shoulder = np.array([middle, 0.51]), np.array([middle + 0.012, 0.215])
    far = 0.72  # what is behind is darker

    def leg(at: float, light: float) -> None:
        swing, bend = 0.37 * np.sin(at), 0.1 + 0.7 * max(0.0, float(np.cos(at)))
        knee = hip + 0.235 * np.array([np.sin(swing), np.cos(swing)])
        shank = swing - bend
        ankle = knee + 0.235 * np.array([np.sin(shank), np.cos(shank)])
        trousers = clothes.trousers.shaded(light)
        canvas.line([hip, knee], 0.088 * build, trousers)
        canvas.line([knee, ankle], 0.066 * build, trousers.shaded(0.95, -10))
        toe = ankle + 0.075 * np.array([np.cos(shank * 0.6), -np.sin(shank * 0.6) + 0.12])
        canvas.line([ankle, toe], 0.042, clothes.shoes.shaded(light))

    def arm(at: float, light: float) -> None:
        swing = -0.4 * np.sin(at)
        elbow = shoulder + 0.155 * np.array([np.sin(swing), np.cos(swing)]) + [0, 0.015]
        bent = swing + 0.35 + 0.2 * max(0.0, float(np.sin(swing)))
        hand = elbow + 0.14 * np.array([np.sin(bent), np.cos(bent)])
        canvas.line([shoulder + [0, 0.015], elbow], 0.062 * build, clothes.top.shaded(light, -6))
        canvas.line([elbow, hand], 0.048 * build, clothes.top.shaded(light, -2))
        canvas.ellipse(hand[0], hand[1], 0.026, 0.028, clothes.skin.shaded(light, -12))

    arm(phase + np.pi, far)
    leg(phase + np.pi, far)
    leg(phase, 1.0)
    back, front, hem = middle - 0.078 * build, middle + 0.082 * build, 0.68 if clothes.coat else 0.54
    torso = [(back + 0.02, 0.19), (middle + 0.045, 0.175), (front, 0.24), (front, 0.42), (front + 0.005, hem)]
    if clothes.bag is not None:
        canvas.polygon(rounded([(back - 0.075, 0.2), (back + 0.03, 0.19), (back + 0.03, 0.43), (back - 0.07, 0.42)]),
                       clothes.bag)  # fmt: skip
    canvas.polygon(rounded([*torso, (back - 0.005, hem), (back, 0.4)], 2), clothes.top)
    seam, fold = back + 0.012, middle - 0.03
    canvas.polygon([(seam, 0.24), (fold, 0.24), (fold, hem - 0.02), (seam, hem - 0.02)], clothes.top.shaded(0.84, -4))
    canvas.line([(middle + 0.012, 0.2), (middle + 0.022, 0.12)], 0.062, clothes.skin)
    canvas.ellipse(middle + 0.026, 0.094, 0.056, 0.072, clothes.skin)
    canvas.ellipse(middle + 0.006, 0.074, 0.06, 0.056, clothes.hair, 20)
    canvas.ellipse(middle + 0.056, 0.104, 0.03, 0.042, clothes.skin.shaded(1.04, 4))
    arm(phase, 0.92)
    return canvas


def vehicle(rng: np.random.Generator, van: bool = False) -> Texture:
    """A car, or a van: nearly a rectangle, behind which things disappear."""
    saloon = rng.random() < 0.5
    height = 0.5 if van else rng.uniform(0.31, 0.34) if saloon else rng.uniform(0.35, 0.39)
    body = Paint(_varied(rng, _CAR), float(rng.normal(112, 6)))
    length = _ZOOM * _VEHICLE
    canvas = Canvas(length, round(length * height), length)
    outline, panes = (_VAN, _VAN_PANES) if van else (_SALOON, _SALOON_PANES) if saloon else (_HATCH, _HATCH_PANES)
    scale = np.array([1.0, height])
    shape = rounded(np.array(outline) * scale, 3)
    canvas.polygon(shape, body)
    upper, lower = body.shaded(1.22, -14), body.shaded(0.62, 16)
    inside = canvas.alpha > 127
    rows = np.linspace(0, 1, canvas.alpha.shape[0])[:, None]
    _shade(canvas, inside & (rows < 0.12), upper)
    for edge, share in ((0.5, 0.25), (0.62, 0.5), (0.72, 1.0)):
        _shade(canvas, inside & (rows > edge), blend(body, lower, share))
    _warm_up(canvas, inside, (0.86, 0.55 * height), 0.11, float(rng.uniform(60, 105)))
    for pane in panes:
        canvas.polygon(rounded(np.array(pane) * scale, 1), _GLASS)
        (x1, y1), (x2, _) = np.array(pane[0]) * scale, np.array(pane[-1]) * scale
        canvas.line([(x1 + 0.02, y1 + 0.01), (x1 + 0.3 * (x2 - x1) + 0.02, y1 + 0.012)], 0.008, _SHINE)
    for x in (0.315, 0.5):
        canvas.line([(x, 0.4 * height), (x, 0.76 * height)], 0.003, body.shaded(0.5))
        canvas.line([(x + 0.03, 0.46 * height), (x + 0.055, 0.46 * height)], 0.008, body.shaded(0.55))
    canvas.line([(0.02, 0.56 * height), (0.97, 0.56 * height)], 0.004, body.shaded(0.72))
    canvas.box(0.935, 0.5 * height, 0.05, 0.08 * height, _LAMP)
    canvas.box(0.008, 0.46 * height, 0.03, 0.1 * height, _REAR_LAMP)
    canvas.box(0.0, 0.74 * height, 0.05, 0.07 * height, Paint((45, 45, 48), 215))  # the exhaust
    radius = 0.064 if not van else 0.062
    for x in (0.19, 0.8):
        y = height - radius
        canvas.ellipse(x, y, radius * 1.2, radius * 1.2, Paint((18, 18, 20), 140))
        canvas.ellipse(x, y, radius, radius, _TYRE)
        canvas.ellipse(x, y, radius * 0.6, radius * 0.6, _RIM)
        canvas.ellipse(x, y, radius * 0.25, radius * 0.25, _TYRE)
    columns, lines = (np.flatnonzero(canvas.alpha.max(axis=axis) > 127) for axis in (0, 1))
    area = int(columns[0]), int(lines[0]), int(columns[-1]) + 1, int(lines[-1]) + 1
    size = round((area[2] - area[0]) / _ZOOM), round((area[3] - area[1]) / _ZOOM)
    return _finished(canvas, area, size, int(rng.integers(1 << 32)))


# Outlines and window panes in lengths across and heights down; the front is at the right.
_SALOON = (
    (0, 0.84), (0, 0.44), (0.03, 0.38), (0.15, 0.35), (0.26, 0.06), (0.34, 0), (0.55, 0), (0.63, 0.06), (0.74, 0.36),
    (0.94, 0.44), (1, 0.56), (1, 0.84), (0.95, 0.9), (0.04, 0.9),
)  # fmt: skip
_SALOON_PANES = (
    ((0.285, 0.1), (0.2, 0.37), (0.44, 0.37), (0.44, 0.07)), ((0.46, 0.07), (0.46, 0.37), (0.69, 0.37), (0.59, 0.1)),
)  # fmt: skip
_HATCH = (
    (0, 0.86), (0, 0.5), (0.03, 0.36), (0.08, 0.06), (0.16, 0), (0.52, 0), (0.61, 0.05), (0.75, 0.36), (0.95, 0.45),
    (1, 0.58), (1, 0.86), (0.95, 0.9), (0.04, 0.9),
)  # fmt: skip
_HATCH_PANES = (
    ((0.13, 0.09), (0.09, 0.36), (0.3, 0.37), (0.3, 0.07)), ((0.32, 0.07), (0.32, 0.37), (0.48, 0.37), (0.48, 0.07)),
    ((0.5, 0.07), (0.5, 0.37), (0.7, 0.37), (0.58, 0.09)),
)  # fmt: skip
_VAN = (
    (0, 0.9), (0, 0.06), (0.02, 0), (0.7, 0), (0.76, 0.04), (0.87, 0.4), (0.98, 0.5), (1, 0.6), (1, 0.9), (0.96, 0.93),
    (0.03, 0.93),
)  # fmt: skip
_VAN_PANES = (((0.67, 0.1), (0.67, 0.42), (0.84, 0.42), (0.75, 0.1)),)


def board(rng: np.random.Generator) -> Texture:
    """A wall of boards on edge, about as warm as the air."""
    height, width, plank = 120, 180, 15
    tone = 1 + 0.15 * np.repeat(rng.normal(0, 1, width // plank), plank)
    tone[::plank] = 0.5  # the gaps between them
    colour = np.array(_varied(rng, _CLOTH))
    rgb = np.clip(tone[None, :, None] * colour + rng.normal(0, 6, (height, width, 1)), 0, 255)
    thermal = np.clip(rng.uniform(80, 130) + 12 * (tone - 1) + rng.normal(0, 2, (height, width)), 0, 255)
    return Texture(rgb.astype(np.uint8), thermal.astype(np.uint8), np.full((height, width), 255, np.uint8))


def _shade(canvas: Canvas, mask: np.ndarray, paint: Paint) -> None:
    canvas.rgb[mask] = np.array(paint.rgb).astype(np.uint8)
    canvas.thermal[mask] = int(paint.warmth)


def _warm_up(canvas: Canvas, mask: np.ndarray, at: tuple[float, float], reach: float, warmer: float) -> None:
    """Heat that comes through around a place; all in widths of the canvas."""
    height, width = canvas.thermal.shape
    y, x = np.ogrid[:height, :width]
    near = np.exp(-(((x / width - at[0]) / reach) ** 2) - ((y / width - at[1]) / (0.7 * reach)) ** 2)
    warm = np.clip(canvas.thermal + warmer * near, 0, 255).astype(np.uint8)
    canvas.thermal[mask] = warm[mask]


def _finished(canvas: Canvas, area: tuple[int, int, int, int], size: tuple[int, int], grain: int) -> Texture:
    """The `(left, top, right, bottom)` of a canvas at its final size, lit from above, with a little structure."""
    left, top, right, bottom = area
    # What lies beside an outline would otherwise bleed into its edge.
    outside = (canvas.alpha == 0).astype(np.uint8)
    parts = []
    for layer in (canvas.rgb, canvas.thermal, canvas.alpha):
        parts.append(cv2.resize(layer[top:bottom, left:right], size, interpolation=cv2.INTER_AREA).astype(np.float32))
    covered = 1 - cv2.resize(outside[top:bottom, left:right].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    rgb, thermal, alpha = parts
    rgb, thermal = rgb / np.maximum(covered, 0.2)[..., None], thermal / np.maximum(covered, 0.2)
    rng = np.random.default_rng(grain)
    height, width = alpha.shape
    light = np.linspace(1.12, 0.86, height)[:, None, None]
    rgb = rgb * light + rng.normal(0, 4, (height, width, 1))
    thermal = cv2.GaussianBlur(thermal, (0, 0), 1.0) + rng.normal(0, 2.5, (height, width))
    # The outermost rows count as painted: the box of a figure is that of its texture.
    alpha = np.clip(alpha * 1.3, 0, 255)
    return Texture(*(np.clip(part, 0, 255).astype(np.uint8) for part in (rgb, thermal, alpha)))
