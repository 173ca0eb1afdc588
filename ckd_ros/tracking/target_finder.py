"""What the network shows in search windows, and which of it is the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ckd_ros.frames import Float32Array, Image
from ckd_ros.geometry import CropWindow, FloatArray, crop_window
from ckd_ros.tracking.decoding import Detection, decode, free_cells, freedom, middle, peaks
from ckd_ros.tracking.engine.spec import Engine, Maps
from ckd_ros.tracking.identity import Features, view_of
from ckd_ros.tracking.inference import Steps
from ckd_ros.tracking.target import Target


@dataclass(frozen=True)
class Sight:
    """What the network gives for a search window.

    Attributes:
        box: what the window was placed around.
        window, maps: the window, and the network's maps of it.
        features: of each camera; None of one that shows nothing, empty where the network gives none.
    """

    box: FloatArray
    window: CropWindow
    maps: Maps
    features: Features


class TargetFinder:
    """Asks the network, and chooses the target among what it shows.

    Attributes:
        taken: `(N, 4)` boxes in which other targets are: this one is looked for elsewhere, and what is found there all
            the same counts for little.
        inference_s: seconds in the network, until somebody sets it to 0.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.taken: FloatArray = np.zeros((0, 4))
        self.inference_s = 0.0

    def look(
        self,
        target: Target,
        rgb: Image | None,
        thermal: Image | None,
        box: FloatArray,
        size: int | None = None,
        without: FloatArray | None = None,
    ) -> Steps[Sight | None]:
        """What the network gives for the search window around a box; None without an image that shows it.

        `size`: pixels a side of the search crop, None: the network's `search_size`. `without`: a box that is blotted
        out.
        """
        if thermal is not None and not target.pair_geometry.shows(box):
            thermal = None
        if rgb is None and thermal is None:
            return None
        spec = self._engine.spec
        size = size or spec.search_size
        window = crop_window(box, spec.search_factor * size / spec.search_size, spec.stretched)
        maps, seconds = yield target.inputs.for_window(rgb, thermal, window, target.pair_geometry, size, without)
        self.inference_s += seconds
        shown = zip(maps.features, (rgb, thermal), strict=bool(maps.features))
        return Sight(box, window, maps, tuple(None if image is None else f for f, image in shown))

    def choose(
        self, target: Target, sight: Sight | None, prior: FloatArray | Float32Array | None = None
    ) -> Detection | None:
        """What of it is most likely the target. `prior`: `(G, G)` factors of the scores of a whole search window."""
        if sight is None:
            return None
        window, maps = sight.window, sight.maps
        if prior is not None:
            prior = middle(prior, maps.score.shape[0])
        if target.identity is not None:
            sizes = maps.size * np.array([window.width / sight.box[2], window.height / sight.box[3]])[:, None, None]
            factors = target.identity.factors(maps, sight.features, sizes / target.correction.growth[:, None, None])
            prior = factors if prior is None else prior * factors
        others = np.concatenate([self.taken, target.others])
        if len(others):
            factors = free_cells(maps, window, others)
            prior = factors if prior is None else prior * factors
        found = decode(maps.score, maps.size, maps.offset, window, prior)
        if found is None:
            return None
        corrected = target.correction.correct(found.box)
        view = view_of(corrected, window, sight.features) if sight.features else None
        return Detection(corrected, found.score * float(freedom(corrected, others)), view)

    def all_shown(self, target: Target, sight: Sight, least: float) -> FloatArray:
        """`(K, 4)` boxes of all that has a score of `least`, whatever it is, the highest first."""
        found = [target.correction.correct(box) for box in peaks(sight.maps, sight.window, least)]
        return np.array(found).reshape(-1, 4)
