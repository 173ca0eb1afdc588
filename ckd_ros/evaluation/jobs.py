"""A job of an evaluation: one tracker on one sequence, on a single thread, wherever it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ckd_ros.datasets.sequence import FrameSequence, describe_error
from ckd_ros.evaluation.one_pass import OnePassResult, one_pass
from ckd_ros.frames import FramePair

if TYPE_CHECKING:
    from ckd_ros.evaluation.trackers.spec import TrackerSpec

_REPORT = 0.5  # seconds between two reports of how many frames are done


@dataclass(frozen=True)
class Job:
    """One tracker on one sequence; both are sent to another process."""

    tracker: TrackerSpec
    sequence: FrameSequence


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        label, name: of the tracker and the sequence.
        result: None where the job failed.
        fault: why it failed.
        broken: whether the tracker itself cannot be made, so that its other jobs would fail too.
    """

    label: str
    name: str
    result: OnePassResult | None
    fault: str = ""
    broken: bool = False


def start_frame(sequence: FrameSequence) -> tuple[int, np.ndarray]:
    """The frame in which a tracker is started, and the target's box there: the first frame whose truth is visible.

    Raises ValueError if the sequence does not say where its target is in any frame.
    """
    boxes = sequence.boxes
    visible = np.zeros(0, int) if boxes is None else np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if sequence.init_box is not None and (len(visible) == 0 or visible[0] == 0):
        return 0, np.asarray(sequence.init_box, float)
    if boxes is None or len(visible) == 0:
        raise ValueError(f"{sequence.name} does not say where its target is in any frame")
    return int(visible[0]), boxes[visible[0]]


class _Counted:
    """The frames of a sequence; how many were given is reported now and then.

    No generator, since that would end where a frame cannot be read.
    """

    def __init__(self, frames: Iterable[FramePair], report: Callable[[int], None]) -> None:
        self._frames, self._report = iter(frames), report
        self._given, self._reported = 0, time.monotonic()

    def __iter__(self) -> Iterator[FramePair]:
        return self

    def __next__(self) -> FramePair:
        if time.monotonic() - self._reported >= _REPORT:
            self._report(self._given)
            self._reported = time.monotonic()
        self._given += 1
        return next(self._frames)


def run_job(job: Job, report: Callable[[int], None] = lambda frames: None) -> JobResult:
    """Do a job in this process, on one thread. Nothing is raised. How many of its frames are done is reported."""
    label, name = job.tracker.label, job.sequence.name
    cv2.setNumThreads(1)
    try:
        tracker = job.tracker.make()
    except Exception as error:  # whatever another's tracker raises must not end the evaluation
        return JobResult(label, name, None, describe_error(error), broken=True)
    try:
        start, box = start_frame(job.sequence)
        frames = _Counted(job.sequence.frames(), report)
        return JobResult(label, name, one_pass(tracker, frames, len(job.sequence), box, start))
    except Exception as error:  # a source that cannot even be opened
        return JobResult(label, name, None, describe_error(error))
