"""Objects that look alike: others of a target's class, copies of it with small differences, its own next look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

from ckd_ros.datasets.crop_archive import CropArchive
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.tar_images import MaskedImages
from ckd_ros.datasets.textures import make_target, smooth_noise

#: Images of a recording that are nearer in number may show the same object again.
_APART = 50
#: Longest side at which cutouts are kept, pixels: that of a crop's target, about.
_CUTOUT_SIDE = 112
#: Longest side at which a crop is segmented, pixels.
_SEGMENTED_SIDE = 56
_PATTERNS = 256  # made-up thermal images are costly: so many are made once
#: What lies beyond the edge of a texture's colour, thermal image and alpha.
_EDGES = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)


@dataclass(frozen=True)
class Thing:
    """An object: its name in its archive, the class it is told apart in, and its look."""

    name: str
    kind: str
    texture: Texture


class Objects(Protocol):
    """Where targets and their look-alikes come from."""

    def target(self, rng: np.random.Generator) -> Thing:
        """Any object."""
        ...

    def other(self, rng: np.random.Generator, target: Thing) -> Thing:
        """Certainly another object, of the target's class."""
        ...


class CropObjects:
    """Registered crops of people, cars and bicycles; look-alikes are of the same class, by day or by night alike."""

    def __init__(self, archive: CropArchive) -> None:
        self._archive = archive
        self._kinds: dict[str, list[str]] = {}
        for kind, names in archive.names.items():
            for name in names:
                self._kinds.setdefault(f"{name.split('_')[0]} {kind}", []).append(name)
        self._refined = lru_cache(maxsize=None)(self._mask)
        self._all = [(kind, name) for kind, names in self._kinds.items() for name in names]

    def target(self, rng: np.random.Generator) -> Thing:
        kind, name = self._all[int(rng.integers(len(self._all)))]
        return self._thing(rng, kind, name)

    def other(self, rng: np.random.Generator, target: Thing) -> Thing:
        names = self._kinds[target.kind]
        image = _image_number(target.name)
        for _ in range(20):
            name = names[int(rng.integers(len(names)))]
            apart = abs(_image_number(name) - image)
            if name != target.name and (apart == 0 or apart > _APART):  # of one image: certainly two objects
                break
        return self._thing(rng, target.kind, name)

    def _thing(self, rng: np.random.Generator, kind: str, name: str) -> Thing:
        rgb, thermal = self._archive.pair(name)
        alpha = self._refined(name)
        return Thing(
            name, kind, Texture(rgb, thermal, soft_mask(rng, *thermal.shape[::-1]) if alpha is None else alpha)
        )

    def _mask(self, name: str) -> np.ndarray | None:
        return segmented(*self._archive.pair(name))


