"""How somebody goes: in which phase of a stride they are, and whether they look to the left or to the right."""

from __future__ import annotations

import numpy as np

STRIDE = 0.85  # of their height, that somebody goes with two steps
SMOOTHED = 0.5  # seconds: a shaking camera does not make anybody walk
FASTEST = 1.3  # strides a second: who is faster makes longer ones
SLOW = 0.15  # of their height a second: somebody slower stands, and does not turn


class Gait:
    """Of one object.

    Args:
        clock: `(N,)` moments in seconds.
        track: `N x 5`, its centre, size and angle at these moments in image pixels.
        views: `N x 3 x 3`, from the ground to image pixels: it walks on the ground, whatever the camera does.
        number: which of the objects it is: no two go in step.
    """

    def __init__(self, clock: np.ndarray, track: np.ndarray, views: np.ndarray, number: int) -> None:
        places = np.column_stack([track[:, :2], np.ones(len(track))])
        ground = (np.linalg.inv(views) @ places[..., None])[:, :2, 0]
        step, scale = float(clock[1] - clock[0]), np.sqrt(np.abs(np.linalg.det(views[:, :2, :2])))
        reach = max(1, round(SMOOTHED / step / 2))
        kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
        padded = np.pad(ground, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
        smooth = np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
        speed = np.gradient(smooth, step, axis=0) * (scale / track[:, 3])[:, None]  # heights a second
        moving = np.linalg.norm(speed, axis=1)
        strides = np.minimum(moving / STRIDE, FASTEST)
        self._phase = 0.3 * number + step * np.cumsum(np.where(moving > SLOW, strides, 0.0))
        # Who goes up or down keeps the side to which they looked.
        sideways = np.where(np.abs(speed[:, 0]) > SLOW, np.sign(speed[:, 0]), 0.0)
        known = np.flatnonzero(sideways)
        latest = np.searchsorted(known, np.arange(len(clock)), side="right") - 1
        self._heading = sideways[known[np.maximum(latest, 0)]] if len(known) else np.ones(len(clock))

    def at(self, position: float) -> tuple[float, float]:
        """The phase, in strides, and -1 or 1 for left or right, at a place among the moments."""
        index = round(position)
        return float(self._phase[index]), float(self._heading[index])
