"""A run on a sequence or on live cameras that a person can watch, and correct by drawing a box around the target."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ckd_ros.app.live_window import DrawnBox, LiveWindow
from ckd_ros.datasets.boxes import parse_box, write_boxes
from ckd_ros.datasets.cameras import LiveCameras
from ckd_ros.datasets.sequence import FrameSequence, readable
from ckd_ros.evaluation.jobs import start_frame
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair
from ckd_ros.tracking import Registration, Tracker, TrackResult
from ckd_ros.tracking.thermal_content import cropped, thermal_faults
from ckd_ros.tracking.video import AnnotatedVideo

if TYPE_CHECKING:
    from ckd_ros.ros.live_topics import LiveTopics

#: What a run is on.
Source = FrameSequence | LiveCameras
#: Instead of a box on the command line: it is to be drawn.
BY_MOUSE = "mouse"


def start_of(source: Source, start: int | None, init: str | None) -> tuple[int, np.ndarray | None]:
    """The frame in which tracking starts, and the target's box there if the source knows it.

    Unless `start` says which, or `init` where the target is in the first one, it is the first frame in which the source
    shows the target, as in an evaluation; else the first of all. Of live cameras `start` pairs are passed over.
    Raises ValueError for a frame that there is not.
    """
    number = start or 0
    if number < 0:
        raise ValueError(f"there is no frame {number} to start in: the first is 0")
    if isinstance(source, LiveCameras):
        return number, None
    if number >= len(source):
        raise ValueError(f"{source.name} has no frame {number} to start in: it has the frames 0 to {len(source) - 1}")
    boxes = np.full((1, 4), np.nan) if source.boxes is None else source.boxes
    if start is None and init is None and np.isfinite(boxes).all(axis=1).any():
        return start_frame(source)
    if number == 0 and source.init_box is not None:
        return 0, source.init_box
    known = number < len(boxes) and bool(np.isfinite(boxes[number]).all())
    return number, boxes[number] if known else None


def start_box(
    source: Source,
    init: str | None,
    registration: Registration,
    window: LiveWindow | None,
    start: int | None = None,
) -> tuple[int, DrawnBox]:
    """The frame in which tracking starts, and where the target is in it.

    The frame is `start`; without one the first, or without `init` the first one in which the source shows the target,
    as in an evaluation. The box is `init` (`x,y,w,h` or `mouse`), else what the source says, else what a person draws,
    in `window`, or in one that is opened only for that.
    Raises ValueError for an impossible box, a frame that there is not, and where a box would have to be drawn and
    cannot be; KeyboardInterrupt if the person draws none.
    """
    number, known = start_of(source, start, init)
    if init is not None and init != BY_MOUSE:
        return number, DrawnBox(parse_box(init))
    if init is None and known is not None:
        return number, DrawnBox(known)
    first = source.pair(number)
    try:
        if window is not None:
            drawn = window.ask_box(first)
        else:
            with LiveWindow(source.name, source.rate, registration) as box_window:
                drawn = box_window.ask_box(first)
    except (ValueError, ModuleNotFoundError) as error:
        where = f"frame {number}" if number else "its first frame"
        cause = "--init mouse" if init else f"'{source.name}' does not say where the target is in {where}"
        raise ValueError(f"{cause}: give --init x,y,w,h ({error})") from error
    if drawn is None:
        raise KeyboardInterrupt("no box was drawn: nothing was tracked")
    return number, drawn


def pairs_of(source: Source | LiveTopics, start: int, crop: tuple[int, int] = (0, 0)) -> Iterator[FramePair | str]:
    """The pairs of a source from frame `start` on, or why one cannot be read. Thermal images lose `crop` rows."""
    if isinstance(source, FrameSequence):
        pairs: Iterator[FramePair | str] = islice(readable(source.frames(), len(source)), start, None)
    else:
        pairs = source.frames(start)
    for pair in pairs:
        if any(crop) and not isinstance(pair, str) and pair.thermal is not None:
            pair = replace(pair, thermal=cropped(pair.thermal, crop))
        yield pair


@dataclass(frozen=True)
class Wishes:
    """What a person asks for of a run.

    Attributes:
        init, start: see `start_box`.
        show: whether to open a window.
        video: a file to write, or None; it appears, whole, when the context ends without an error.
        crop: rows that are taken off thermal images above and below.
    """

    init: str | None = None
    start: int | None = None
    show: bool = False
    video: Path | None = None
    crop: tuple[int, int] = (0, 0)


class LiveRun:
    """A tracker on a source, shown in a window and written as an annotated video where that is asked for.

    Args:
        registration: the tracker's.

    Entering raises what `LiveWindow` raises, and `start_box`.

    Attributes:
        start: number of the first frame of `results`.
        faults: names the frames so far that could not be read, and what is wrong with the registration or with the
            content of the thermal images.
    """

    def __init__(self, tracker: Tracker, source: Source, registration: Registration, wishes: Wishes) -> None:
        self._tracker, self._source, self._registration, self._wishes = tracker, source, registration, wishes
        self._window = LiveWindow(source.name, source.rate, registration) if wishes.show else None
        self._video = (
            None
            if wishes.video is None
            else AnnotatedVideo(wishes.video, source.rate, registration, modality=source.modality)
        )
        self.start = 0
        self.faults: list[str] = []

    def __enter__(self) -> LiveRun:
        with ExitStack() as stack:
            if self._window is not None:
                try:
                    stack.enter_context(self._window)
                except ValueError as error:
                    raise ValueError(f"--show: {error}; --video FILE keeps what it would show") from error
            wishes = self._wishes
            self.start, self._box = start_box(self._source, wishes.init, self._registration, self._window, wishes.start)
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
        pairs = pairs_of(self._source, self.start, self._wishes.crop)
        run = track_live(self._tracker, pairs, self._box, self._window, self._truth, self.start)
        problems: set[str] = set()
        for number, (pair, result, fault) in enumerate(run, self.start):
            if number == self.start and "registration" in result.problems:
                raise ValueError(result.problems["registration"])
            for key in result.problems.keys() - problems:
                self.faults.append(f"from frame {number} on: {result.problems[key]}")
            problems |= result.problems.keys()
            if fault:
                self.faults.append(f"frame {number}: {fault}")
            if number == self.start and pair.thermal is not None:
                self.faults += thermal_faults(pair.thermal, self._wishes.crop).values()
            if self._video is not None:
                truth, thermal_truth = self._truth(number)
                note = f"frame {number} cannot be read" if fault else f"frame {number}"
                self._video.add(pair, result, truth, note, thermal_truth)
            yield result

    def _truth(self, number: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        return (None, None) if isinstance(self._source, LiveCameras) else self._source.truth(number)


def result_files(out: Path) -> tuple[Path, Path, Path]:
    """What `write_results` writes: table, boxes, faults. Boxes have the name `out` where it does not end in `.csv`.

    >>> [path.name for path in result_files(Path("car.txt"))]
    ['car.csv', 'car.txt', 'car_faults.txt']
    """
    boxes = out.with_suffix(".txt") if out.suffix == ".csv" else out
    return out.with_suffix(".csv"), boxes, out.with_name(f"{out.stem}_faults.txt")


def write_results(out: Path, results: Iterable[TrackResult], faults: Sequence[str] = (), start: int = 0) -> list[Path]:
    """Write a table with all that is known of each frame, boxes, a line `x,y,w,h` a frame, and faults, where there are
    any (see `result_files`). The frames before `start` have no box (NaN). Returns the paths of what was written.
    """
    table, boxes_file, faults_file = result_files(out)
    rows = [["frame", "x", "y", "w", "h", "confidence", "state", "latency_ms"]]
    rows += [[str(number), *["nan"] * 5, "IDLE", "nan"] for number in range(start)]
    boxes = [np.full(4, np.nan)] * start
    for number, result in enumerate(results, start):
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
    tracker: Tracker,
    pairs: Iterable[FramePair | str],
    start: DrawnBox,
    window: LiveWindow | None,
    truth: Callable[[int], tuple[np.ndarray | None, np.ndarray | None]] = lambda number: (None, None),
    first: int = 0,
) -> Iterator[tuple[FramePair, TrackResult, str]]:
    """Every pair with the tracker's result, as it is shown in `window`, and '' or why it cannot be read.

    In place of a pair that cannot be read (`pairs` has the reason) come the pair and the box before it, and the window
    stays as it is. Where the person draws a new box on a frame, the tracker starts anew there. The run ends after the
    frame in which the person ends it. `truth` gives the true boxes of a frame, in colour and thermal pixels, by its
    number; that of the first is `first`. Raises ValueError if the first frame cannot be read.
    """
    shown: FramePair | None = None
    result: TrackResult | None = None
    for number, pair in enumerate(pairs, first):
        if isinstance(pair, str):
            if shown is None or result is None:
                raise ValueError(f"the first frame, in which the target is shown, cannot be read: {pair}")
            yield shown, replace(result, confidence=math.nan, inference_s=math.nan, total_s=math.nan), pair
            continue
        drawn = start if shown is None else None
        shown = pair
        result = tracker.update(pair) if drawn is None else tracker.init(pair, drawn.box, drawn.drawn_in)
        drawn = _show(window, pair, result, number, truth(number))
        while drawn is not None:
            result = tracker.init(pair, drawn.box, drawn.drawn_in)
            drawn = _show(window, pair, result, number, truth(number))
        yield pair, result, ""
        if window is not None and window.ended:
            return


def _show(
    window: LiveWindow | None,
    pair: FramePair,
    result: TrackResult,
    number: int,
    truth: tuple[np.ndarray | None, np.ndarray | None],
) -> DrawnBox | None:
    if window is None:
        return None
    return window.show(pair, result, truth[0], f"frame {number}", truth[1])
