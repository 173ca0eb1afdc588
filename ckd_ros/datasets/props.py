"""Where the background and the objects of a simulated sequence come from."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from ckd_ros.datasets import figures, places
from ckd_ros.datasets.crop_archive import CropArchive
from ckd_ros.datasets.look_alikes import similar
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.places import Place
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.datasets.textures import soft_ellipse

CHOICE = 6  # crops of which the largest is taken: many are small
#: Geometric mean side of what is made from nothing, in metres, and how often each kind is the target.
SIZES, SHARES = {"person": 1.05, "car": 2.6}, (0.6, 0.4)
RUN = 0.5  # how fast a person may be, of the fastest there are
OTHERS = 0.5  # share of the others that are of another kind than the target
LIMITS = 0.6, 1.5  # how small and how large another kind is beside the target: what is wide would hide all
VAN, HIDING = 3.7, 1.8  # a van's size in metres, and how large it is at most where it hides the target


@dataclass(frozen=True)
class Prop:
    """An object.

    Attributes:
        looks: it, in each phase of a stride; one, if it does not walk.
        size: how large it is beside the target that a track is made for.
        speed: how fast it may be, of the fastest there are.
        grounded: it stands on the ground, looks to where it goes, and casts a shadow.
    """

    looks: tuple[Texture, ...]
    size: float = 1.0
    speed: float = 1.0
    grounded: bool = False

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.looks[0].width / self.looks[0].height

    def varied(self, rng: np.random.Generator) -> Prop:
        """One that could be taken for it."""
        looks = [similar(copy.deepcopy(rng), look) for look in self.looks[1:]]  # all of them in the same way
        return replace(self, looks=(similar(rng, self.looks[0]), *looks))


class RealProps:
    """Real pairs, and cutouts of them or crops of people and cars, as the settings say.

    A world does not keep it: sequences are sent to processes. Raises what `PairLibrary` and `CropArchive` do.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._library = PairLibrary(config.pairs, config.subset) if config.pairs else None
        self._crops = CropArchive(config.crops, config.subset) if config.crops else None

    def place(self, rng: np.random.Generator) -> Place:
        """To be drawn before the objects, which take its light."""
        if self._library is None:
            place = Place(MadeProps(self._config).place(rng).texture)
        else:
            place = Place(self._library.background(int(rng.integers(len(self._library)))))
        self._light = float(place.texture.rgb[0].mean())
        return place

    def kind(self, rng: np.random.Generator) -> str | None:
        """A random class, each as likely as it has crops; None where there are no classes."""
        if self._crops is None:
            return None
        counts = np.array([len(names) for names in self._crops.names.values()])
        return list(self._crops.names)[int(rng.choice(len(counts), p=counts / counts.sum()))]

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Prop:
        """An object of a class, or of any."""
        if self._crops is not None:
            return Prop((self._cutout(self._crops, rng, kind or self.kind(rng) or ""),))
        assert self._library is not None, "there are pairs or crops"
        return Prop((self._library.cutout(rng),))

    def passing(self, rng: np.random.Generator) -> Prop:
        """What passes in front of the target."""
        return self.draw(rng)

    def cover(self, rng: np.random.Generator) -> Prop:
        """Something without gaps, that hides what is behind it."""
        look = self.draw(rng).looks[0]
        return Prop((Texture(look.rgb[0], look.thermal[0], soft_ellipse(look.width, look.height, 8.0)),))

    def screen(self, rng: np.random.Generator) -> Prop:
        """Something that hides what is behind it."""
        return self.cover(rng)

    def _cutout(self, crops: CropArchive, rng: np.random.Generator, kind: str) -> Texture:
        """A crop with soft round corners, half-way to the background's grey level: day is not pasted into night."""
        candidates = [crops.pair(str(name)) for name in rng.choice(crops.names[kind], CHOICE)]
        rgb, thermal = max(candidates, key=lambda pair: pair[1].size)
        height, width = thermal.shape
        factor = np.clip(np.sqrt(self._light / max(float(rgb.mean()), 1.0)), 0.4, 1.5)
        rgb = np.clip(rgb * factor, 0, 255).astype(np.uint8)
        return Texture(rgb, thermal, soft_ellipse(width, height, 3.0 if height > 1.5 * width else 4.0))


class MadeProps:
    """A street or a yard with people and vehicles, made from nothing."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._config, self._kind = config, "person"

    def place(self, rng: np.random.Generator) -> Place:
        """To be drawn before the objects: what the target is decides how near the camera is."""
        config = self._config
        self._kind = str(rng.choice(list(SIZES), p=SHARES))
        pixels = config.target_size / SIZES[self._kind]
        return places.make_place(rng, pixels * places.WIDTH / config.width)

    def kind(self, rng: np.random.Generator) -> str:
        """What the target is, whatever the random numbers say: the place was made for it."""
        return self._kind

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Prop:
        """An object of a kind, or of any."""
        if kind is None:
            kind = self._other() if rng.random() < OTHERS else self._kind
        looks = figures.person(rng) if kind == "person" else (figures.vehicle(rng),)
        # A track's size is that of the silhouette, which fills a texture only in the widest step.
        box = np.mean([np.prod(np.ptp(look.outline, axis=0)) for look in looks])
        filled = np.sqrt(looks[0].width * looks[0].height / box)
        size = float(filled * np.clip(SIZES[kind] / SIZES[self._kind], *LIMITS))
        return Prop(looks, size, RUN if kind == "person" else 1.0, grounded=True)

    def passing(self, rng: np.random.Generator) -> Prop:
        """What passes in front of the target: cars before people, people before cars, and vans, that hide them."""
        if rng.random() < 0.5:
            return self.draw(rng, self._other())
        return Prop((figures.vehicle(rng, van=True),), min(VAN / SIZES[self._kind], HIDING), grounded=True)

    def cover(self, rng: np.random.Generator) -> Prop:
        """A van."""
        return Prop((figures.vehicle(rng, van=True),), grounded=True)

    def screen(self, rng: np.random.Generator) -> Prop:
        """Something that hides what is behind it and is of another kind than the target: a van, or boards."""
        return self.cover(rng) if self._kind == "person" else Prop((figures.board(rng),))

    def _other(self) -> str:
        return next(name for name in SIZES if name != self._kind)


def open_props(config: SimulatorConfig) -> RealProps | MadeProps:
    """What a sequence's settings ask for."""
    return RealProps(config) if config.pairs or config.crops else MadeProps(config)