class CutoutObjects:
    """Colour objects of all kinds with exact masks; their thermal image is made up, and differs from look to look."""

    def __init__(self, images: MaskedImages) -> None:
        self._images = images
        self._cutout = lru_cache(maxsize=None)(self._read)

    def _read(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        rgb, alpha = self._images.cutout(name)
        height, width = alpha.shape
        scale = min(1.0, _CUTOUT_SIDE / max(width, height))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.resize(
            alpha, size, interpolation=cv2.INTER_AREA
        )

    def target(self, rng: np.random.Generator) -> Thing:
        name = self._images.names[int(rng.integers(len(self._images.names)))]
        rgb, alpha = self._cutout(name)
        return Thing(name, "cutout", Texture(rgb, _made_up_warmth(rng, rgb), alpha))

    def other(self, rng: np.random.Generator, target: Thing) -> Thing:
        for _ in range(20):
            thing = self.target(rng)
            if thing.name != target.name:
                break
        return thing


def soft_mask(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Alpha for what fills its box without an exact mask: between an ellipse and a rounded box, with a soft edge."""
    return _soft_mask(width, height, int(rng.integers(4)))


@lru_cache(maxsize=1024)
def _soft_mask(width: int, height: int, roundness: int) -> np.ndarray:
    power = (2.0, 2.5, 3.2, 4.5)[roundness]
    y, x = np.ogrid[:height, :width]
    radius = (np.abs((2 * x + 1) / width - 1) ** power + np.abs((2 * y + 1) / height - 1) ** power) ** (1 / power)
    feather = 3.0 / max(6, min(width, height))  # about three pixels across the narrow side
    return np.clip((1 - radius) / feather * 255, 0, 255).astype(np.uint8)


def segmented(rgb: np.ndarray, thermal: np.ndarray) -> np.ndarray | None:
    """Alpha of the object that fills a crop, by GrabCut on lightness, colour and warmth; None where it finds none.

    rgb: `H x W x 3`, thermal and the result `H x W`, uint8.
    """
    height, width = thermal.shape
    scale = min(1.0, _SEGMENTED_SIDE / max(width, height))
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    colour = cv2.addWeighted(lab[..., 1], 1.5, lab[..., 2], 1.5, -256)
    features = cv2.resize(
        np.dstack([lab[..., 0], colour, thermal]),
        (max(8, round(width * scale)), max(8, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )
    rows, columns = features.shape[:2]
    y, x = np.ogrid[:rows, :columns]
    across, down = np.abs((2 * x + 1) / columns - 1), np.abs((2 * y + 1) / rows - 1)
    mask = np.full((rows, columns), cv2.GC_PR_BGD, np.uint8)
    mask[across**2 + down**2 < 0.8] = cv2.GC_PR_FGD
    mask[across**4 + down**4 > 1.05] = cv2.GC_BGD  # the corners
    mask[(across / 0.22) ** 2 + (down / 0.55) ** 2 < 1] = cv2.GC_FGD
    cv2.setRNGSeed(1)  # the same mask every time
    cv2.grabCut(features, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    _, labels, stats, _ = cv2.connectedComponentsWithStats((mask & 1).astype(np.uint8))  # odd: foreground
    found = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    _, _, w, h, area = stats[found].tolist()
    if not 0.25 < area / (rows * columns) < 0.95 or w < 0.6 * columns or h < 0.75 * rows:
        return None
    soft = cv2.GaussianBlur((labels == found).astype(np.float32) * 255, (0, 0), 0.7)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def copy_with_a_difference(rng: np.random.Generator, texture: Texture) -> Texture:
    """A look-alike of its own: the same object in another colour and another warmth, perhaps mirrored."""
    rgb, thermal = texture.rgb[0], texture.thermal[0]
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    hue = (np.arange(256) + rng.uniform(20, 160)) % 180
    saturation = np.arange(256) * rng.uniform(0.3, 1.8) + rng.uniform(0, 50)
    value = np.arange(256) * rng.uniform(0.5, 1.3) + rng.uniform(-30, 60)
    table = np.clip(np.stack([hue, saturation, value], 1), 0, 255).astype(np.uint8).reshape(256, 1, 3)
    rgb = cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB)
    height, width = thermal.shape
    warmth = smooth_noise(rng, width, height, max(width, height) / rng.uniform(1, 4)) * rng.uniform(10, 50)
    thermal = np.clip(thermal * rng.uniform(0.6, 1.3) + warmth + rng.normal(0, 20), 0, 255).astype(np.uint8)
    alpha = _alpha(texture)
    if rng.random() < 0.5:
        rgb, thermal, alpha = (np.ascontiguousarray(image[:, ::-1]) for image in (rgb, thermal, alpha))
    return Texture(rgb, thermal, alpha)


def changed_shape(rng: np.random.Generator, texture: Texture, strength: float, mirrored: bool) -> Texture:
    """The same object a little later: parts of it moved by about `strength` of its sides (gait), perhaps turned."""
    images = [texture.rgb[0], texture.thermal[0], _alpha(texture)]
    if mirrored:
        images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    if strength > 0:
        margin = int(np.ceil(2 * strength * max(texture.height, texture.width)))  # room for what moves outwards
        images = [
            cv2.copyMakeBorder(image, margin, margin, margin, margin, edge)
            for image, edge in zip(images, _EDGES, strict=True)
        ]
        height, width = images[1].shape
        grid = rng.normal(0, 1, (5, 4, 2)) * strength * [texture.width, texture.height]
        shift = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        across, down = x + shift[..., 0], y + shift[..., 1]
        images = [
            cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=edge)
            for image, edge in zip(images, _EDGES, strict=True)
        ]
    return Texture(*images) if images[2].max() > 127 else texture


def relit(rng: np.random.Generator, texture: Texture, strength: float) -> Texture:
    """The same object under another light and warmed from another side; `strength`: of the log of its brightness."""
    if strength <= 0:
        return texture
    height, width = texture.height, texture.width
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    bright, down, across, warm, warm_down = rng.normal(0, strength, 5).astype(np.float32)
    light = np.exp(bright + down * y + across * x / 2)
    tint = np.exp(rng.normal(0, strength / 5, 3)).astype(np.float32)
    rgb = np.clip(texture.rgb[0] * light[..., None] * tint, 0, 255).astype(np.uint8)
    thermal = np.clip(texture.thermal[0] + 60 * (warm + warm_down * y), 0, 255).astype(np.uint8)
    return Texture(rgb, thermal, _alpha(texture))


def _alpha(texture: Texture) -> np.ndarray:
    assert texture.alpha is not None, "an object is cut out by its alpha"
    return texture.alpha[0]


def _made_up_warmth(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """A thermal image for a colour one: warmth of its own, edges in part where colour has them."""
    height, width = rgb.shape[:2]
    pattern = _warm_pattern(int(rng.integers(_PATTERNS)))
    thermal = cv2.resize(pattern, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    own, weight = float(rng.uniform(0.5, 1.0)), float(rng.uniform(-0.6, 0.6))
    level = rng.uniform(30, 220) - own * float(thermal.mean()) - weight * float(grey.mean())
    return cv2.addWeighted(thermal, own, grey, weight, level)


@lru_cache(maxsize=_PATTERNS)
def _warm_pattern(number: int) -> np.ndarray:
    return make_target(np.random.default_rng([number, 2]), _CUTOUT_SIDE, _CUTOUT_SIDE)[1]


def _image_number(name: str) -> int:
    """The number of the image that a crop `..._IMAGE_NUMBER` was cut from."""
    return int(name.split("_")[-2])
