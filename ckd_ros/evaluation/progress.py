"""How far an evaluation has come, reported while its trackers run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.jobs import Job, JobResult
from ckd_ros.evaluation.protocols import ProtocolScores
from ckd_ros.evaluation.result_files import BOX_FORMATS, read_results

#: Called with frames done, frames in all, and each tracker's last measure over the sequences that it has done.
ProgressCallback = Callable[[int, int, dict[str, float]], None]


class RunProgress:
    """Reports to `callback` how far a run has come: at its start, where there is anything to run, after each job, and
    when it is told of the frames that are done of unfinished ones.

    Args:
        labels: of the trackers.
        jobs: what is still to be run; all else lies in the folder `out`.
    """

    def __init__(
        self,
        evaluation_set: EvaluationSet,
        labels: Iterable[str],
        jobs: list[Job],
        out: Path,
        callback: ProgressCallback,
    ) -> None:
        self._protocol, self._truths, self._callback = evaluation_set.protocol, evaluation_set.truths, callback
        self._frames = {name: len(sequence) for name, sequence in evaluation_set.sequences.items()}
        self._scores: dict[str, list[ProtocolScores]] = {label: [] for label in labels}
        self._total = len(self._scores) * sum(self._frames.values())
        self._done = self._total - sum(len(job.sequence) for job in jobs)
        self._under_way = 0  # frames done of jobs that are not
        if jobs:
            missing = {(job.tracker.label, job.sequence.name) for job in jobs}
            for label in self._scores:
                there = [name for name in self._frames if (label, name) not in missing]
                if there:
                    with suppress(OSError):  # reading it at the end says what is wrong
                        rows = read_results(out / label, evaluation_set.lengths, label).rows
                        for name in there:
                            self._add_scores(label, name, rows.get(name))
            self._report()

    def add(self, job: JobResult) -> None:
        """Count a job that is done."""
        self._done += self._frames[job.name]
        if job.result is not None:
            self._add_scores(job.label, job.name, BOX_FORMATS[self._protocol.kind].rows(job.result.boxes))
        self._report()

    def under_way(self, frames: int) -> None:
        """Take note of how many frames are done of the jobs that are not."""
        self._under_way = frames
        self._report()

    def _add_scores(self, label: str, name: str, rows: np.ndarray | None) -> None:
        if rows is not None:
            with suppress(ValueError):  # the scores at the end say what is wrong
                self._scores[label].append(self._protocol.score(self._truths[name], rows))

    def _report(self) -> None:
        last = self._protocol.measures[-1].name
        scores = {label: self._protocol.average(each).scores[last] for label, each in self._scores.items() if each}
        self._callback(min(self._total, self._done + self._under_way), self._total, scores)
