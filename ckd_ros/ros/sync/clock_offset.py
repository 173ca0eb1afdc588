"""By how much the stamps of one camera are ahead of the other's, from the motion that both images show.

The motion of each stream is measured from image to image (`image_motion`), at its own moments and rate, and brought to
common ones. Where the two are shifted against each other by the offset of their stamps, they correlate best. What is
slow is left out: it correlates nearly as well a little off, so that what only one camera sees moves the peak. What is
quick is left out too: a slow camera does not see it, and noise that is averaged draws the peak between two images.
What the parts of an image have in common, as of a camera that turns, both cameras see alike, and it counts for more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ckd_ros.frames import Image
from ckd_ros.geometry import FloatArray
from ckd_ros.ros.sync.image_motion import ImageMotion, Motion
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame

#: Seconds of motion that are compared, the least for an estimate, and between two estimates.
WINDOW, LEAST, PERIOD = 10.0, 5.0, 1.0
#: Largest offset that is looked for, beside that taken off already, seconds.
REACH = 0.6
#: An estimate less certain than this is none, seconds.
CERTAIN = 0.02
#: Without an image for this long a stream begins anew, and so it does if its stamps go back by so much, seconds.
_GAP = 1.0
#: Between the common moments, seconds, and standard deviations of what is left out, quick and slow, in steps of those.
_STEP, _QUICK, _SLOW = 0.02, 2.5, 10.0
#: How many times as much the motion that all parts of an image share counts as what each has beside it.
_SHARED = 8.0
#: Standard deviation, in periods, up to which stamps are those of a regular camera, which jitter.
_JITTER = 0.2
#: Least correlation at the peak, and the largest beside it as a part of that: else chance, or a motion that repeats.
_CORRELATED, _BESIDE = 0.4, 0.85
#: Parts of the window that are left out in turn, to see how much the estimate depends on them.
_PARTS = 6
#: Motion of more than so many times the median is cut off: a shutter, a jump of the gain, another scene.
_OUTLIER = 5.0

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class OffsetEstimate:
    """An offset as it was measured.

    Attributes:
        offset: by how much thermal stamps are ahead of colour stamps, seconds.
        uncertainty: its standard deviation, seconds.
    """

    offset: float
    uncertainty: float

    def __str__(self) -> str:
        return f"{1e3 * self.offset:+.0f} ms (standard deviation {1e3 * self.uncertainty:.0f} ms)"


class OffsetEstimator:
    """Estimates the offset while images come. Not thread-safe.

    Attributes:
        newest: the newest estimate; None where there is none.
        why_none: why there is none; empty where there is one.
    """

    def __init__(self) -> None:
        self.newest: OffsetEstimate | None = None
        self.why_none = "too few images yet"
        self._streams = {RGB: _MotionOfStream(), THERMAL: _MotionOfStream()}
        self._due = -np.inf

    def see(self, frame: CameraFrame, image: Image) -> bool:
        """Take the next image of a stream into account. Returns whether there is a new answer, once in PERIOD."""
        self._streams[frame.stream].add(frame, image)
        if frame.stream != THERMAL or frame.arrival < self._due:
            return False
        self._due = frame.arrival + PERIOD * 1e9
        try:
            self.newest, self.why_none = self._estimate(frame.offset / 1e9), ""
        except _NoEstimate as reason:
            self.newest, self.why_none = None, str(reason)
        return True

    def _estimate(self, known: float) -> OffsetEstimate:
        """The offset, from what is kept of the streams. Raises _NoEstimate."""
        times, way = self._streams[RGB].path(0.0)
        thermal_times, thermal_way = self._streams[THERMAL].path(known)
        begin, end = max(times[0], thermal_times[0]), min(times[-1], thermal_times[-1])
        if end - begin < LEAST:
            raise _NoEstimate(f"less than {LEAST:g} s of images of both cameras yet")
        common = np.arange(begin, end, _STEP)
        colour, warmth = _motion_at(common, times, way), _motion_at(common, thermal_times, thermal_way)
        reach = round(REACH / _STEP)
        products = _Products.of(colour, warmth, reach)
        values = products.correlations()
        best = int(np.argmax(values))
        peak, beside = float(values[best]), _beside(values, best)
        if peak < _CORRELATED:
            raise _NoEstimate(f"the images of the two cameras do not move, or not alike (correlation {peak:.2f})")
        if best in (0, len(values) - 1) or beside > _BESIDE * peak:
            raise _NoEstimate(f"the motion fits several offsets (correlations {peak:.2f} and {beside:.2f})")
        places = np.array([_top(products.correlations(without=part), best) for part in range(_PARTS)])
        deviation = _STEP * float(np.sqrt((_PARTS - 1) * places.var()))  # the jackknife's
        if deviation > CERTAIN:
            raise _NoEstimate(f"it is too uncertain (standard deviation {1e3 * deviation:.0f} ms)")
        return OffsetEstimate(known + _STEP * (_top(values, best) - reach), deviation)


class _NoEstimate(Exception):
    """Why there is no estimate, for a person."""


class _MotionOfStream:
    """The way of the images of one stream over the last WINDOW."""

    def __init__(self) -> None:
        self._motion = ImageMotion()
        self._arrival = 0
        self._points: deque[tuple[int, Motion | None]] = deque()

    def add(self, frame: CameraFrame, image: Image) -> None:
        if frame.arrival <= self._arrival:  # one of the past, where a target was started
            return
        self._arrival, points = frame.arrival, self._points
        if points and abs(frame.stamp - points[-1][0]) > _GAP * 1e9:
            points.clear()
        motion = self._motion.of(image)
        if not points or (motion is not None and frame.stamp > points[-1][0]):
            points.append((frame.stamp, motion))
        while frame.stamp - points[0][0] > WINDOW * 1e9:
            points.popleft()

    def path(self, ahead: float) -> tuple[FloatArray, Complex]:
        """`(N,)` seconds, less those by which the stamps are ahead, and `(N, 12)` the way since the first.

        The stamps of a regular camera are brought to its beat: what they jitter says nothing.

        Raises _NoEstimate where that is not long enough.
        """
        times = np.array([stamp - round(1e9 * ahead) for stamp, _ in self._points], np.int64) / 1e9
        if len(times) < 3 or times[-1] - times[0] < LEAST:
            raise _NoEstimate(f"less than {LEAST:g} s of images of both cameras yet")
        steps = np.array([motion for _, motion in list(self._points)[1:]])
        sizes = np.linalg.norm(steps, axis=1)
        steps *= np.minimum(1.0, _OUTLIER * np.median(sizes) / np.maximum(sizes, 1e-12))[:, None]
        return _on_beat(times), np.concatenate([np.zeros((1, steps.shape[1]), complex), np.cumsum(steps, axis=0)])


def _on_beat(times: FloatArray) -> FloatArray:
    """The moments of a camera whose images come regularly, some of them lost; `times` where they do not."""
    steps = np.diff(times)
    period = float(np.median(steps))
    beats = np.cumsum([0.0, *np.maximum(1.0, np.round(steps / period))])
    regular = times[0] + np.polyval(np.polyfit(beats, times - times[0], 1), beats)
    return regular if (times - regular).std() < _JITTER * period else times


def _motion_at(common: FloatArray, times: FloatArray, way: Complex) -> Complex:
    """`(T, 13)` motion at common moments, without what is too quick and too slow: that which all parts share, and what
    each has beside it."""
    after = np.clip(np.searchsorted(times, common), 1, len(times) - 1)
    part = ((common - times[after - 1]) / (times[after] - times[after - 1]))[:, None]
    steps = np.diff((1 - part) * way[after - 1] + part * way[after], axis=0)
    columns = np.concatenate([steps.real, steps.imag], axis=1)
    quick, slow = (cv2.GaussianBlur(columns, (1, 0), 1e-9, sigmaY=sigma) for sigma in (_QUICK, _SLOW))
    real, imaginary = np.split(quick - slow, 2, axis=1)
    motion = real + 1j * imaginary
    shared = motion.mean(axis=1, keepdims=True)
    return np.concatenate([_SHARED * shared, motion - shared], axis=1)


@dataclass(frozen=True)
class _Products:
    """What a correlation is made of, by part of the time: products `(L, P)`, and the powers `(P,)` and `(L, P)`."""

    together: Complex
    one: FloatArray
    other: FloatArray

    @staticmethod
    def of(one: Complex, other: Complex, reach: int) -> _Products:
        """Of two `(N, 13)` motions, the second up to `reach` steps before (the first lag) and after the first one."""
        count, lags = len(one) - 2 * reach, range(2 * reach + 1)
        borders = np.arange(_PARTS) * count // _PARTS
        middle, powers = np.conj(one[reach : reach + count]), (np.abs(other) ** 2).sum(axis=1)
        together = np.array([np.einsum("tc,tc->t", middle, other[lag : lag + count]) for lag in lags])
        others = np.array([powers[lag : lag + count] for lag in lags])
        return _Products(
            np.add.reduceat(together, borders, axis=1),
            np.add.reduceat((np.abs(middle) ** 2).sum(axis=1), borders),
            np.add.reduceat(others, borders, axis=1),
        )

    def correlations(self, without: int | None = None) -> FloatArray:
        """`(L,)` correlations, [0, 1], over all the time or without one of _PARTS parts of it."""
        kept = np.arange(_PARTS) != (-1 if without is None else without)
        scale = np.sqrt(self.one[kept].sum() * self.other[:, kept].sum(axis=1))
        values: FloatArray = np.abs(self.together[:, kept].sum(axis=1)) / np.maximum(scale, 1e-12)
        return values


def _beside(values: FloatArray, best: int) -> float:
    """The largest value beyond the slopes of a peak."""
    left = right = best
    while left > 0 and values[left - 1] < values[left]:
        left -= 1
    while right < len(values) - 1 and values[right + 1] < values[right]:
        right += 1
    return float(np.concatenate([values[:left], values[right + 1 :]]).max(initial=0.0))


def _top(values: FloatArray, near: int) -> float:
    """Index, with its fraction, of the top of the peak that an index lies on."""
    while 0 < near < len(values) - 1 and max(values[near - 1], values[near + 1]) > values[near]:
        near += 1 if values[near + 1] > values[near - 1] else -1
    near = int(np.clip(near, 1, len(values) - 2))
    before, at, after = values[near - 1 : near + 2]
    bend = before - 2 * at + after
    return near + (0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0)))
