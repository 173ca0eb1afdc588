"""A run that a person can watch, and correct by drawing a box around the target in the first or a later frame."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.app.live_window import DrawnBox, LiveWindow
from ckd_ros.datasets.boxes import parse_box, write_boxes
from ckd_ros.datasets.sequence import FrameSequence, readable
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair
from ckd_ros.tracking import Registration, Tracker, TrackResult
from ckd_ros.tracking.thermal_content import thermal_faults
from ckd_ros.tracking.video import AnnotatedVideo

#: Instead of a box on the command line: it is to be drawn.
BY_MOUSE = "mouse"


def start_box(
    sequence: FrameSequence, init: str | None, registration: Registration, window: LiveWindow | None
) -> DrawnBox:
    """Where the target is in the first frame: `init`, else what the sequence says, else what a person draws.

    `init` is `x,y,w,h` or `mouse`. It is drawn in `window`, or in one that is opened only for that.
    Raises ValueError for an impossible box, and where one would have to be drawn and cannot be; KeyboardInterrupt
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
            with LiveWindow(sequence.name, sequence.rate, registration) as box_window:
                drawn = box_window.ask_box(first)
        except (ValueError, ModuleNotFoundError) as error:
            cause = "--init mouse" if init else f"'{sequence.name}' does not say where the target is in its first frame"
            raise ValueError(f"{cause}: give --init x,y,w,h ({error})") from error
    if drawn is None:
        raise KeyboardInterrupt("no box was drawn: nothing was tracked")
    return drawn


class LiveRun:
    """A tracker on a sequence, shown in a window and written as an annotated video where that is asked for.

    Args:
        registration: the tracker's.
        init: see `start_box`.
        show: whether to open a window. Entering raises what `LiveWindow` raises, and `start_box`.
        video: a file to write, or None; it appears, whole, when the context ends without an error.

    `faults` names the frames so far that could not be read, and what is wrong with the registration or with the content
    of the thermal images.
    """

    def __init__(
        self,
        tracker: Tracker,
        sequence: FrameSequence,
        registration: Registration,
        init: str | None = None,
        show: bool = False,
        video: Path | None = None,
    ) -> None:
        self._tracker, self._sequence, self._registration, self._init = tracker, sequence, registration, init
        self._window = LiveWindow(sequence.name, sequence.rate, registration) if show else None
        self._video = (
            None if video is None else AnnotatedVideo(video, sequence.rate, registration, modality=sequence.modality)
        )
        self.faults: list[str] = []

    def __enter__(self) -> LiveRun:
        with ExitStack() as stack:
            if self._window is not None:
                try:
                    stack.enter_context(self._window)
                except ValueError as error:
                    raise ValueError(f"--show: {error}; --video FILE keeps what it would show") from error
            self._start = start_box(self._sequence, self._init, self._registration, self._window)
            if self._video is not None:
                stack.enter_context(self._video)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def ended(self) -> bool:
        """Whether the person has ended the run in the window."""
        return self._window is not None and self._window.ended

    def results(self) -> Iterator[TrackResult]:
        """The tracker's result for every pair, up to the one in which the person ends the run.

        Frames that cannot be read are not given to it: its last box stands, without a confidence and a time (NaN).
        Raises ValueError if the first frame cannot be read, or if the registration cannot be right for it.
        """
        run = track_live(self._tracker, self._sequence, self._start, self._window)
        problems: set[str] = set()
        for number, (pair, result, fault) in enumerate(run):
            if number == 0 and "registration" in result.problems:
                raise ValueError(result.problems["registration"])
            for key in result.problems.keys() - problems:
                self.faults.append(f"from frame {number} on: {result.problems[key]}")
            problems |= result.problems.keys()
            if fault:
                self.faults.append(f"frame {number}: {fault}")
            if number == 0 and pair.thermal is not None:
                self.faults += thermal_faults(pair.thermal).values()
            if self._video is not None:
                truth, thermal_truth = self._sequence.truth(number)
                note = f"frame {number} cannot be read" if fault else f"frame {number}"
                self._video.add(pair, result, truth, note, thermal_truth)
            yield result


def result_files(out: Path) -> tuple[Path, Path, Path]:
    """What `write_results` writes: table, boxes, faults. Boxes have the name `out` where it does not end in `.csv`.

    >>> [path.name for path in result_files(Path("car.txt"))]
    ['car.csv', 'car.txt', 'car_faults.txt']
    """
    boxes = out.with_suffix(".txt") if out.suffix == ".csv" else out
    return out.with_suffix(".csv"), boxes, out.with_name(f"{out.stem}_faults.txt")


def write_results(out: Path, results: Iterable[TrackResult], faults: Sequence[str] = ()) -> list[Path]:
    """Write a table with all that is known of each frame, boxes, a line `x,y,w,h` a frame, and faults, where there are
    any (see `result_files`). Returns the paths of what was written.
    """
    table, boxes_file, faults_file = result_files(out)
    boxes, rows = [], [["frame", "x", "y", "w", "h", "confidence", "state", "latency_ms"]]
    for number, result in enumerate(results):
        box = [f"{value:.2f}" for value in result.box]
        rows.append([str(number), *box, f"{result.confidence:.4f}", result.state.name, f"{1e3 * result.total_s:.3f}"])
        boxes.append(result.box)
    with replacing(table) as temporary, open(temporary, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    write_boxes(boxes_file, np.array(boxes))
    if not faults:
        faults_file.unlink(missing_ok=True)  # of an earlier run
        return [table, boxes_file]
    with replacing(faults_file) as temporary:
        temporary.write_text("".join(f"{' '.join(fault.split())}\n" for fault in faults), encoding="utf-8")
    return [table, boxes_file, faults_file]


def track_live(
    tracker: Tracker, sequence: FrameSequence, start: DrawnBox, window: LiveWindow | None
) -> Iterator[tuple[FramePair, TrackResult, str]]:
    """Every pair of a sequence with the tracker's result, as it is shown in `window`, and '' or why it cannot be read.

    In place of a pair that cannot be read come the pair and the box before it, and the window stays as it is. Where the
    person draws a new box on a frame, the tracker starts anew there. The run ends after the frame in which the person
    ends it. Raises ValueError if the first frame cannot be read.
    """
    shown: FramePair | None = None
    result: TrackResult | None = None
    for number, pair in enumerate(readable(sequence.frames(), len(sequence))):
        if isinstance(pair, str):
            if shown is None or result is None:
                raise ValueError(f"the first frame, in which the target is shown, cannot be read: {pair}")
            yield shown, replace(result, confidence=math.nan, inference_s=math.nan, total_s=math.nan), pair
            continue
        shown = pair
        result = tracker.init(pair, start.box, start.drawn_in) if number == 0 else tracker.update(pair)
        drawn = _show(window, sequence, number, pair, result)
        while drawn is not None:
            result = tracker.init(pair, drawn.box, drawn.drawn_in)
            drawn = _show(window, sequence, number, pair, result)
        yield pair, result, ""
        if window is not None and window.ended:
            return


def _show(
    window: LiveWindow | None, sequence: FrameSequence, number: int, pair: FramePair, result: TrackResult
) -> DrawnBox | None:
    if window is None:
        return None
    truth, thermal_truth = sequence.truth(number)
    return window.show(pair, result, truth, f"frame {number}", thermal_truth)
