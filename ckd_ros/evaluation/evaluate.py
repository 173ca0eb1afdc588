"""From a data set and trackers to scores and a report, whatever was done before and whatever goes wrong.

What is finished lies in `OUT/LABEL/` (see `result_files`) and is not run again. Scores are always computed from those
files, so that it makes no difference in how many starts they were made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence, one_line
from ckd_ros.evaluation.evaluation_set import RUNS, EvaluationSet, open_evaluation_set
from ckd_ros.evaluation.protocols import ProtocolScores
from ckd_ros.evaluation.provenance import machine
from ckd_ros.evaluation.record import commit, keep_record
from ckd_ros.evaluation.result_files import (
    FORMS,
    TrackerResults,
    finished,
    read_results,
    result_folders,
    write_pass,
)
from ckd_ros.evaluation.scores import Evaluation
from ckd_ros.evaluation.scoring import as_json, evaluate_results
from ckd_ros.evaluation.trackers.spec import TrackerSpec, parse_tracker
from ckd_ros.evaluation.workers import Job, JobResult, LocalProcesses, RayCluster, run
from ckd_ros.files import replacing
from ckd_ros.system import usable_cores

SCORES = "scores.json"
_SPLITS = {"lasher": "test", "vtuav": "test"}
#: Called with frames done, frames in all, and each tracker's last measure over the sequences it has done.
Watch = Callable[[int, int, dict[str, float]], None]


def evaluate(
    kind: str,
    root: str | Path | None = None,
    split: str | None = None,
    modality: str = "both",
    trackers: Sequence[str] = (),
    results: Sequence[str] = (),
    out: str | Path | None = None,
    processes: int | None = None,
    ray: str | None = None,
    sequences: Sequence[str] = (),
    rate: float | None = None,
    watch: Watch | None = None,
    truth: str | Path | None = None,
) -> Evaluation:
    """Run trackers on a data set as far as they have not been run, score them and others' results, write the report.

    A script that calls this needs the usual `if __name__ == "__main__":`, for the processes import it.

    Args:
        kind, root, split, modality, sequences, truth: of the data set, see `open_evaluation_set`. LasHeR and VTUAV:
            their test split if None.
        trackers: as `parse_tracker` takes them.
        results: folders with the boxes of other trackers, `[LABEL=]FOLDER`.
        out: folder for results, scores and report; needed for trackers.
        processes: on this machine (default: its usable cores); with `ray` the most that run at a time.
        ray: address of a cluster of Ray, see `RayCluster`; None: this machine's processes.
        rate: frames per second at which frames arrive, for the streaming scores; None: each sequence's own.

    Raises ValueError or OSError if there is nothing that can be scored, and for results in `out` that were made with
    other settings. All else that goes wrong is named in the evaluation.
    """
    if not trackers and not results and kind != RUNS:
        raise ValueError("there is nothing to evaluate: name a --tracker, or a folder of --results")
    if trackers and out is None:
        raise ValueError("boxes of trackers need a place: name a folder with --out")
    if processes is not None and processes < 1:
        raise ValueError(f"{processes} processes are not possible: expected at least 1")
    if rate is not None and not rate > 0:
        raise ValueError(f"a rate of {rate} frames per second is not possible: expected a positive number")
    split = split or _SPLITS.get(kind)
    specs, broken = _known(trackers)
    foreign = _foreign(results)
    material = open_evaluation_set(kind, root, split, modality, sequences, bool(trackers), truth)
    recorded = [result.label for result in material.recorded]
    _check_labels([*recorded, *(spec.label for spec in specs), *(label for label, _ in foreign)])
    lengths = material.lengths
    read = [_read(folder, lengths, label) for label, folder in foreign]
    own, broken_later = _run(specs, material, out, processes, ray, watch) if specs else ([], [])
    every = [*material.recorded, *own, *read, *broken, *broken_later]
    if not any(result.passes for result in every):
        reasons = (f"{result.label}: {next(iter(result.faults.values()), 'no result')}" for result in every)
        raise ValueError(f"there is nothing to score: {'; '.join(reasons)}")
    evaluation = _scored(material, every, rate)
    if out is not None:
        _write(evaluation, Path(out), material.sequences)
    return evaluation


# -- trackers and results --------------------------------------------------------------------------------------------


def _known(texts: Iterable[str]) -> tuple[list[TrackerSpec], list[TrackerResults]]:
    """Those trackers that can be made, and for each other one results that only say why not."""
    specs, broken = [], []
    for text in texts:
        try:
            specs.append(parse_tracker(text))
        except (ValueError, OSError) as error:
            broken.append(TrackerResults(text.partition(":")[0].partition("=")[0] or text, {}, {"": str(error)}))
    return specs, broken


def _foreign(texts: Iterable[str]) -> list[tuple[str, Path]]:
    """Label and folder of each tracker in `[LABEL=]FOLDER`, which may hold a folder for each of several trackers."""
    found = []
    for text in texts:
        label, equals, folder = text.partition("=")
        if not equals or Path(text).is_dir():
            label, folder = "", text
        folder = Path(folder).expanduser()
        try:
            folders = result_folders(folder)
        except (ValueError, OSError):
            folders = [folder]  # reading it says what is wrong
        if len(folders) == 1:
            found.append((label or folders[0].resolve().name, folders[0]))
        else:
            found += [(f"{label} {inside.name}".strip(), inside) for inside in folders]
    return found


def _check_labels(labels: list[str]) -> None:
    for label, count in Counter(label.lower() for label in labels).items():  # some file systems see no difference
        if count > 1:
            raise ValueError(f"{count} trackers are called '{label}': name them apart, as LABEL=...")


def _read(folder: Path, lengths: dict[str, int], label: str) -> TrackerResults:
    try:
        return read_results(folder, lengths, label)
    except (ValueError, OSError) as error:
        return TrackerResults(label, {}, {"": str(error)})


# -- running -----------------------------------------------------------------------------------------------------------


def _run(
    specs: list[TrackerSpec],
    material: EvaluationSet,
    out: Path,
    processes: int | None,
    ray: str | None,
    watch: Watch | None,
) -> tuple[list[TrackerResults], list[TrackerResults]]:
    """What lies in `out` when everything that was missing has been run, and the trackers that cannot be."""
    count = processes or usable_cores()
    conditions = {"processes": processes if ray else count, "ray": ray, "machine": machine(), "commit": commit()}
    usable, broken, jobs = [], [], []
    for spec in specs:
        try:
            settings = spec.settings()
        except Exception as error:  # a model that cannot be loaded
            broken.append(TrackerResults(spec.label, {}, {"": one_line(error)}))
            continue
        folder = Path(out) / spec.label
        keep_record(folder, settings, material.data, material.sequences, conditions)
        there = finished(folder, material.sequences)
        jobs += [Job(spec, sequence) for name, sequence in material.sequences.items() if name not in there]
        usable.append(spec)
    workers = RayCluster(ray, processes) if ray else LocalProcesses(min(count, max(1, len(jobs))))
    tally = _Tally(material, usable, jobs, Path(out), watch)
    faults: dict[str, dict[str, str]] = {spec.label: {} for spec in usable}
    try:
        with closing(run(jobs, workers)) as outcomes:
            for outcome in outcomes if jobs else ():
                if outcome.done is None:
                    faults[outcome.label]["" if outcome.broken else outcome.name] = outcome.fault
                else:
                    form = FORMS[material.protocol.kind]
                    write_pass(Path(out) / outcome.label, outcome.label, outcome.name, outcome.done, form)
                tally.add(outcome)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped: what is finished lies in {out}, and the same command goes on there"
        ) from None
    own = [_read(Path(out) / spec.label, material.lengths, spec.label) for spec in usable]
    for result in own:
        result.faults.update({name: "it has no images" for name in material.lengths if name not in material.sequences})
        result.faults.update(faults[result.label])
    return own, broken


class _Tally:
    """Tells `watch` how far a run has come."""

    def __init__(
        self, material: EvaluationSet, specs: list[TrackerSpec], jobs: list[Job], out: Path, watch: Watch | None
    ) -> None:
        self._protocol, self._truths, self._watch = material.protocol, material.truths, watch
        self._frames = {name: len(sequence) for name, sequence in material.sequences.items()}
        self._total = len(specs) * sum(self._frames.values())
        self._done = self._total - sum(len(job.sequence) for job in jobs)
        self._marks: dict[str, list[ProtocolScores]] = {spec.label: [] for spec in specs}
        if watch is not None and jobs:
            missing = {(job.tracker.label, job.sequence.name) for job in jobs}
            for label in self._marks:
                if any((label, name) not in missing for name in self._frames):
                    there = _read(out / label, material.lengths, label).rows
                    for name in there:
                        if (label, name) not in missing:
                            self._score(label, name, there[name])
            self._tell()

    def add(self, outcome: JobResult) -> None:
        self._done += self._frames[outcome.name]
        if self._watch is not None:
            if outcome.done is not None:
                form = FORMS[self._protocol.kind]
                self._score(outcome.label, outcome.name, form.rows(outcome.done.boxes))
            self._tell()

    def _score(self, label: str, name: str, rows: np.ndarray) -> None:
        with suppress(ValueError):  # the scores at the end say what is wrong
            self._marks[label].append(self._protocol.score(self._truths[name], rows))

    def _tell(self) -> None:
        last = self._protocol.measures[-1].name
        scores = {label: self._protocol.average(m).scores[last] for label, m in self._marks.items() if m}
        self._watch(self._done, self._total, scores)


# -- the end -----------------------------------------------------------------------------------------------------------


def _scored(material: EvaluationSet, results: list[TrackerResults], rate: float | None) -> Evaluation:
    sequences = list(material.sequences.values())
    evaluation = evaluate_results(
        material.protocol,
        material.truths,
        material.rates,
        results,
        material.faults,
        rate,
        material.protocol.attributes(sequences),
    )
    used = len(evaluation.lengths)
    if used != material.total:
        evaluation = replace(evaluation, dataset=f"{evaluation.dataset} ({used} of {material.total} sequences)")
    # Where a tracker as a whole failed, its reason need not be followed by a line for each sequence.
    whole = [
        replace(tracker, faults={"": tracker.faults[""]}) if not tracker.sequences and "" in tracker.faults else tracker
        for tracker in evaluation.trackers
    ]
    focus = next((result.label for result in results if result.passes), None)
    return replace(evaluation, trackers=tuple(whole), focus=focus)


def _write(evaluation: Evaluation, out: Path, sequences: Mapping[str, FrameSequence]) -> None:
    from ckd_ros.evaluation.report import write_report

    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / SCORES) as temporary:
        temporary.write_text(json.dumps(as_json(evaluation), indent=1) + "\n")
    write_report(evaluation, out, sequences)
