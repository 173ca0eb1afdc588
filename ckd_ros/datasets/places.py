"""Places made from nothing: a street or a yard before houses and trees under the sky, in colour and in warmth.

The camera hangs at about the height of a first floor. The sky is cold, stone keeps the day's warmth, grass is cooler,
and by night there are lamps and lit windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros.datasets.canvas import Canvas, Paint
from ckd_ros.datasets.facades import Lights, fence, house, lamp_post, tree
from ckd_ros.datasets.figures import vehicle
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.textures import smooth_noise

#: Size of a place's picture in pixels, and the line on which the houses stand.
WIDTH, HEIGHT, FOOT = 800, 640, 206
#: From this line on down there is room to move.
FREE = 238.0
_FAR = 0.55  # how large things are at the houses, of their size where one moves
_PLANE = 900, 1000  # of the ground seen from straight above


@dataclass(frozen=True)
class Place:
    """What a camera sees while nobody is there.

    Attributes:
        texture: in colour and in warmth.
        lights: `H x W x 3` uint8, how much of the day's light there is by night, 255 for all of it; None for no lamps.
        sun: where the shadow of something a pixel tall ends, `(x, y)` from its foot; None without shadows.
        free: the line of the texture from which on down there is ground to stand on; None if that is unknown.
    """

    texture: Texture
    lights: np.ndarray | None = None
    sun: tuple[float, float] | None = None
    free: float | None = None


def make_place(rng: np.random.Generator, metre: float) -> Place:
    """A street or a yard in which a metre is about so many pixels."""
    canvas, lights = Canvas(WIDTH, HEIGHT), Lights(WIDTH, HEIGHT)
    metre = float(np.clip(metre, 8, 60))
    bright = float(rng.uniform(0.55, 1.0))  # from overcast to sunny
    _sky(canvas, rng, bright)
    _ground(canvas, rng, metre)
    far = _FAR * metre
    _back(canvas, lights, rng, far)
    _furniture(canvas, lights, rng, far)
    canvas.roughen(rng, 2, 5, 1.5)
    canvas.roughen(rng, 300, 16, 5)
    side = float(rng.choice([-1, 1]))
    sun = side * float(rng.uniform(0.35, 0.8)), -float(rng.uniform(0.16, 0.3))
    return Place(Texture(canvas.rgb, canvas.thermal), lights.finished(), sun, FREE)


def _sky(canvas: Canvas, rng: np.random.Generator, bright: float) -> None:
    high = FOOT + 4
    down = np.linspace(0, 1, high)[:, None, None]
    clear, hazy, grey = np.array([96, 142, 200]), np.array([196, 212, 226]), np.array([182, 188, 194])
    blue = clear + (hazy - clear) * down
    octaves = ((0.6, 160), (0.3, 60), (0.15, 22))  # share, size of the clouds in pixels
    clouds = np.sum([share * smooth_noise(rng, WIDTH, high, cell) for share, cell in octaves], axis=0)
    cover = np.clip(2.2 * (clouds + 0.9 - bright), 0, 1)[..., None]
    canvas.rgb[:high] = np.clip(blue + (grey + 40 * clouds[..., None] - blue) * cover, 0, 255)
    canvas.thermal[:high] = np.clip(14 + 34 * down[..., 0] ** 2 + 26 * cover[..., 0], 0, 255)
    ridge = FOOT - 60 + 24 * smooth_noise(rng, WIDTH, 2, 120)[0] + 6 * smooth_noise(rng, WIDTH, 2, 10)[0]
    edge = [(float(x), float(y)) for x, y in zip(range(WIDTH), ridge, strict=True)]
    canvas.polygon([*edge, (WIDTH, FOOT + 4), (0, FOOT + 4)], Paint((96, 112, 98), 70))


def _ground(canvas: Canvas, rng: np.random.Generator, metre: float) -> None:
    """The ground is made as it is seen from above, and then laid down in perspective."""
    wide, deep = _PLANE
    plane = Canvas(wide, deep)
    unit = metre * 0.75  # of the plane; near the camera things come out larger, far away smaller
    if rng.random() < 0.6:
        _street(plane, rng, unit)
    else:
        _yard(plane, rng, unit)
    _wear(plane, rng, unit)
    near = 0.28 * WIDTH
    corners = np.array([[0, 0], [wide, 0], [wide, deep], [0, deep]], np.float32)
    seen = np.array([[-30, FOOT], [WIDTH + 30, FOOT], [WIDTH + near, HEIGHT], [-near, HEIGHT]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    for layer, below in ((canvas.rgb, plane.rgb), (canvas.thermal, plane.thermal)):
        laid = cv2.warpPerspective(below, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
        layer[FOOT:] = laid[FOOT:]


_ASPHALT, _SLABS, _GRASS = Paint((104, 106, 108), 120), Paint((164, 158, 150), 108), Paint((92, 110, 66), 84)
_KERB, _MARK, _GRAVEL = Paint((182, 180, 174), 106), Paint((226, 226, 220), 110), Paint((178, 164, 138), 114)


def _street(plane: Canvas, rng: np.random.Generator, unit: float) -> None:
    wide, deep = _PLANE
    pavement, road = 0.2 * deep, 0.55 * deep
    plane.box(0, 0, wide, deep, _SLABS)
    _slabs(plane, rng, (0, pavement), unit)
    plane.box(0, pavement, wide, road, _ASPHALT)
    plane.box(0, pavement + road, wide, deep, _GRASS if rng.random() < 0.5 else _SLABS.shaded(0.9))
    for y in (pavement, pavement + road):
        plane.box(0, y - 7, wide, 14, _KERB)
        plane.box(0, y + (7 if y == pavement else -10), wide, 3, _ASPHALT.shaded(0.6))
    offset, dash = float(rng.uniform(0, 4 * unit)), 2.2 * unit
    for x in np.arange(-offset, wide, 2 * dash):
        plane.box(float(x), pavement + 0.52 * road, dash, 7, _MARK)
    for y in (pavement + 0.3 * road, pavement + 0.72 * road):  # where tyres run it is darker and warmer
        plane.box(0, y, wide, 0.35 * unit, _ASPHALT.shaded(0.9, 5))
    if rng.random() < 0.6:
        start = float(rng.uniform(0.15, 0.7)) * wide
        for number in range(7):
            plane.box(start, pavement + 20 + number * (road - 40) / 7, 3.2 * unit, (road - 40) / 14, _MARK)
    x = float(rng.uniform(0.1, 0.9)) * wide
    plane.ellipse(x, pavement + 0.42 * road, 0.4 * unit, 0.4 * unit, Paint((70, 68, 66), 140))
    plane.ellipse(x, pavement + 0.42 * road, 0.33 * unit, 0.33 * unit, Paint((92, 88, 84), 148))


def _yard(plane: Canvas, rng: np.random.Generator, unit: float) -> None:
    wide, deep = _PLANE
    plane.box(0, 0, wide, deep, _GRAVEL if rng.random() < 0.3 else _SLABS)
    _slabs(plane, rng, (0, deep), unit)
    lawn = float(rng.uniform(0.1, 0.6)) * wide
    for paint, edge in ((_KERB, 0.0), (_GRASS, 8.0)):
        left, right, near = lawn + edge, lawn + 0.42 * wide - edge, 0.06 * wide
        top, bottom = 0.16 * deep + edge, 0.42 * deep - edge
        plane.polygon([(left, top), (right, top), (right - near, bottom), (left - near, bottom)], paint)
    bays = float(rng.uniform(0.5, 0.6)) * deep
    plane.box(0, bays, wide, 0.5 * deep, _ASPHALT)
    for x in np.arange(float(rng.uniform(0, 2.5 * unit)), wide, 2.6 * unit):
        plane.box(float(x), bays, 6, 0.22 * deep, _MARK)
    plane.box(0, bays - 6, wide, 9, _KERB)


def _slabs(plane: Canvas, rng: np.random.Generator, rows: tuple[float, float], unit: float) -> None:
    """Joints between slabs, of which each has a shade of its own."""
    first, last = (round(v) for v in rows)
    side = max(10, round(0.7 * unit))
    shape = -(-(last - first) // side), -(-_PLANE[0] // side)
    shade = cv2.resize(rng.normal(0, 6, shape).astype(np.float32), (shape[1] * side, shape[0] * side),
                       interpolation=cv2.INTER_NEAREST)[: last - first, : _PLANE[0]]  # fmt: skip
    shade[::side] -= 34
    shade[:, ::side] -= 34
    part = plane.rgb[first:last]
    part[...] = np.clip(part + shade[..., None], 0, 255)


def _wear(plane: Canvas, rng: np.random.Generator, unit: float) -> None:
    """Grain, stains, cracks, leaves, and the shadows of what stands beyond the picture."""
    wide, deep = _PLANE
    grain = cv2.GaussianBlur(rng.integers(0, 256, (deep, wide), dtype=np.uint8), (0, 0), 0.8).astype(np.float32) - 127.5
    stains = 9 * smooth_noise(rng, wide, deep, 90) + 7 * smooth_noise(rng, wide, deep, 18)
    plane.rgb = np.clip(plane.rgb + (0.3 * grain + stains)[..., None], 0, 255).astype(np.uint8)
    heat = 5 * smooth_noise(rng, wide, deep, 120) + 3 * smooth_noise(rng, wide, deep, 14)
    plane.thermal = np.clip(plane.thermal + heat, 0, 255).astype(np.uint8)
    for _ in range(5):
        start = rng.uniform([0, 0], _PLANE)
        if plane.rgb[int(start[1]), int(start[0]), 1] > 1.2 * plane.rgb[int(start[1]), int(start[0]), 2]:
            continue  # not in the grass
        steps = np.cumsum(rng.normal(0, 0.35 * unit, (9, 2)) + rng.normal(0, 0.3 * unit, 2), axis=0)
        plane.line(start + steps, 1, Paint((62, 60, 58), 112))
    for _ in range(70):
        x, y = rng.uniform([0, 0], _PLANE)
        leaf = Paint((150, 110, 50) if rng.random() < 0.5 else (88, 76, 52), 104)
        plane.ellipse(float(x), float(y), float(rng.uniform(1.5, 4)), 1.5, leaf, float(rng.uniform(0, 180)))


def _back(canvas: Canvas, lights: Lights, rng: np.random.Generator, metre: float) -> None:
    """Houses in a row, with gaps in which there is a fence and the sky above it."""
    x = -float(rng.uniform(0, 5)) * metre
    gap = bool(rng.random() < 0.3)
    while x < WIDTH:
        length = float(rng.uniform(3, 6) if gap else rng.uniform(7, 14)) * metre
        span = (x, x + length)
        if gap:
            board = Paint((126, 98, 72), 92) if rng.random() < 0.5 else Paint((92, 104, 74), 84)
            for _ in range(2):
                tree(canvas, rng, x + float(rng.uniform(0.2, 0.8)) * length, FOOT, float(rng.uniform(85, 125)))
            fence(canvas, span, FOOT, metre, board)
        else:
            house(canvas, lights, rng, span, FOOT, metre)
        x += length
        gap = not gap and bool(rng.random() < 0.7)
    # At their foot it is darker, and the wall's warmth is reflected.
    for row in range(10):
        canvas.rgb[FOOT + row] = (canvas.rgb[FOOT + row] * (0.7 + 0.03 * row)).astype(np.uint8)


def _furniture(canvas: Canvas, lights: Lights, rng: np.random.Generator, metre: float) -> None:
    """What stands before the houses: trees, lamps, parked cars."""
    for x in np.arange(float(rng.uniform(40, 160)), WIDTH, float(rng.uniform(230, 330))):
        lamp_post(canvas, lights, float(x), FOOT + 9, min(metre, 26))
    for _ in range(int(rng.integers(1, 4))):
        x = float(rng.uniform(0, WIDTH))
        _pool(canvas, x, FOOT + 12, 34, 7, 0.6)
        tree(canvas, rng, x, FOOT + 12, float(rng.uniform(110, 165)))
    for _ in range(int(rng.integers(1, 4))):
        car = vehicle(rng, van=bool(rng.random() < 0.2))
        length = 4.4 * metre
        height = length * car.height / car.width
        left = float(rng.uniform(-0.3 * length, WIDTH - 0.7 * length))
        _pool(canvas, left + length / 2, FOOT + 18, 0.54 * length, 0.07 * length, 0.45)
        _paste(canvas, car, (left, FOOT + 18 - height, length, height), rng.random() < 0.5)


def _pool(canvas: Canvas, x: float, y: float, across: float, down: float, light: float) -> None:
    """A soft shadow on the ground."""
    height, width = canvas.thermal.shape
    rows, columns = np.ogrid[:height, :width]
    dark = 1 - (1 - light) * np.exp(-(np.clip(((columns - x) / across) ** 2 + ((rows - y) / down) ** 2, 0, 20) ** 2))
    canvas.rgb = (canvas.rgb * dark[..., None]).astype(np.uint8)


def _paste(canvas: Canvas, texture: Texture, area: tuple[float, float, float, float], mirrored: bool) -> None:
    """A parked vehicle: its engine has cooled down."""
    assert texture.alpha is not None, "a vehicle is cut out by its alpha"
    x, y, width, height = (round(v) for v in area)
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, WIDTH), min(y + height, HEIGHT)
    if right <= left or bottom <= top:
        return
    rgb, thermal, alpha = (
        cv2.resize(layer[:, ::-1] if mirrored else layer, (width, height), interpolation=cv2.INTER_AREA)[
            top - y : bottom - y, left - x : right - x
        ].astype(np.float32)
        for layer in (texture.rgb[0], texture.thermal[0], texture.alpha[0])
    )
    share, part = alpha / 255, np.s_[top:bottom, left:right]
    canvas.rgb[part] = canvas.rgb[part] + (rgb - canvas.rgb[part]) * share[..., None]
    cold = np.minimum(0.4 * thermal + 55, 120)
    canvas.thermal[part] = canvas.thermal[part] + (cold - canvas.thermal[part]) * share
