"""A run that a person can watch and take a hand in: where the target is, in the first frame or in a later one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ckd_ros.datasets.sequence import Sequence
from ckd_ros.evaluation.window import DrawnBox, Window
from ckd_ros.frames import FramePair
from ckd_ros.tracking import Registration, Tracker, TrackResult

#: What a command line says in place of a box for one that is to be drawn.
BY_MOUSE = "mouse"


def parse_box(text: str) -> np.ndarray:
    """`x,y,w,h` as `(4,)` floats. Raises ValueError for anything else, or a box without area."""
    try:
        box = np.array([float(value) for value in text.split(",")])
    except ValueError:
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > 0).all():
        raise ValueError(f"box '{text}' is not possible: expected x,y,w,h in pixels, w and h positive")
    return box


def start_box(sequence: Sequence, init: str | None, registration: Registration, window: Window | None) -> DrawnBox:
    """Where the target is in the first frame: `init`, else what the sequence says, else what a person draws.

    `init` is `x,y,w,h` or `mouse`. It is drawn in `window`, or in one that is opened only for that.
    Raises ValueError for a box that is none, and where one would have to be drawn and cannot be; KeyboardInterrupt
    if the person draws none.
    """
    if init is not None and init != BY_MOUSE:
        return DrawnBox(parse_box(init))
    if init is None and sequence.init_box is not None:
        return DrawnBox(sequence.init_box)
    first = sequence.pair(0)
    if window is not None:
        drawn = window.ask_box(first)
    else:
        try:
            with Window(sequence.name, sequence.rate, registration) as brief:
                drawn = brief.ask_box(first)
        except (ValueError, ModuleNotFoundError) as error:
            asked = "--init mouse" if init else f"'{sequence.name}' does not say where the target is in its first frame"
            raise ValueError(f"{asked}: give --init x,y,w,h ({error})") from error
    if drawn is None:
        raise KeyboardInterrupt("no box was drawn: nothing was tracked")
    return drawn


def follow_live(
    tracker: Tracker, sequence: Sequence, start: DrawnBox, window: Window | None
) -> Iterator[tuple[FramePair, TrackResult]]:
    """Every pair of a sequence with the tracker's answer, as it is shown in `window`.

    Where the person draws a new box on a frame, the tracker starts anew there. The run ends after the frame in which
    the person ends it.
    """
    for number, pair in enumerate(sequence.frames()):
        result = tracker.init(pair, start.box, start.drawn_in) if number == 0 else tracker.update(pair)
        drawn = _shown(window, sequence, number, pair, result)
        while drawn is not None:
            result = tracker.init(pair, drawn.box, drawn.drawn_in)
            drawn = _shown(window, sequence, number, pair, result)
        yield pair, result
        if window is not None and window.ended:
            return


def _shown(
    window: Window | None, sequence: Sequence, number: int, pair: FramePair, result: TrackResult
) -> DrawnBox | None:
    if window is None:
        return None
    truth, thermal_truth = sequence.truth(number)
    return window.show(pair, result, truth, f"frame {number}", thermal_truth)
