"""From the boxes of trackers to the scores of an evaluation, and to plain JSON values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.evaluation.evaluation_set import EvaluationSet
from ckd_ros.evaluation.plausibility import answered, coverage_fault, first_box_fault
from ckd_ros.evaluation.protocols import ProtocolScores
from ckd_ros.evaluation.result_files import BOX_FORMATS, TrackerResults, fit_rows
from ckd_ros.evaluation.robot_metrics import FrameMeasures, newest_answers_live, newest_answers_simulated, robot_scores
from ckd_ros.evaluation.scores import Evaluation, SequenceScores, TrackerScores
from ckd_ros.evaluation.truth import Truth
from ckd_ros.metrics import distances, overlaps


def evaluate_results(
    evaluation_set: EvaluationSet, results: list[TrackerResults], rate: float | None = None
) -> Evaluation:
    """The scores of trackers on the sequences of a data set whose truth is known, best tracker first.

    A tracker is scored on those sequences that it has a result for; the others are named in its faults. Where a
    sequence's rate is not known, it is taken to be 30 frames per second.

    `rate`: frames per second at which frames arrive for the streaming scores; None: each sequence's own.
    """
    protocol, faults, usable = evaluation_set.protocol, dict(evaluation_set.faults), {}
    for name, truth in evaluation_set.truths.items():
        if np.isfinite(truth.sides[0]).all(axis=1).any():
            usable[name] = truth
        else:
            faults[name] = "its truth does not show the target in any frame: there is nothing to score against"
    named = {
        attribute: [name for name in names if name in usable] for attribute, names in evaluation_set.attributes.items()
    }
    named = {attribute: names for attribute, names in named.items() if names}
    known = dataclasses.replace(evaluation_set, truths=usable, attributes=named)
    trackers = [_tracker_scores(known, result, rate) for result in results]
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
        "covered": tracker.covered,
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
                "covered": sequence.covered,
                "mean_iou": _mean(sequence.overlap),
                "frame_ms": _milliseconds([sequence.seconds], 50),
                "robot": dataclasses.asdict(sequence.robot),
                "faults": sequence.faults,
            }
            for name, sequence in tracker.sequences.items()
        },
        "settings": tracker.settings,
    }


def _tracker_scores(evaluation_set: EvaluationSet, results: TrackerResults, rate: float | None) -> TrackerScores:
    """The scores of one tracker, on sequences whose truths all show the target."""
    protocol, truths = evaluation_set.protocol, evaluation_set.truths
    faults = {name: reason for name, reason in results.faults.items() if name == "" or name in truths}
    sequences: dict[str, SequenceScores] = {}
    scores: dict[str, ProtocolScores] = {}
    measures: dict[str, FrameMeasures] = {}
    counted, total = 0, sum(int(protocol.counting(truth).sum()) for truth in truths.values())
    for name, truth in truths.items():
        if name not in results.passes:
            faults.setdefault(name, "no result for this sequence")
            continue
        result = results.passes[name]
        rows = results.rows.get(name)
        try:
            scores[name] = protocol.score(
                truth, BOX_FORMATS[protocol.kind].rows(result.boxes) if rows is None else rows
            )
        except ValueError as error:
            faults[name] = str(error)
            continue
        boxes, seconds, confidences = (
            fit_rows(values, len(truth)) for values in (result.boxes, result.seconds, result.confidences)
        )
        counts = protocol.counting(truth)
        there = answered(result, None if rows is None else len(rows))
        rests = counts & (fit_rows(there, len(truth)) == 1)
        counted += int(rests.sum())
        said = [coverage_fault(int(rests.sum()), int(counts.sum())), truth.note, *result.faults]
        if rows is not None and len(rows) == len(truth.steps) != len(truth):
            said.insert(0, f"it has a line for each of {len(rows)} annotated frames: expected one for each frame")
        if protocol.kind != "runs":  # there trackers start on the box that the robot had
            said.insert(0, first_box_fault(boxes, truth.sides))
        own_rate = evaluation_set.rates.get(name, 30.0)
        overlap, measures[name] = _frame_measures(truth, boxes, seconds, own_rate, rate, result.live)
        sequences[name] = SequenceScores(
            name=name,
            scores=scores[name].scores,
            curves=scores[name].curves,
            robot=robot_scores([measures[name]]),
            boxes=boxes,
            overlap=overlap,
            seconds=None if np.isnan(seconds).all() else seconds,
            confidences=None if np.isnan(confidences).all() else confidences,
            faults=tuple(filter(None, said)),
            covered=float(rests.sum() / max(1, counts.sum())),
        )
    overall = protocol.average(scores.values())
    times = [sequence.seconds for sequence in sequences.values()]
    return TrackerScores(
        label=results.label,
        scores=overall.scores,
        curves=overall.curves,
        attributes={
            attribute: protocol.average(scores[name] for name in names if name in scores).scores
            for attribute, names in evaluation_set.attributes.items()
        },
        robot=robot_scores(measures.values()),
        frame_ms=_milliseconds(times, 50),
        frame_ms_p95=_milliseconds(times, 95),
        sequences=sequences,
        faults=faults,
        settings=dict(results.settings),
        covered=counted / max(1, total),
    )


def _frame_measures(
    truth: Truth, boxes: np.ndarray, seconds: np.ndarray, own_rate: float, rate: float | None, live: bool
) -> tuple[np.ndarray, FrameMeasures]:
    """`(N,)` overlap of each frame, and what the robot's measures need."""
    known = truth.sides
    overlap = _best(overlaps, boxes, known)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = -_best(_nearness, boxes, known)
    each = truth.steps
    if np.isnan(seconds).all():
        return overlap, FrameMeasures(own_rate / truth.stride, overlap[each], distance[each])
    # The frames of a live run came at its own rate, whatever rate is simulated for the others.
    at_hand, processed = (
        newest_answers_live(seconds, own_rate) if live else newest_answers_simulated(seconds, rate or own_rate)
    )
    first = known[0][np.isfinite(known[0]).all(axis=1)][0]
    streamed = _best(overlaps, np.where(at_hand[:, None] >= 0, boxes[at_hand], first), known)
    offered = ~np.isnan(seconds)
    start = int(np.argmax(offered))
    streamed[:start] = np.nan
    if live:
        offered[start:] = True  # a frame without an answer came all the same
    return overlap, FrameMeasures(
        own_rate / truth.stride,
        overlap[each],
        distance[each],
        streamed[each],
        int((processed & offered).sum()),
        int(offered.sum()),
    )


def _nearness(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(N,)` distance of the centres in target sides, negative: the larger, the better."""
    return -distances(boxes, truth) / np.sqrt(truth[:, 2] * truth[:, 3])


def _best(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], boxes: np.ndarray, truths: list[np.ndarray]
) -> np.ndarray:
    """`(N,)` the largest measure over one or two truths; NaN where none is known."""
    return np.fmax.reduce([measure(boxes, truth) for truth in truths])


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if not np.isnan(values).all() else None


def _milliseconds(times: list[np.ndarray | None], percentile: float) -> float | None:
    """Percentile of the times for a frame, without the first of each sequence, the start."""
    each = [seconds[~np.isnan(seconds)][1:] for seconds in times if seconds is not None]
    known = np.concatenate(each) if each else np.zeros(0)
    return float(1000 * np.percentile(known, percentile)) if len(known) else None


def _plain(value: Any) -> Any:
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
