"""What matters on a robot: how long a tracker holds its target, how it fails, and which boxes it has in time.

Definitions, over the frames in which the target is visible (its truth is known):

* A frame is a *miss* when the box does not touch the target at all (IoU 0, or no box).
* The *longest run* is the longest time without a miss. Time in which the target is out of sight neither counts nor
  ends it.
* A *failure* is a miss directly after a frame without one. A miss is not a failure when the target has just come back
  into sight: the tracker did not lose it, but has yet to find it. *Failures per minute* are per minute of visible
  target.
* A *return* is the first frame of the target after it was out of sight. *Re-acquisition* is the time from there to the
  first box that overlaps by `FOUND`, and 0 when that is at once. A return is *missed* when no such box comes before the
  target goes again or the sequence ends; the median time is over the others, so read it beside their number.
* *Drift* is the slope of a straight line fitted to the distance of the centres, in target sides (geometric mean of
  width and height), over time, in the frames without a miss. Over several sequences it is one slope for all, with a
  level of its own for each.
* *Streaming* overlap is that of the newest box that is available when each frame arrives (Li, Wang, Ramanan: Towards
  Streaming Perception, ECCV 2020). Frames arrive at a fixed rate; the tracker takes the newest one as soon as it is
  free and drops those in between; before its first answer the first box of the truth is used. Even a tracker that keeps
  pace is late by the one frame that it is working on.

The boxes of a streaming score come from a pass in which the tracker saw every frame. As long as it keeps pace that is
exact. Where it would have dropped frames it is optimistic: it would have had a larger motion between those it saw.
Those of a run recorded on a robot are available from the moment that they came (`newest_answers_live`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ckd_ros.evaluation.scores import RobotScores
from ckd_ros.metrics import longest_run

FOUND = 0.3  # overlap by which a target counts as found again


@dataclass(frozen=True)
class FrameMeasures:
    """What the robot's measures are computed from, for the N frames of one sequence.

    Frames without truth take their time, but are not counted.

    Attributes:
        rate: of the rows of `overlap` and `distance`, per second.
        overlap: `(N,)` IoU; NaN where the target is not visible, 0 where the track is missing.
        distance: `(N,)` of the centres in target sides; NaN where either is missing.
        streamed: `(N,)` IoU with the box at hand when the frame arrives; None without times.
        offered: how many frames the tracker was shown; 0 without times.
        processed: for how many of them it had time.
    """

    rate: float
    overlap: np.ndarray
    distance: np.ndarray
    streamed: np.ndarray | None = None
    processed: int = 0
    offered: int = 0


def robot_scores(sequences: Iterable[FrameMeasures]) -> RobotScores:
    """The measures (see the module) of one sequence, or over several.

    Over several: the median of the longest runs, the median of all re-acquisition times, sums of counts, failures over
    the whole time, one drift, the mean of streaming overlaps, and the share of all frames.
    """
    sequences = [sequence for sequence in sequences if not np.isnan(sequence.overlap).all()]
    if not sequences:
        return RobotScores()
    failures = sum(_failures(sequence.overlap) for sequence in sequences)
    minutes = sum(np.count_nonzero(~np.isnan(sequence.overlap)) / sequence.rate for sequence in sequences) / 60
    waits = np.concatenate([_waits(sequence.overlap) / sequence.rate for sequence in sequences])
    found = waits[np.isfinite(waits)]
    streamed = [np.nanmean(sequence.streamed) for sequence in sequences if sequence.streamed is not None]
    offered = sum(sequence.offered for sequence in sequences)
    return RobotScores(
        longest_run_s=float(np.median([longest_run(sequence.overlap) / sequence.rate for sequence in sequences])),
        failures=failures,
        failures_per_minute=float(failures / minutes),
        reacquired_s=float(np.median(found)) if len(found) else None,
        returns=len(waits),
        missed_returns=len(waits) - len(found),
        drift_per_minute=_drift(sequences),
        streaming=float(np.mean(streamed)) if streamed else None,
        processed=sum(sequence.processed for sequence in sequences) / offered if offered else None,
    )


def newest_answers_simulated(seconds: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The newest frame that is answered when each of N frames arrives, in a simulation of a camera that does not wait.

    Frame `i` arrives at `i / rate`; `seconds` `(N,)` is what the tracker takes for each. Frames before the first known
    time come before its start; later ones without a time cost none.

    Returns `(N,)` frame numbers, -1 where there is no answer yet, and `(N,)` bool: which frames were processed at all.
    """
    count = len(seconds)
    known = np.flatnonzero(~np.isnan(seconds))
    taken: list[int] = []
    ready: list[float] = []
    number = int(known[0]) if len(known) else count
    cost = (np.nan_to_num(np.asarray(seconds, float)) * rate).tolist()
    free = float(number)  # time in frames
    while number < count:
        free = max(free, number) + cost[number]
        taken.append(number)
        ready.append(free)
        # The newest frame that has arrived; a hair's breadth of time is lost in rounding.
        number = max(number + 1, int(free + 1e-6))
    latest = np.searchsorted(np.array(ready) - 1e-6, np.arange(count), side="right") - 1
    processed = np.zeros(count, bool)
    processed[taken] = True
    return np.where(latest >= 0, np.array([*taken, -1])[latest], -1), processed


def newest_answers_live(seconds: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for a run that was live: the answer to frame `i` came `seconds[i]` after it, or (NaN) never did.

    An answer that comes after that to a later frame is never the newest.
    """
    known = np.flatnonzero(~np.isnan(seconds))
    ready = known + seconds[known] * rate
    order = np.argsort(ready, kind="stable")
    newest = np.maximum.accumulate(known[order])
    latest = np.searchsorted(ready[order] - 1e-6, np.arange(len(seconds)), side="right") - 1
    return np.where(latest >= 0, np.append(newest, -1)[latest], -1), ~np.isnan(seconds)


def _failures(overlap: np.ndarray) -> int:
    return int(np.count_nonzero((overlap[1:] == 0) & (overlap[:-1] > 0)))


def _waits(overlap: np.ndarray) -> np.ndarray:
    """Frames from each return of the target to the first box that found it; infinite for a missed return."""
    visible = ~np.isnan(overlap)
    edges = np.diff(np.concatenate([[False], visible, [False]]).astype(int))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    hits = np.flatnonzero(np.nan_to_num(overlap) >= FOUND)
    first = np.append(hits, len(overlap))[np.searchsorted(hits, starts)]
    return np.where(first < ends, first - starts, np.inf)[1:]  # the first time it is seen is not a return


def _drift(sequences: list[FrameMeasures]) -> float | None:
    """One slope by least squares, every sequence with its own level; None where no sequence has enough frames."""
    above = below = 0.0
    for sequence in sequences:
        used = np.flatnonzero((np.nan_to_num(sequence.overlap) > 0) & np.isfinite(sequence.distance))
        if len(used) > 1:
            minutes = used / sequence.rate / 60
            minutes = minutes - minutes.mean()
            above += float(minutes @ sequence.distance[used])
            below += float(minutes @ minutes)
    return above / below if below else None
