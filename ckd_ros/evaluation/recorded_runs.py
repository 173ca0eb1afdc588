"""Recorded robot runs: the messages on `/ckd/track` of a bag, as results that are scored like any tracker's.

A bag (MCAP or SQLite) holds the tracker's messages, a file beside it the truth: `BAG.csv` (`stamp,x,y,w,h`, the stamps
in ns of colour images), or `BAG.txt`, one box for each colour image, where the bag holds the images. With images, the
run is also a sequence on which other trackers can be run.

* Frames are the bag's images, or without images the stamps of the truth. The answer to a frame is the message with its
  stamp: that of its colour image, or of its thermal image where the tracker ran on that alone.
* A run begins with the first frame for which the tracker has a target, and ends where it is reported to stop (`IDLE`).
* A frame without a message was dropped: it has no box, and counts as a miss.
* Of several targets that were followed at the same time the one that was shown first is scored, and that is said.
* A box while `LOST` counts as any other: the same tracker run over images is scored so too. `settings` counts them.
* Times are those from a frame's stamp to its answer, on the robot: as the bag recorded them, or, if its clock is not
  the camera's, as the message says. Streaming scores use these moments as they were (`OnePassResult.live`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ckd_ros.datasets.bag import BagSequence, has_images, read_tracks, read_truth, stamps_of_no_image, truth_file
from ckd_ros.datasets.boxes import read_boxes, visible_or_nan
from ckd_ros.datasets.pairing import median_period
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.sources import BAG_SUFFIXES
from ckd_ros.datasets.track_bag import TOPIC, TrackMessage
from ckd_ros.evaluation.one_pass import OnePassResult
from ckd_ros.evaluation.result_files import TrackerResults
from ckd_ros.evaluation.truth import Truth
from ckd_ros.files import is_stray, text_of
from ckd_ros.frames import FramePair
from ckd_ros.tracking import TrackState

#: Name of the robot's own tracker in tables.
LABEL = "recorded"
#: Seconds: a longer delay means that two different clocks were compared.
_LATEST = 10.0
_BLANK = [np.nan] * 4


@dataclass(frozen=True)
class RecordedRuns:
    """Runs in the shapes that `scoring.evaluate_results` takes, each by the name of its bag.

    Attributes:
        truths: from the beginning of each run to its end.
        rates: frames per second.
        results: of the robot's tracker.
        sequences: those runs whose images were recorded too; they start on the first box that the robot had.
        faults: bags that cannot be used, and why.
    """

    truths: dict[str, Truth] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    results: TrackerResults = field(default_factory=lambda: TrackerResults(LABEL, {}))
    sequences: dict[str, FrameSequence] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def open_runs(root: Path | str, truth: Path | str | None = None, topic: str = TOPIC) -> RecordedRuns:
    """The runs of a bag, or of every bag in a folder.

    Args:
        root: a bag (folder, .mcap or .db3), or a folder of bags.
        truth: the truth file of the bag, or a folder with `BAG.csv` or `BAG.txt`; None: beside each bag.
        topic: where the tracker published.

    A bag that cannot be used is a fault, and the others go on. Raises FileNotFoundError if there is no `root`, and
    ValueError if it holds no bag.
    """
    runs = RecordedRuns()
    settings = {"kind": LABEL, "topic": topic, "seconds": "from a frame's stamp to its answer", "runs": {}}
    runs.results.settings.update(settings)
    for bag in _bags(Path(root).expanduser()):
        name = truth_file(bag).stem
        try:
            run = _Run.read(bag, name, None if truth is None else Path(truth).expanduser(), topic)
        except (ValueError, OSError) as error:
            runs.faults[name] = str(error)
            continue
        runs.truths[name], runs.rates[name] = Truth(run.truth), run.rate
        runs.results.passes[name] = run.one_pass_result()
        runs.results.settings["runs"][name] = run.counts()
        if run.images is not None:
            runs.sequences[name] = _RunSequence(run, run.images)
    return runs


def _bags(root: Path) -> list[Path]:
    if not root.exists():
        raise FileNotFoundError(f"there is no bag or folder '{root}'")
    if root.is_file() or (root / "metadata.yaml").exists():
        return [root]
    entries = [path for path in root.iterdir() if not is_stray(path.name)]
    found = [p for p in entries if p.suffix.lower() in BAG_SUFFIXES or (p / "metadata.yaml").exists()]
    if not found:
        raise ValueError(f"'{root}' holds no bag: expected folders with metadata.yaml, or {', '.join(BAG_SUFFIXES)}")
    return sorted(found)


@dataclass(frozen=True)
class _Run:
    """The N frames of a run, from its first answer on.

    Attributes:
        images: the bag's images, of which frame `start` is the first of the run; None if there are none.
        stamps: `(N,)` ns, of each frame.
        truth: `(N, 4)`.
        messages: one for each frame, None where none came.
        unmatched: how many messages in its time do not carry the stamp of a frame.
        thermal: whether boxes are in thermal pixels.
        note: why the bag's images are not used, and what is doubtful about its truth; empty otherwise.
    """

    name: str
    images: BagSequence | None
    start: int
    stamps: np.ndarray
    truth: np.ndarray
    messages: list[TrackMessage | None]
    unmatched: int
    thermal: bool
    note: str

    @staticmethod
    def read(bag: Path, name: str, truth: Path | None, topic: str) -> _Run:
        """Raises ValueError, or OSError, saying what cannot be used and why."""
        messages = read_tracks(bag, topic)
        path = _truth_of(bag, name, truth)
        images, note = None, ""
        if has_images(bag):
            try:
                images = BagSequence(bag)
            except ValueError as error:
                note = f"its images are not used: {error}"
        keys, boxes, doubt = _frames(images, path, note)
        note = "; ".join(filter(None, (note, doubt)))
        answers, several = _of_one_target([message for message in messages if message.state != TrackState.IDLE])
        note = "; ".join(filter(None, (note, several)))
        by_stamp = {message.stamp: message for message in answers}
        found = [next((by_stamp[key] for key in frame if key in by_stamp), None) for frame in keys]
        known = [number for number, message in enumerate(found) if message is not None]
        if not by_stamp:
            raise ValueError(f"{bag}: no target was set while {topic} was recorded ({len(messages)} messages)")
        if not known:
            raise ValueError(f"none of the {len(by_stamp)} answers in {bag} has the stamp of a frame in {path}")
        start, stamps = known[0], np.array([frame[0] for frame in keys])
        stopped = [m.stamp for m in messages if m.state == TrackState.IDLE and m.stamp > max(by_stamp)]
        end = int(np.searchsorted(stamps, min(stopped))) if stopped else len(keys)
        used = {message.stamp for message in found if message is not None}
        inside = [s for s in by_stamp if stamps[start] <= s <= stamps[end - 1] and s not in used]
        thermal = images is not None and images.modality == "thermal"
        return _Run(
            name, images, start, stamps[start:end], boxes[start:end], found[start:end], len(inside), thermal, note
        )

    @property
    def rate(self) -> float:
        return round(1e9 / (median_period(self.stamps) or 1e9), 3)

    @property
    def boxes(self) -> np.ndarray:
        shown = [None if m is None else m.thermal_box if self.thermal else m.box for m in self.messages]
        return np.array([_BLANK if box is None else box for box in shown]).reshape(-1, 4)

    def delays(self) -> tuple[np.ndarray, str]:
        """`(N,)` seconds from each frame's stamp to its answer, NaN where there is none, and a fault or ''."""
        recorded = self._column(lambda message: (message.logged - message.stamp) / 1e9)
        reported = self._column(lambda message: message.latency)
        for seconds in (recorded, reported):
            known = seconds[np.isfinite(seconds)]
            if len(known) and known.min() >= 0 and np.median(known) <= _LATEST:
                return seconds, ""
        return np.full(
            len(reported), np.nan
        ), "no times: neither the bag's clock nor the tracker's is that of the cameras"

    def one_pass_result(self) -> OnePassResult:
        seconds, fault = self.delays()
        dropped, targets = self.counts()["dropped"], {m.target for m in self.messages if m is not None and m.target}
        faults = [
            f"{dropped} of {len(self.messages)} frames have no answer" if dropped else "",
            f"{self.unmatched} answers do not carry the stamp of a frame" if self.unmatched else "",
            f"the target was set {len(targets)} times" if len(targets) > 1 else "",
            fault,
            self.note,
        ]
        confidences = self._column(lambda message: message.confidence)
        return OnePassResult(self.boxes, seconds, confidences, tuple(filter(None, faults)), live=True)

    def counts(self) -> dict[str, int]:
        """Frames: all, those without an answer, and those in each of the tracker's states."""
        states = [m.state for m in self.messages if m is not None]
        counts = {"frames": len(self.messages), "dropped": self.messages.count(None)}
        return counts | {state.name.lower(): states.count(state) for state in TrackState}

    def _column(self, value: Callable[[TrackMessage], float]) -> np.ndarray:
        return np.array([np.nan if message is None else value(message) for message in self.messages])


