"""From a data set and trackers to scores and a report, whatever was done before and whatever goes wrong.

What is finished lies in `OUT/LABEL/` (see `result_files`) and is not run again. Scores are always computed from those
files, so that it makes no difference in how many starts they were made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ckd_ros.datasets.sequence import FrameSequence, describe_error
from ckd_ros.evaluation.evaluation_set import RUNS, EvaluationSet, open_evaluation_set
from ckd_ros.evaluation.jobs import Job
from ckd_ros.evaluation.progress import ProgressCallback, RunProgress
from ckd_ros.evaluation.provenance import machine
from ckd_ros.evaluation.result_files import (
    BOX_FORMATS,
    TrackerResults,
    finished,
    read_results,
    result_folders,
    write_result,
)
from ckd_ros.evaluation.scores import Evaluation
from ckd_ros.evaluation.scoring import as_json, evaluate_results
from ckd_ros.evaluation.settings_file import git_commit, keep_settings
from ckd_ros.evaluation.trackers.spec import TrackerSpec, parse_tracker
from ckd_ros.evaluation.workers import LocalProcesses, RayCluster, Workers, run_jobs
from ckd_ros.files import refuse_inputs, replacing
from ckd_ros.system import usable_cores

SCORES = "scores.json"
DEFAULT_SPLITS = {"lasher": "test", "vtuav": "test"}


@dataclass(frozen=True)
class EvaluationOptions:
    """What is evaluated on which data set, and how.

    Attributes:
        dataset, root, split, modality, sequences, truth: the data set's kind and what `open_evaluation_set` says of the
            others. The split of LasHeR and VTUAV is their test split if None.
        trackers: to run, each as text that `parse_tracker` takes, or as what it returns.
        results: folders with the boxes of other trackers, `[LABEL=]FOLDER`.
        out: folder for results, scores and report; needed for trackers.
        processes: on this machine (default: its usable cores); with `ray` the most that run at a time.
        ray: address of a cluster of Ray, see `RayCluster`; None: this machine's processes.
        rate: frames per second at which frames arrive, for the streaming scores; None: each sequence's own.

    Raises ValueError where there is nothing to evaluate, nowhere to put it, or a number that is not possible.
    """

    dataset: str
    root: str | Path | None = None
    split: str | None = None
    modality: str = "both"
    sequences: Sequence[str] = ()
    truth: str | Path | None = None
    trackers: Sequence[str | TrackerSpec] = ()
    results: Sequence[str] = ()
    out: str | Path | None = None
    processes: int | None = None
    ray: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if not self.trackers and not self.results and self.dataset != RUNS:
            raise ValueError("there is nothing to evaluate: name a --tracker, or a folder of --results")
        if self.trackers and self.out is None:
            raise ValueError("the boxes of trackers need a folder: name one with --out")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"{self.processes} processes are not possible: expected at least 1")
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"a rate of {self.rate} frames per second is not possible: expected a positive number")


def evaluate(options: EvaluationOptions, on_progress: ProgressCallback | None = None) -> Evaluation:
    """Run trackers on a data set as far as they have not been run, score them and others' results, write the report.

    A script that calls this needs the usual `if __name__ == "__main__":`, for the processes import it.

    Raises ValueError or OSError if there is nothing that can be scored, and for results in `out` that were made with
    other settings. All else that goes wrong is named in the evaluation.
    """
    evaluation_set = open_evaluation_set(
        options.dataset,
        options.root,
        options.split or DEFAULT_SPLITS.get(options.dataset),
        options.modality,
        options.sequences,
        bool(options.trackers),
        options.truth,
    )
    return evaluate_set(evaluation_set, options, on_progress)


def evaluate_set(
    evaluation_set: EvaluationSet, options: EvaluationOptions, on_progress: ProgressCallback | None = None
) -> Evaluation:
    """The same on sequences that are open already; what `options` say of the data set is not looked at."""
    out = None if options.out is None else Path(options.out)
    specs, unknown = _parse_trackers(options.trackers, _only_camera(evaluation_set.sequences.values()))
    folders = _result_folders(options.results)
    recorded = [result.label for result in evaluation_set.recorded]
    _check_labels([*recorded, *(spec.label for spec in specs), *(label for label, _ in folders)])
    read = [_read(folder, evaluation_set.lengths, label) for label, folder in folders]
    if out is not None:
        inputs = [path for sequence in evaluation_set.sequences.values() for path in sequence.inputs]
        refuse_inputs([out / spec.label for spec in specs], [*inputs, *(folder for _, folder in folders)])
    own: list[TrackerResults] = []
    unusable: list[TrackerResults] = []
    if specs and out is not None:
        own, unusable = _run(specs, evaluation_set, out, options, on_progress)
    every = [*evaluation_set.recorded, *own, *read, *unknown, *unusable]
    if not any(result.passes for result in every):
        reasons = (f"{result.label}: {next(iter(result.faults.values()), 'no result')}" for result in every)
        raise ValueError(f"there is nothing to score: {'; '.join(reasons)}")
    evaluation = _scored(evaluation_set, every, options.rate)
    if out is not None:
        _write(evaluation, out, evaluation_set.sequences)
    return evaluation


# -- trackers and results --------------------------------------------------------------------------------------------


def _only_camera(sequences: Iterable[FrameSequence]) -> str | None:
    """The camera, rgb or thermal, that alone has images in all sequences; None where there are both."""
    cameras = {sequence.modality for sequence in sequences}
    return cameras.pop() if len(cameras) == 1 and "both" not in cameras else None


def _parse_trackers(
    trackers: Iterable[str | TrackerSpec], camera: str | None
) -> tuple[list[TrackerSpec], list[TrackerResults]]:
    """The trackers that can be made, and for each of the others results that only say why it cannot."""
    specs, unknown = [], []
    for text in trackers:
        if isinstance(text, TrackerSpec):
            specs.append(text)
            continue
        try:
            specs.append(parse_tracker(text, camera))
        except (ValueError, OSError) as error:
            unknown.append(TrackerResults(text.partition(":")[0].partition("=")[0] or text, {}, {"": str(error)}))
    return specs, unknown


def _result_folders(texts: Iterable[str]) -> list[tuple[str, Path]]:
    """Label and folder of each tracker in `[LABEL=]FOLDER`, which may hold a folder for each of several trackers."""
    found = []
    for text in texts:
        label, equals, name = text.partition("=")
        if not equals or Path(text).is_dir():
            label, name = "", text
        folder = Path(name).expanduser()
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
            raise ValueError(f"{count} trackers are called '{label}': give them different labels, as LABEL=...")


def _read(folder: Path, lengths: dict[str, int], label: str) -> TrackerResults:
    try:
        return read_results(folder, lengths, label)
    except (ValueError, OSError) as error:
        return TrackerResults(label, {}, {"": str(error)})


# -- running -----------------------------------------------------------------------------------------------------------


def _run(
    specs: list[TrackerSpec],
    evaluation_set: EvaluationSet,
    out: Path,
    options: EvaluationOptions,
    on_progress: ProgressCallback | None,
) -> tuple[list[TrackerResults], list[TrackerResults]]:
    """What lies in `out` when everything that was missing has been run, and the trackers that cannot be run."""
    ray, count = options.ray, options.processes or usable_cores()
    conditions = {
        "processes": options.processes if ray else count,
        "ray": ray,
        "machine": machine(),
        "commit": git_commit(),
    }
    sequences = evaluation_set.sequences
    labels: list[str] = []
    unusable, jobs = [], []
    for spec in specs:
        try:
            settings = spec.settings()
        except Exception as error:  # a model that cannot be loaded
            unusable.append(TrackerResults(spec.label, {}, {"": describe_error(error)}))
            continue
        keep_settings(out / spec.label, settings, evaluation_set.data, sequences, conditions)
        there = finished(out / spec.label, sequences)
        jobs += [Job(spec, sequence) for name, sequence in sequences.items() if name not in there]
        labels.append(spec.label)
    progress = None if on_progress is None else RunProgress(evaluation_set, labels, jobs, out, on_progress)
    faults: dict[str, dict[str, str]] = {label: {} for label in labels}
    workers: Workers
    if ray:
        workers = RayCluster(ray, options.processes)
    else:
        under_way = (lambda frames: None) if progress is None else progress.under_way
        workers = LocalProcesses(min(count, max(1, len(jobs))), under_way)
    try:
        with closing(run_jobs(jobs, workers)) as job_results:
            for job in job_results if jobs else ():
                if job.result is None:
                    faults[job.label]["" if job.broken else job.name] = job.fault
                else:
                    box_format = BOX_FORMATS[evaluation_set.protocol.kind]
                    write_result(out / job.label, job.label, job.name, job.result, box_format)
                if progress is not None:
                    progress.add(job)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped: what is finished is kept in {out}, and the same command continues from there"
        ) from None
    own = [_read(out / label, evaluation_set.lengths, label) for label in labels]
    for result in own:
        result.faults.update(
            {name: "it has no images" for name in evaluation_set.lengths if name not in evaluation_set.sequences}
        )
        result.faults.update(faults[result.label])
    return own, unusable


# -- the end -----------------------------------------------------------------------------------------------------------


def _scored(evaluation_set: EvaluationSet, results: list[TrackerResults], rate: float | None) -> Evaluation:
    evaluation = evaluate_results(evaluation_set, results, rate)
    used, total = len(evaluation.lengths), evaluation_set.total
    if used != total:
        evaluation = replace(evaluation, dataset=f"{evaluation.dataset} ({used} of {total} sequences)")
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
