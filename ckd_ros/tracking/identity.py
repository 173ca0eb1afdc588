"""Whether what is found is the target, and not another object of its kind: for networks that give features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ckd_ros.frames import Float32Array
from ckd_ros.geometry import CropWindow, FloatArray, centre
from ckd_ros.tracking.engine.spec import Maps
from ckd_ros.tracking.target_classifier import TargetClassifier, View

_SIZE_SIGMA = 0.35  # of the log of a box's sides over those of the target: what grows at once is another object
_MEMORY = 0.15  # weight of a frame in the belief
_HALF_BELIEF, _BELIEF_WIDTH = 0.5, 0.07  # belief at which the confidence is halved, and how steeply

Features = tuple[Float32Array | None, ...]


class Identity:
    """The classifier of one target, and the belief that it is still the target that is followed.

    Args:
        views: of the first image, in `FIRST_WINDOWS`, the unmoved one first.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._known = [features is not None for features in views[0].features]
        self._classifier = TargetClassifier([self._view(view) for view in views])
        self._usual: float | None = None
        self._belief = 1.0

    def factors(self, maps: Maps, features: Features, sizes: FloatArray) -> FloatArray:
        """`(G, G)` factors of the scores: how much each cell's box has the target's size and looks like it.

        `sizes` `(2, G, G)`: width and height of the cells' boxes over the target's.
        """
        size: FloatArray = np.exp(-(np.log(np.maximum(sizes, 1e-6)) ** 2).sum(0) / (2 * _SIZE_SIGMA**2))
        if not self._sees(features):
            return size
        axis = np.arange(maps.score.shape[0], dtype=float)
        x, y = np.meshgrid(axis, axis)
        likeness = self._classifier.respond(self._of(features), x + maps.offset[0], y + maps.offset[1])
        factors: FloatArray = size * np.sqrt(np.clip(likeness, 0.01, 1.0))
        return factors

    def likeness(self, view: View) -> float:
        """How much what a view has found looks like the target in the first image, 1: as much as usual."""
        if not self._sees(view.features):
            return 1.0
        similarity = max(self._classifier.similarity(self._of(view.features), view.centre), 0.01)
        if self._usual is None:
            self._usual = similarity
        return min(1.0, similarity / self._usual)

    def follow(self, view: View, score: float) -> float:
        """The confidence, [0, 1], that what a view has found is the target, from which it learns as far as believed."""
        self._belief += _MEMORY * (self.likeness(view) - self._belief)
        if all(features is not None for features, known in zip(view.features, self._known, strict=True) if known):
            self._classifier.learn(self._view(view), score * self._belief)
        return score * _trust(self._belief)

    def recognise(self, view: View, score: float) -> float:
        """The confidence that a find of the search for a lost target is it."""
        return score * _trust(self.likeness(view))

    def restart(self) -> None:
        """The target has been found again."""
        self._belief = 1.0

    def _sees(self, features: Features | Sequence[Float32Array | None]) -> bool:
        return any(f is not None for f in self._of(features))

    def _of(self, features: Sequence[Float32Array | None]) -> list[Float32Array | None]:
        return [f for f, known in zip(features, self._known, strict=True) if known]

    def _view(self, view: View) -> View:
        return View(self._of(view.features), view.centre, view.size)


def view_of(box: FloatArray, window: CropWindow, features: Sequence[Float32Array | None]) -> View:
    """A box `(x, y, w, h)` in image pixels, in the cells of a search window's features."""
    cells = next(f.shape[-1] for f in features if f is not None)
    fractions = window.to_fraction(box)
    return View(features, centre(fractions) * cells, fractions[2:] * cells)


def _trust(belief: float) -> float:
    return float(1 / (1 + np.exp(-(belief - _HALF_BELIEF) / _BELIEF_WIDTH)))
