"""The scores of an evaluation, as plain data: `scoring.py` computes them, the report and `--json` show them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: A score that rests on a smaller share of the truth (`covered`) is marked wherever it is shown.
ENOUGH = 0.9


@dataclass(frozen=True)
class Measure:
    """One curve of a benchmark's protocol and the figure read off it.

    Attributes:
        name: as papers print it: PR, NPR, SR, MPR or MSR.
        title: of its plot.
        axis: label of the thresholds, with unit.
        thresholds: `(T,)`.
        at: index of the threshold at which the figure is read; None: the area under the curve.
    """

    name: str
    title: str
    axis: str
    thresholds: np.ndarray
    at: int | None


@dataclass(frozen=True)
class RobotScores:
    """How a robot would have fared (`robot_metrics.py` has the definitions); None where it cannot be computed.

    Times are in seconds, at the sequence's rate.

    Attributes:
        longest_run_s: longest time without a frame whose box misses the visible target (IoU 0).
        failures: how often the box came off the visible target (IoU fell to 0 from one frame to the next).
        failures_per_minute: of time in which the target was visible.
        reacquired_s: median time from the target's return (after it was out of sight) to the first box that overlaps it
            by 0.3, where there was one; None otherwise.
        returns: how often the target came back into sight.
        missed_returns: of those, how often it was not found again before it went or the sequence ended.
        drift_per_minute: growth of the centre's distance while the box touches the target, in target sides a minute.
        streaming: mean overlap with the box that is available when each frame arrives (latency-aware); None without
            times.
        processed: share of the frames it was shown that the tracker would have had time for; None without times.
    """

    longest_run_s: float | None = None
    failures: int | None = None
    failures_per_minute: float | None = None
    reacquired_s: float | None = None
    returns: int | None = None
    missed_returns: int | None = None
    drift_per_minute: float | None = None
    streaming: float | None = None
    processed: float | None = None


@dataclass(frozen=True)
class SequenceScores:
    """One tracker on one sequence.

    Attributes:
        scores: measure -> figure in [0, 1].
        curves: measure -> `(T,)`.
        boxes: `(N, 4)` the tracker's, NaN rows where it has none.
        overlap: `(N,)` IoU with the truth (the better one where there are two), NaN where the target is not visible.
        seconds: `(N,)` time for each frame, NaN where not known; None where no times are known at all.
        confidences: `(N,)` the tracker's, NaN where it gave none; None where it gave none at all.
        faults: of this tracker on this sequence: damaged frames, a wrong length, its own failures.
        covered: share of the truth's frames that count in which the tracker was asked and answered (see `ENOUGH`).
    """

    name: str
    scores: dict[str, float]
    curves: dict[str, np.ndarray]
    robot: RobotScores
    boxes: np.ndarray
    overlap: np.ndarray
    seconds: np.ndarray | None = None
    confidences: np.ndarray | None = None
    faults: tuple[str, ...] = ()
    covered: float = 1.0


@dataclass(frozen=True)
class TrackerScores:
    """One tracker on all sequences.

    Attributes:
        label: its name in tables, and of its folder.
        scores, curves: as in `SequenceScores`, over the data set by the benchmark's own way of averaging; NaN when
            there is not one result.
        attributes: attribute -> measure -> figure, over the sequences that have it.
        robot: over the data set: the median of times, sums of counts, rates over the whole time.
        frame_ms: median time for a frame after the first, milliseconds; None without times.
        frame_ms_p95: its 95th percentile.
        sequences: by name, in the data set's order; those without a result are missing.
        faults: sequence -> why there is no result for it ('' -> what concerns the tracker as a whole).
        settings: everything that is known of how the results were made; empty for foreign ones.
        covered: as in `SequenceScores`, of the frames of all sequences, those without a result too.
    """

    label: str
    scores: dict[str, float]
    curves: dict[str, np.ndarray]
    attributes: dict[str, dict[str, float]]
    robot: RobotScores
    frame_ms: float | None
    frame_ms_p95: float | None
    sequences: dict[str, SequenceScores]
    faults: dict[str, str] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    covered: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """Trackers on one data set.

    Attributes:
        dataset: kind and, where it has one, split, as `lasher test`.
        protocol: in words: how the figures were computed.
        measures: in the order in which papers print them; the last one ranks the trackers.
        lengths: sequence -> frames, for each sequence that can be scored.
        attributes: attribute -> the sequences that have it; empty where none are known.
        faults: sequence of the data set -> why it cannot be used (damaged, missing, no truth).
        trackers: best first.
        focus: label of the tracker whose failures are shown first, the one that was asked for first; None: the best.
        rate: frames per second at which `RobotScores.streaming` was computed; None: each sequence's own.
    """

    dataset: str
    protocol: str
    measures: tuple[Measure, ...]
    lengths: dict[str, int]
    attributes: dict[str, list[str]]
    faults: dict[str, str]
    trackers: tuple[TrackerScores, ...]
    focus: str | None = None
    rate: float | None = None
