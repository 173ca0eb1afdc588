"""What a calibration found, how far it can be trusted, and the file that the tracker reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.registration_check import seen_share

#: Registrations see at least this much of the colour image unless they say otherwise (`min_overlap`).
_USUAL_OVERLAP = 0.5
#: What is stated as the least, of what is seen: images of another size round otherwise.
_MARGIN = 0.8
#: Points across the image over which an error is taken.
_GRID = 9


@dataclass(frozen=True)
class Outcome:
    """A registration that was found.

    Attributes:
        settings: as `Registration.from_config` takes them.
        error: expected distance from the truth, root mean square over the image, thermal pixels; NaN: nothing is left
            to check it with.
        basis: what it was found from, for a person.
    """

    settings: Mapping[str, object]
    error: float
    basis: str

    @property
    def summary(self) -> str:
        """What was found, and how good it is, in a line for a person."""
        expected = f", expected error {self.error:.2f} thermal pixels" if np.isfinite(self.error) else ""
        return f"{self.settings['type']} from {self.basis}{expected}"

    @property
    def registration(self) -> Registration:
        return Registration.from_config(self.settings)


def outcome_of(settings: Mapping[str, object], sizes: tuple[Size, Size], error: float, basis: str) -> Outcome:
    """An outcome of settings that hold for images of these (width, height), colour and thermal.

    Where the thermal camera sees so little that the tracker would take the registration for wrong, `min_overlap` is
    stated too.
    """
    whole = {**settings, "rgb_size": sizes[0], "thermal_size": sizes[1]}
    share = seen_share(Registration.from_config(whole), *sizes)
    if share < _USUAL_OVERLAP / _MARGIN:
        whole["min_overlap"] = round(max(0.01, _MARGIN * share), 2)
    return Outcome(whole, error, basis)


def homography(matrix: FloatArray) -> dict[str, object]:
    """The settings of a 3x3 matrix from colour to thermal pixels."""
    return {"type": "homography", "matrix": (matrix / matrix[2, 2]).ravel().tolist()}


def expected_error(fit: Callable[[np.ndarray], FloatArray], groups: Sequence[int] | np.ndarray, size: Size) -> float:
    """How far what was fitted to all observations is from the truth, by how far it moves where some are left out.

    The jackknife: root mean square over an image of (width, height) `size`, in the pixels that `fit` gives.

    Args:
        fit: the 3x3 matrix for some of the observations, by `(N,)` whether each is taken.
        groups: `(N,)` a number for each observation; those that may err together have the same, and are left out
            together. Of one group alone nothing is known: infinite.
        size: of the image whose pixels `fit` takes.
    """
    groups = np.asarray(groups)
    known, points = np.unique(groups), geometry.grid(size, _GRID)
    if len(known) < 2:
        return np.inf
    mapped = np.array([geometry.transform_points(fit(groups != group), points) for group in known])
    squares = ((mapped - mapped.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1)
    return float(np.sqrt((len(known) - 1) / len(known) * squares.sum()))