def _of_one_target(answers: list[TrackMessage]) -> tuple[list[TrackMessage], str]:
    """Those of the target that was shown first, where several were followed at the same time, and what to say of it."""
    at_once: dict[int, set[int]] = defaultdict(set)
    for message in answers:
        at_once[message.stamp].add(message.target)
    several = sorted(set().union(*(targets for targets in at_once.values() if len(targets) > 1)))
    if not several:
        return answers, ""
    names = ", ".join(map(str, several))
    note = f"targets {names} were followed at the same time: target {several[0]}, shown first, is scored"
    return [message for message in answers if message.target == several[0]], note


def _truth_of(bag: Path, name: str, truth: Path | None) -> Path:
    """The truth file of a bag. Raises ValueError where there is none."""
    if truth is not None and not truth.is_dir():
        tried = [truth]
    else:
        folder = truth_file(bag).parent if truth is None else truth
        tried = [folder / f"{name}.csv", folder / f"{name}.txt"]
    for path in tried:
        if path.is_file():
            return path
    raise ValueError(f"{bag} has no truth: expected {' or '.join(map(str, tried))}")


def _frames(images: BagSequence | None, path: Path, note: str) -> tuple[list[tuple[int, ...]], np.ndarray, str]:
    """The stamps that an answer to each frame may have, `(N, 4)` its truth, and what is doubtful about that."""
    stamped = text_of(path).lstrip().lower().startswith("stamp")
    if images is None:
        if not stamped:
            raise ValueError(f"{path} has no stamps, and the bag no images to count: {note or 'give stamp,x,y,w,h'}")
        known = dict(sorted(read_truth(path).items()))
        if not known:
            raise ValueError(f"{path} holds no box")
        return [(stamp,) for stamp in known], visible_or_nan(np.array(list(known.values()))), ""
    pairs = images.stamps()
    side = 1 if images.modality == "thermal" else 0
    if stamped:
        known = read_truth(path)
    else:
        stamps = [stamp for stamp in (pair[side] for pair in pairs) if stamp is not None]
        boxes = read_boxes(path)
        if len(boxes) != len(stamps):
            raise ValueError(f"{path} has {len(boxes)} boxes for {len(stamps)} images: expected one for each")
        known = dict(zip(stamps, boxes.tolist(), strict=True))
    unknown = known.keys() - {pair[side] for pair in pairs}
    doubt = stamps_of_no_image(path, unknown, len(known))
    truth = np.array([_BLANK if stamp is None else known.get(stamp, _BLANK) for stamp in (p[side] for p in pairs)])
    return [tuple(stamp for stamp in pair if stamp is not None) for pair in pairs], visible_or_nan(truth), doubt


class _RunSequence(FrameSequence):
    """The recorded images of a run, from its first answer on."""

    def __init__(self, run: _Run, images: BagSequence) -> None:
        self.name, self.rate, self.modality = run.name, run.rate, images.modality
        self._images, self._start, self._count = images, run.start, len(run.messages)
        self.boxes, first = run.truth, run.boxes[0]
        self.init_box = first if np.isfinite(first).all() else None

    def __len__(self) -> int:
        return self._count

    def frames(self) -> Iterator[FramePair]:
        return islice(self._images.frames(), self._start, self._start + self._count)
