"""Where the background and the objects of a simulated sequence come from."""

from __future__ import annotations

import numpy as np

from ckd_ros.datasets.crop_archive import CropArchive
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.simulator_config import SimulatorConfig
from ckd_ros.datasets.textures import dead_leaves, make_target, soft_ellipse

CHOICE = 6  # crops of which the largest is taken: many are small


class Props:
    """Real pairs, crops of people and cars, or made from nothing, as the settings say.

    A world does not keep it: sequences are sent to processes. Raises what `PairLibrary` and `CropArchive` do.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._library = PairLibrary(config.pairs, config.subset) if config.pairs else None
        self._crops = CropArchive(config.crops, config.subset) if config.crops else None

    def background(self, rng: np.random.Generator) -> Texture:
        """To be drawn before the objects, which take its light."""
        if self._library is None:
            texture = Texture(*dead_leaves(rng, 800, 640, 220))
        else:
            texture = self._library.background(int(rng.integers(len(self._library))))
        self._light = float(texture.rgb[0].mean())
        return texture

    def kind(self, rng: np.random.Generator) -> str | None:
        """A random class, each as likely as it has crops; None where there are no classes."""
        if self._crops is None:
            return None
        counts = np.array([len(names) for names in self._crops.names.values()])
        return list(self._crops.names)[int(rng.choice(len(counts), p=counts / counts.sum()))]

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Texture:
        """An object of a class, or of any."""
        if self._crops is not None:
            return self._cutout(self._crops, rng, kind or self.kind(rng) or "")
        if self._library is not None:
            return self._library.cutout(rng)
        aspect = float(np.exp(rng.normal(0, 0.25)))
        return Texture(*make_target(rng, round(96 * aspect), round(96 / aspect)))

    def _cutout(self, crops: CropArchive, rng: np.random.Generator, kind: str) -> Texture:
        """A crop with soft round corners, half-way to the background's grey level: day is not pasted into night."""
        candidates = [crops.pair(str(name)) for name in rng.choice(crops.names[kind], CHOICE)]
        rgb, thermal = max(candidates, key=lambda pair: pair[1].size)
        height, width = thermal.shape
        factor = np.clip(np.sqrt(self._light / max(float(rgb.mean()), 1.0)), 0.4, 1.5)
        rgb = np.clip(rgb * factor, 0, 255).astype(np.uint8)
        return Texture(rgb, thermal, soft_ellipse(width, height, 3.0 if height > 1.5 * width else 4.0))
