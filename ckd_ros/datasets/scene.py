"""A scene of flat layers, rendered through any view: a whole camera image or one small crop of it.

World coordinates are the background's pixels (continuous). A view is a 3x3 affine transform from world to
image pixels, so that a training crop is rendered directly, at crop resolution, by the code that renders a video.
Colour and thermal are rendered apart, because their cameras do not share a view.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros.geometry import index_matrix, transform_points


class Texture:
    """A colour image `H x W x 3` (RGB), a thermal image `H x W` and an optional alpha `H x W`, all uint8.

    Half-size copies are kept, so that a texture drawn small is not aliased.
    """

    def __init__(self, rgb: np.ndarray, thermal: np.ndarray, alpha: np.ndarray | None = None):
        if rgb.shape[:2] != thermal.shape[:2]:
            raise ValueError(f"colour {rgb.shape[:2]} and thermal {thermal.shape[:2]} of a texture must have one size")
        self.height, self.width = thermal.shape[:2]
        self.rgb, self.thermal = [rgb], [thermal]
        self.alpha = None if alpha is None else [alpha]
        if alpha is not None:
            contours, _ = cv2.findContours((alpha > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            hull = cv2.convexHull(np.concatenate(contours)).reshape(-1, 2)
            # Contour points are pixel indices: the outline runs along the pixels' outer edges.
            corners = np.concatenate([hull + d for d in ((0, 0), (1, 0), (0, 1), (1, 1))])
            self.outline = cv2.convexHull(corners.astype(np.int32)).reshape(-1, 2).astype(float)
        else:
            self.outline = np.array([[0, 0], [self.width, 0], [self.width, self.height], [0, self.height]], float)

    def level(self, scale: float) -> int:
        """The index of the half-size copy to draw from at `scale` (view pixels a texture pixel)."""
        level = 0 if scale >= 0.75 else int(np.floor(np.log2(1 / max(scale, 1e-3)) + 0.415))
        while len(self.rgb) <= level and min(self.rgb[-1].shape[:2]) > 8:
            for pyramid in (self.rgb, self.thermal, self.alpha):
                if pyramid is not None:
                    height, width = pyramid[-1].shape[:2]
                    half = ((width + 1) // 2, (height + 1) // 2)
                    pyramid.append(cv2.resize(pyramid[-1], half, interpolation=cv2.INTER_AREA))
        return min(level, len(self.rgb) - 1)


@dataclass(frozen=True)
class Sprite:
    """A texture placed in the world.

    Attributes:
        texture: what is drawn; with alpha.
        pose: 3x3 transform from texture pixels to world.
        thermal_shift: `(dx, dy)` world pixels by which the thermal camera sees it displaced (parallax).
        warmth: `(contrast, offset)` of its thermal image; a contrast near 0 hides it (thermal crossover).
    """

    texture: Texture
    pose: np.ndarray
    thermal_shift: tuple[float, float] = (0.0, 0.0)
    warmth: tuple[float, float] = (1.0, 0.0)

    def box(self, view: np.ndarray, thermal: bool = False) -> np.ndarray:
        """The axis-aligned box `(x, y, w, h)` of the silhouette in a view's image pixels."""
        points = transform_points(view @ self.placement(thermal), self.texture.outline)
        low, high = points.min(0), points.max(0)
        return np.concatenate([low, high - low])

    def placement(self, thermal: bool) -> np.ndarray:
        """3x3 transform from texture pixels to the world, as the colour or the thermal camera sees it."""
        if not thermal:
            return self.pose
        placed = self.pose.copy()
        placed[:2, 2] += self.thermal_shift
        return placed


