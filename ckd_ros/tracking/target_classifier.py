"""Which of the objects in sight is the target: learned from the network's features while it is followed.

A Siamese network scores every object of the target's kind highly. What tells this one from those around it is learned
on the spot, as in discriminative correlation filters (Henriques et al., TPAMI 2015) and online classifiers (Danelljan
et al., CVPR 2019): ridge regression from features to a Gaussian at the target, against all that surrounds it. It is
solved in closed form from sums that forget slowly; those of the first image keep a fixed share, so that the classifier
cannot drift to another object altogether.

Shapes: `m` cameras, `C` channels, `g` cells a side. Positions and sizes are in cells of the search region, `(x, y)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ckd_ros.frames import Float32Array
from ckd_ros.geometry import FloatArray

_WIDTH = 32  # principal components of each camera's features
_RATE = 0.03  # of forgetting, a frame
_ANCHOR = 0.5  # share of the first image
_RIDGE = 0.02  # regularisation, as a share of the features' mean energy
_SIGMA = 0.25  # of the Gaussian, in sides of the box
_POSITIVE = 4.0  # weight of the cells on the target
_PATCH = 3  # cells a side of the patch that is compared with the first image's


@dataclass(frozen=True)
class View:
    """Features of a search region in which the target is known.

    Attributes:
        features: of each camera `(C, g, g)`, None of one that shows nothing now.
        centre, size: `(2,)` of the target.
    """

    features: Sequence[Float32Array | None]
    centre: FloatArray
    size: FloatArray


class TargetClassifier:
    """Learned from views of the first image, and from one frame after another."""

    def __init__(self, views: Sequence[View]):
        cameras = list(zip(*(view.features for view in views), strict=True))
        per_camera = [
            np.concatenate([_columns(features) for features in camera if features is not None]) for camera in cameras
        ]
        self._means = [features.mean(0) for features in per_camera]
        self._bases = [_principal(f - mean) for f, mean in zip(per_camera, self._means, strict=True)]
        width = 1 + sum(basis.shape[1] for basis in self._bases)
        self._products, self._targets = np.zeros((width, width)), np.zeros(width)
        for number, view in enumerate(views, start=1):
            self._add(view, 1 / number)
        self._first = self._products.copy(), self._targets.copy()
        self._solve()
        first = zip(views[0].features, self._means, strict=True)
        self._patches = [
            self._patch(features, mean, views[0].centre) for features, mean in first if features is not None
        ]

    def respond(self, features: Sequence[Float32Array | None], x: FloatArray, y: FloatArray) -> FloatArray:
        """How much what is at positions `x`, `y` (any shape) looks like the target, about 0 to 1."""
        cells = _cells(features)
        return _bilinear((self._projected(features) @ self._weights).reshape(cells, cells), x, y)

    def learn(self, view: View, weight: float) -> None:
        """Take a frame into account; `weight`, from 0 to 1, is how sure the view is of the target."""
        self._add(view, _RATE * weight)
        self._solve()

    def similarity(self, features: Sequence[Float32Array | None], centre: FloatArray) -> float:
        """Cosine of the features around a position and around the target in the first image, mean over cameras."""
        cameras = zip(features, self._means, self._patches, strict=True)
        cosines = [_cosine(self._patch(f, mean, centre), first) for f, mean, first in cameras if f is not None]
        return float(np.mean(cosines))

    def _patch(self, features: Float32Array, mean: FloatArray, centre: FloatArray) -> FloatArray:
        steps = np.arange(_PATCH) - _PATCH // 2
        x, y = np.meshgrid(centre[0] + steps, centre[1] + steps)
        return _bilinear(features, x, y) - mean[:, None, None]

    def _projected(self, features: Sequence[Float32Array | None]) -> FloatArray:
        """(g * g, components and a constant); a camera that shows nothing counts as its mean."""
        count = _cells(features) ** 2
        parts = zip(features, self._means, self._bases, strict=True)
        columns = [
            np.zeros((count, basis.shape[1])) if camera is None else (_columns(camera) - mean) @ basis
            for camera, mean, basis in parts
        ]
        return np.concatenate([*columns, np.ones((count, 1))], axis=1)

    def _add(self, view: View, rate: float) -> None:
        sigma = np.maximum(_SIGMA * view.size, 0.6)
        axis = np.arange(_cells(view.features))
        dx, dy = ((axis - c) / s for c, s in zip(view.centre, sigma, strict=True))
        label = np.exp(-(dx[None] ** 2 + dy[:, None] ** 2) / 2).ravel()
        weight = np.where(label > 0.3, _POSITIVE, 1.0)
        x = self._projected(view.features)
        weighted = x * (weight / weight.sum())[:, None]
        self._products += rate * (weighted.T @ x - self._products)
        self._targets += rate * (weighted.T @ label - self._targets)

    def _solve(self) -> None:
        now = self._products, self._targets
        products, targets = (_ANCHOR * first + (1 - _ANCHOR) * new for first, new in zip(self._first, now, strict=True))
        ridge = _RIDGE * np.trace(products) / len(targets)
        self._weights = np.linalg.solve(products + ridge * np.eye(len(targets)), targets)


def _cells(features: Sequence[Float32Array | None]) -> int:
    """g of those of a camera that shows something."""
    return next(len(f[0]) for f in features if f is not None)


def _columns(features: Float32Array) -> FloatArray:
    """(C, g, g) -> (g * g, C)."""
    columns: FloatArray = features.reshape(len(features), -1).T.astype(float)
    return columns


def _principal(centred: FloatArray) -> FloatArray:
    """(n, C) -> basis (C, at most `_WIDTH`) of the directions of most variance, scaled to components of about 1."""
    basis = np.linalg.eigh(centred.T @ centred / len(centred))[1][:, -_WIDTH:]
    scaled: FloatArray = basis / ((centred @ basis).std() + 1e-9)
    return scaled


def _bilinear(grid: Float32Array | FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Values of (..., g, g) at positions of any shape `s`, (..., s); beyond the edge those of the edge."""
    x, y = (np.clip(v, 0, grid.shape[-1] - 1.001) for v in (x, y))
    i, j = x.astype(int), y.astype(int)
    a, b = x - i, y - j
    above = grid[..., j, i] * (1 - a) + grid[..., j, i + 1] * a
    below = grid[..., j + 1, i] * (1 - a) + grid[..., j + 1, i + 1] * a
    value: FloatArray = above * (1 - b) + below * b
    return value


def _cosine(a: FloatArray, b: FloatArray) -> float:
    return float((a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + 1e-9))
