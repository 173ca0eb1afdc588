"""From the boxes of trackers to the scores of an evaluation, and to plain JSON values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ckd_ros.datasets.boxes import visible_or_nan
from ckd_ros.evaluation.protocols import BenchmarkProtocol, ProtocolScores, Truth
from ckd_ros.evaluation.result_files import FORMS, TrackerResults, fit_rows
from ckd_ros.evaluation.robot_metrics import FrameMeasures, arrived, robot_scores, stream
from ckd_ros.evaluation.scores import Evaluation, SequenceScores, TrackerScores
from ckd_ros.metrics import distances, overlaps


def evaluate_results(
    protocol: BenchmarkProtocol,
    truths: Mapping[str, Truth],
    rates: Mapping[str, float],
    results: list[TrackerResults],
    faults: Mapping[str, str],
    rate: float | None = None,
    attributes: Mapping[str, list[str]] | None = None,
) -> Evaluation:
    """The scores of trackers on the sequences of `truths`, best tracker first.

    A tracker is scored on those sequences that it has a result for; the others are named in its faults.

    Args:
        rates: frames per second of each sequence; 30 where it is not known.
        faults: sequences of the data set that cannot be used, and why.
        rate: at which frames arrive for the streaming scores; None: each sequence's own.
        attributes: attribute -> sequences; None: those of the benchmark, where they are known without images.
    """
    faults, usable = dict(faults), {}
    for name, truth in truths.items():
        if np.isfinite(_visible(truth.rgb)).all(axis=1).any():
            usable[name] = truth
        else:
            faults[name] = "its truth shows the target in no frame: there is nothing to score by"
    attributes = protocol.attributes() if attributes is None else attributes
    named = {attribute: [name for name in names if name in usable] for attribute, names in attributes.items()}
    named = {attribute: names for attribute, names in named.items() if names}
    trackers = [_tracker(protocol, usable, rates, result, rate, named) for result in results]
    ranking = protocol.measures[-1].name
    trackers.sort(key=lambda tracker: np.nan_to_num(tracker.scores[ranking], nan=-1.0), reverse=True)
    return Evaluation(
        dataset=protocol.dataset,
        protocol=protocol.text,
        measures=protocol.measures,
        lengths={name: len(truth) for name, truth in usable.items()},
        attributes=named,
        faults=faults,
        trackers=tuple(trackers),
        rate=rate,
    )


def as_json(evaluation: Evaluation) -> dict:
    """All scores as plain values of JSON: no NaN (None), no arrays (lists). Curves are given for each tracker only."""
    names = [measure.name for measure in evaluation.measures]
    return _plain(
        {
            "dataset": evaluation.dataset,
            "protocol": evaluation.protocol,
            "rate": evaluation.rate,
            "measures": [dataclasses.asdict(measure) for measure in evaluation.measures],
            "ranked_by": names[-1],
            "sequences": len(evaluation.lengths),
            "frames": sum(evaluation.lengths.values()),
            "lengths": evaluation.lengths,
            "attributes": evaluation.attributes,
            "faults": evaluation.faults,
            "trackers": [_tracker_json(tracker, evaluation) for tracker in evaluation.trackers],
        }
    )


def _tracker_json(tracker: TrackerScores, evaluation: Evaluation) -> dict:
    return {
        "label": tracker.label,
        "scores": tracker.scores,
        "sequences": {
            "scored": len(tracker.sequences),
            "of": len(evaluation.lengths),
            "missing": [name for name in evaluation.lengths if name not in tracker.sequences],
            "with_faults": sum(bool(sequence.faults) for sequence in tracker.sequences.values()),
        },
        "faults": tracker.faults,
        "frame_ms": tracker.frame_ms,
        "frame_ms_p95": tracker.frame_ms_p95,
        "robot": dataclasses.asdict(tracker.robot),
        "attributes": tracker.attributes,
        "curves": tracker.curves,
        "per_sequence": {
            name: {
                "scores": sequence.scores,
                "mean_iou": _mean(sequence.overlap),
                "frame_ms": _milliseconds([sequence.seconds], 50),
                "robot": dataclasses.asdict(sequence.robot),
                "faults": sequence.faults,
            }
            for name, sequence in tracker.sequences.items()
        },
        "settings": tracker.settings,
    }


def _tracker(
    protocol: BenchmarkProtocol,
    truths: Mapping[str, Truth],
    rates: Mapping[str, float],
    results: TrackerResults,
    rate: float | None,
    attributes: Mapping[str, list[str]],
) -> TrackerScores:
    faults = {name: reason for name, reason in results.faults.items() if name == "" or name in truths}
    sequences: dict[str, SequenceScores] = {}
    marks: dict[str, ProtocolScores] = {}
    courses: dict[str, FrameMeasures] = {}
    for name, truth in truths.items():
        if name not in results.passes:
            faults.setdefault(name, "no result for this sequence")
            continue
        done = results.passes[name]
        rows = results.rows.get(name)
        try:
            marks[name] = protocol.score(truth, FORMS[protocol.kind].rows(done.boxes) if rows is None else rows)
        except ValueError as error:
            faults[name] = str(error)
            continue
        boxes, seconds = fit_rows(done.boxes, len(truth)), fit_rows(done.seconds, len(truth))
        overlap, courses[name] = _course(truth, boxes, seconds, rates.get(name, 30.0), rate, done.live)
        sequences[name] = SequenceScores(
            name=name,
            scores=marks[name].scores,
            curves=marks[name].curves,
            robot=robot_scores([courses[name]]),
            boxes=boxes,
            overlap=overlap,
            seconds=None if np.isnan(seconds).all() else seconds,
            faults=(*done.faults, *([truth.note] if truth.note else [])),
        )
    overall = protocol.average(marks.values())
    times = [sequence.seconds for sequence in sequences.values()]
    return TrackerScores(
        label=results.label,
        scores=overall.scores,
        curves=overall.curves,
        attributes={
            attribute: protocol.average(marks[name] for name in names if name in marks).scores
            for attribute, names in attributes.items()
        },
        robot=robot_scores(courses.values()),
        frame_ms=_milliseconds(times, 50),
        frame_ms_p95=_milliseconds(times, 95),
        sequences=sequences,
        faults=faults,
        settings=dict(results.settings),
    )


def _course(
    truth: Truth, boxes: np.ndarray, seconds: np.ndarray, own_rate: float, rate: float | None, live: bool
) -> tuple[np.ndarray, FrameMeasures]:
    """`(N,)` overlap of each frame, and what the robot's measures need."""
    known = [_visible(side) for side in (truth.rgb, truth.thermal) if side is not None]
    overlap = _best(overlaps, boxes, known)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = -_best(_nearness, boxes, known)
    each = slice(None, None, truth.stride)
    if np.isnan(seconds).all():
        return overlap, FrameMeasures(own_rate / truth.stride, overlap[each], distance[each])
    # What came live came at the run's own rate, whatever is asked of the others.
    at_hand, processed = arrived(seconds, own_rate) if live else stream(seconds, rate or own_rate)
    first = known[0][np.isfinite(known[0]).all(axis=1)][0]
    streamed = _best(overlaps, np.where(at_hand[:, None] >= 0, boxes[at_hand], first), known)
    asked = ~np.isnan(seconds)
    start = int(np.argmax(asked))
    streamed[:start] = np.nan
    if live:
        asked[start:] = True  # a frame without an answer came all the same
    return overlap, FrameMeasures(
        own_rate / truth.stride,
        overlap[each],
        distance[each],
        streamed[each],
        int((processed & asked).sum()),
        int(asked.sum()),
    )


def _nearness(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(N,)` distance of the centres in target sides, negative: the larger, the better."""
    return -distances(boxes, truth) / np.sqrt(truth[:, 2] * truth[:, 3])


def _best(measure, boxes: np.ndarray, truths: list[np.ndarray]) -> np.ndarray:
    """`(N,)` the better answer of the two truths; NaN where neither is known."""
    return np.fmax.reduce([measure(boxes, truth) for truth in truths])


def _visible(truth: np.ndarray) -> np.ndarray:
    return visible_or_nan(np.asarray(truth, float))


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if not np.isnan(values).all() else None


def _milliseconds(times: list[np.ndarray | None], percentile: float) -> float | None:
    """Percentile of the times for a frame; the first of each sequence, the start, is none of them."""
    known = [seconds[~np.isnan(seconds)][1:] for seconds in times if seconds is not None]
    known = np.concatenate(known) if known else np.zeros(0)
    return float(1000 * np.percentile(known, percentile)) if len(known) else None


def _plain(value: object) -> object:
    """The same with plain types of JSON only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