def pose(texture: Texture, x: float, y: float, width: float, height: float, angle: float = 0.0) -> np.ndarray:
    """Texture pixels -> world: centred on `(x, y)`, stretched to `width` x `height`, then turned by `angle` rad."""
    sx, sy = width / texture.width, height / texture.height
    c, s = np.cos(angle), np.sin(angle)
    linear = np.array([[c * sx, -s * sy], [s * sx, c * sy]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.array([x, y]) - linear @ [texture.width / 2, texture.height / 2]
    return matrix


@dataclass(frozen=True)
class Scene:
    """A background and sprites in drawing order (the last one is nearest).

    Attributes:
        sun: where the shadow of something a pixel tall ends, `(x, y)` world pixels from its foot; None: no shadows.
    """

    background: Texture
    sprites: tuple[Sprite, ...] = ()
    sun: tuple[float, float] | None = None

    def render_rgb(self, view: np.ndarray, width: int, height: int) -> np.ndarray:
        """`height x width x 3` uint8 in RGB order."""
        return self._render(view, width, height, thermal=False)

    def render_thermal(self, view: np.ndarray, width: int, height: int) -> np.ndarray:
        """`height x width` uint8."""
        return self._render(view, width, height, thermal=True)

    def _render(self, view: np.ndarray, width: int, height: int, thermal: bool) -> np.ndarray:
        background = self.background
        level, matrix = _level_matrix(background, view)
        source = (background.thermal if thermal else background.rgb)[level]
        image = cv2.warpAffine(
            source, index_matrix(matrix)[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        for sprite in self.sprites:
            if self.sun is not None and not thermal:  # the ground stays as warm as it was
                _shade(image, sprite, view, self.sun)
            _draw(image, sprite, view, thermal)
        return image


def _level_matrix(texture: Texture, matrix: np.ndarray) -> tuple[int, np.ndarray]:
    """The pyramid level to sample and its transform to the view, for a texture's full-size `matrix`."""
    (a, b), (c, d) = matrix[:2, :2].tolist()
    level = texture.level(abs(a * d - b * c) ** 0.5)
    height, width = texture.thermal[level].shape[:2]
    return level, matrix * [texture.width / width, texture.height / height, 1.0]


def _shade(image: np.ndarray, sprite: Sprite, view: np.ndarray, sun: tuple[float, float]) -> None:
    """The shadow on the ground: the silhouette, laid down from the foot on."""
    outline = transform_points(sprite.pose, sprite.texture.outline)
    foot = np.array([outline[:, 0].mean(), outline[:, 1].max()])
    laid = np.eye(3)
    laid[:2, :2] = [[1, -sun[0]], [0, -sun[1]]]
    laid[:2, 2] = foot - laid[:2, :2] @ foot
    points = transform_points(view @ laid, outline)
    part = _part(image, points.min(0), points.max(0))
    if part is None:
        return
    level, matrix = _level_matrix(sprite.texture, view @ laid @ sprite.pose)
    assert sprite.texture.alpha is not None, "a sprite is cut out by its alpha"
    dark = _warped(sprite.texture.alpha[level], matrix, part, cv2.BORDER_CONSTANT)
    light = cv2.LUT(cv2.blur(dark, (3, 3)), _SHADOW)
    region = image[part]
    cv2.multiply(region, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), region, 1 / 255)


#: How much of the light is left, of 255, in the shadow of an alpha.
_SHADOW = np.round(255 * (1 - 0.42 * np.arange(256) / 255)).astype(np.uint8)


def _part(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns of an image that hold a box, a pixel more on each side; None if it is beside the image."""
    x1, y1 = (max(0, int(np.floor(v)) - 1) for v in low)
    x2, y2 = (min(size, int(np.ceil(v)) + 1) for v, size in zip(high, image.shape[1::-1], strict=True))
    return (slice(y1, y2), slice(x1, x2)) if x2 > x1 and y2 > y1 else None


def _warped(source: np.ndarray, matrix: np.ndarray, part: tuple[slice, slice], border: int) -> np.ndarray:
    """A part of the image that `source` makes by `matrix`, texture pixels to image pixels."""
    rows, columns = part
    local = index_matrix(np.array([[1, 0, -columns.start], [0, 1, -rows.start], [0, 0, 1]]) @ matrix)[:2]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return cv2.warpAffine(source, local, size, flags=cv2.INTER_LINEAR, borderMode=border)


def _draw(image: np.ndarray, sprite: Sprite, view: np.ndarray, thermal: bool) -> None:
    texture = sprite.texture
    x, y, w, h = sprite.box(view, thermal)
    part = _part(image, np.array([x, y]), np.array([x + w, y + h]))
    if part is None:
        return
    level, matrix = _level_matrix(texture, view @ sprite.placement(thermal))
    source = (texture.thermal if thermal else texture.rgb)[level]
    drawn = _warped(source, matrix, part, cv2.BORDER_REPLICATE).astype(np.float32)
    assert texture.alpha is not None, "a sprite is cut out by its alpha"
    alpha = _warped(texture.alpha[level], matrix, part, cv2.BORDER_CONSTANT).astype(np.float32) / 255
    region = image[part]
    if thermal:
        contrast, offset = sprite.warmth
        under = region.astype(np.float32)
        if contrast != 1.0:  # the target fades into the level of what surrounds it
            level_here = float(under.mean())
            drawn = level_here + (drawn - level_here) * contrast
        drawn += offset
    else:
        alpha = alpha[..., None]
        under = region.astype(np.float32)
    region[...] = np.clip(under + (drawn - under) * alpha, 0, 255).astype(np.uint8)
