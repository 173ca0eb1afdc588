"""How the target looks in each camera, so that a doubtful find which looks otherwise counts for little.

What the network takes for the target when that hides is what hides it, or another one of its kind. Its colours,
brightness and warmth are learned as long as it is seen for certain: histograms in three stripes, one above the other,
as of a person's clothes. How much alike its own images are from moment to moment, in boxes that are somewhat off as
those of doubtful finds are, is learned with them: a target whose looks change all the time may look otherwise than one
that never does. What changes in one camera alone, by light or smoke, changes nothing, nor where there is but one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ckd_ros.frames import Float32Array
from ckd_ros.geometry import FloatArray

#: Pixels a side of what is looked at of a box, and those left out at the left and the right, where background is.
PATCH, _SIDE = 24, 3
_STRIPES = 3
#: Bins of a and of b of CIELAB, of the square roots of their sizes, as of most things both are small; bins of grey.
_COLOURS, _MOST_COLOUR, _GREYS = 14, 9.0, 16
#: Standard deviation by which the counts are smoothed, in bins.
_BLUR = 0.8
#: Weight of an image in the mean histogram and in how much alike they usually are, and the least deviation of that.
_MEMORY, _MEMORY_OF_USUAL, _LEAST_DEVIATION = 0.05, 0.1, 0.02
#: Every how manyth image in which the target is seen for certain is learned, and from how many on it is known.
_LEARN_EVERY, _ENOUGH = 3, 5
#: How far the box is off in which it is seen how alike its images are, in its sides, and to where, by turns.
_OFF, _AROUND = 0.12, np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
#: By how many deviations a find may be less alike than usual; and how little it counts beyond, as a power of that.
_UNUSUAL, _DECLINE = 2.0, 4.0
#: Frames of `Whereabouts` after which a target that was not seen for certain may look like anything, as the light may
#: have changed, or it has turned.
_FORGOTTEN = 90.0


@dataclass
class _Cue:
    """One kind of histogram: its running mean, and the cosine that those of the target usually have with that."""

    mean: Float32Array
    images: int = 1
    usual: float = 0.0
    variance: float = 0.0

    def learn(self, histogram: Float32Array, beside: Float32Array) -> None:
        """`beside`: that of a box that is somewhat off, as those of doubtful finds are."""
        off = self._alike(beside) - self.usual
        rate = max(_MEMORY_OF_USUAL, 1 / self.images)
        self.usual += rate * off
        self.variance = (1 - rate) * (self.variance + rate * off**2)
        self.images += 1
        self.mean = self.mean + max(_MEMORY, 1 / self.images) * (histogram - self.mean)

    def unlikeness(self, histogram: Float32Array) -> float:
        """By how many deviations less alike than usual."""
        return (self.usual - self._alike(histogram)) / max(math.sqrt(self.variance), _LEAST_DEVIATION)

    def _alike(self, histogram: Float32Array) -> float:
        return float(histogram @ self.mean / np.linalg.norm(self.mean))


class Appearance:
    """Of one target. Patches are what the cameras, `rgb` and `tir`, show in its box: `(3, PATCH, PATCH)`, in [0, 1]."""

    def __init__(self) -> None:
        self._cues: dict[str, dict[str, _Cue]] = {}
        self._sightings = 0
        self._age = 0.0  # time since the target was seen for certain

    def go_on(self, frames: float) -> None:
        """The next pair has come, so many frames of `Whereabouts` after the one before."""
        self._age += frames

    def next_off(self) -> FloatArray | None:
        """`(2,)` by how many of its sides the second box of `learn` is to be off; None where it is not to be learned.

        Asked each time that the target is seen for certain.
        """
        often, rest = divmod(self._sightings, _LEARN_EVERY)
        self._sightings, self._age = self._sightings + 1, 0.0
        return None if rest else _OFF * _AROUND[often % len(_AROUND)]

    def learn(self, patches: Mapping[str, Float32Array], beside: Mapping[str, Float32Array]) -> None:
        """The target is seen for certain; `beside`: what is in a box that is off by `next_off`."""
        for camera in [camera for camera in patches if camera in beside]:
            cues, off = self._cues.setdefault(camera, {}), _histograms(camera, beside[camera])
            for name, histogram in _histograms(camera, patches[camera]).items():
                if name not in cues:
                    cues[name] = _Cue(histogram)
                elif name in off:
                    cues[name].learn(histogram, off[name])

    def forget(self, cameras: Collection[str]) -> None:
        """These show everything otherwise from now on."""
        for camera in cameras:
            self._cues.pop(camera, None)

    def counts(self, patches: Mapping[str, Float32Array]) -> float:
        """How much a find counts that looks so, [0, 1]; 1 where nothing is known."""
        off = self._unlikeness(patches)
        decline = _DECLINE * max(0.0, 1 - self._age / _FORGOTTEN)
        return 1.0 if off <= _UNUSUAL else float((_UNUSUAL / off) ** decline)

    def _unlikeness(self, patches: Mapping[str, Float32Array]) -> float:
        """In the camera that shows the find more like the target, the mean over its cues; 0 unless both are known."""
        of_cameras = []
        for camera, patch in patches.items():
            known = {name: cue for name, cue in self._cues.get(camera, {}).items() if cue.images >= _ENOUGH}
            histograms = _histograms(camera, patch) if known else {}
            found = [cue.unlikeness(histograms[name]) for name, cue in known.items() if name in histograms]
            if found:
                of_cameras.append(float(np.mean(found)))
        return min(of_cameras) if len(of_cameras) == 2 else 0.0


def _histograms(camera: str, patch: Float32Array) -> dict[str, Float32Array]:
    """By name; square roots, so that their products are Bhattacharyya coefficients."""
    if camera == "tir":
        return {"warmth": _histogram(patch[0, ..., None], _GREYS, (0.0, 1.0))}
    rgb = np.ascontiguousarray(patch.transpose(1, 2, 0))
    lab = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), np.float32)
    found = {"brightness": _histogram(lab[..., :1], _GREYS, (0.0, 100.0))}
    if not np.array_equal(patch[0], patch[1]) or not np.array_equal(patch[0], patch[2]):  # not that of a grey camera
        roots = np.sign(lab[..., 1:]) * np.sqrt(np.abs(lab[..., 1:]))
        found["colour"] = _histogram(roots, _COLOURS, (-_MOST_COLOUR, _MOST_COLOUR))
    return found


def _histogram(values: Float32Array, bins: int, limits: tuple[float, float]) -> Float32Array:
    """Of `(PATCH, PATCH, 1)` or `2` values, over so many bins each; what is beyond the limits is in the last ones."""
    inside = np.clip(values[:, _SIDE:-_SIDE], limits[0], np.nextafter(np.float32(limits[1]), np.float32(0)))
    channels = values.shape[-1]
    kernel = (2 * channels - 1, 3)
    smooth = []
    for stripe in np.split(inside, _STRIPES):
        counts = cv2.calcHist([stripe], range(channels), None, [bins] * channels, limits * channels)
        smooth.append(cv2.GaussianBlur(counts, kernel, _BLUR).ravel())
    found: Float32Array = np.sqrt(np.concatenate(smooth) / np.sum(smooth))
    return found
