"""The results of a run of the demo: a table of its frames, a summary, a plot."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ckd_ros.files import replacing
from ckd_ros.metrics import overlaps, score
from ckd_ros.tracking import TrackResult, TrackState

#: Share of the frames that may be dropped before the machine counts as too slow.
DROPPED = 0.05


@dataclass(frozen=True)
class TimedResult:
    """What the tracker published for one frame: its result, and the seconds from the image's stamp to publication."""

    result: TrackResult
    latency: float


class DemoRun:
    """What the tracker published for each frame of a source, in the order of the frames.

    Args:
        results: one for each frame; None where none came.
        truth: `N x 4` true boxes (NaN: not visible), or None when there is no truth.
        rate: frames per second.
        incomplete: numbers of the frames of which the source itself had lost an image.
    """

    def __init__(
        self,
        results: list[TimedResult | None],
        truth: np.ndarray | None,
        rate: float,
        incomplete: Collection[int] = (),
    ) -> None:
        self.results, self.rate, self.incomplete = results, rate, set(incomplete)
        self.truth = truth if truth is not None and np.isfinite(truth).all(axis=1).any() else None
        blank = np.full(4, np.nan)
        self.boxes = np.array([blank if timed is None else timed.result.box for timed in results]).reshape(-1, 4)
        missing = np.array([timed is None for timed in results])
        self._dropped = missing & ~np.isin(np.arange(len(results)), list(self.incomplete))
        # What the tracker never saw it did not miss.
        self.overlap = None if self.truth is None else np.where(missing, np.nan, overlaps(self.boxes, self.truth))

    @property
    def state(self) -> TrackState:
        """The state in the last result; IDLE where there was none."""
        return next((timed.result.state for timed in reversed(self.results) if timed), TrackState.IDLE)

    def lost(self) -> str | None:
        """Why the target counts as lost at the end, or None.

        It is lost when the tracker says so while the target is visible (or nobody knows), or when no box of the last
        second in which it was visible touches it.
        """
        if self.state in (TrackState.LOST, TrackState.IDLE) and (
            self.truth is None or np.isfinite(self.truth[-1]).all()
        ):
            return f"the tracker ended in the state {self.state.name}"
        if self.overlap is not None and self.truth is not None:
            visible = np.isfinite(self.truth).all(axis=1)
            last = self.overlap[visible][-max(1, round(self.rate)) :]
            if not np.nan_to_num(last).any():
                return f"no box of the last {len(last)} frames in which the target was visible touches it"
        return None

    def slow(self) -> str | None:
        """That the machine was too slow for the rate, and what it could do; None if it was not."""
        dropped, count = int(self._dropped.sum()), len(self.results)
        if dropped <= DROPPED * count:
            return None
        times = [timed.result.total_s for timed in self.results if timed]
        able = 0.8 / max(1e-3, float(np.median(times))) if times else 0.0
        # Where the network alone would be quick enough, other programs had the cores.
        remedy = f"RATE={max(1, int(able))}" if 1 <= able < self.rate else "fewer other programs, or a lower RATE,"
        return (
            f"this machine was too slow for {self.rate:g} frames a second: {dropped} of {count} were dropped; "
            f"{remedy} would help"
        )

    def summary(self) -> dict[str, object]:
        """Counts, scores (None without truth) and latencies in milliseconds (None without results).

        `pairs` are the frames with a result, `dropped` those without one although the source had all their images.
        Scores are of the frames with a result.
        """
        answered = np.array([timed is not None for timed in self.results])
        truth = None if self.truth is None else self.truth[answered]
        known = truth is not None and np.isfinite(truth).all(axis=1).any()
        scores = score(self.boxes[answered], truth) if truth is not None and known else None
        latencies = 1e3 * np.array([timed.latency for timed in self.results if timed])
        return {
            "frames": len(self.results),
            "pairs": len(latencies),
            "dropped": int(self._dropped.sum()),
            "mean_iou": _rounded(scores.mean_iou if scores else None),
            "success_auc": _rounded(scores.success_auc if scores else None),
            "precision_20px": _rounded(scores.precision if scores else None),
            "latency_ms_median": _rounded(float(np.median(latencies))) if len(latencies) else None,
            "latency_ms_p95": _rounded(float(np.quantile(latencies, 0.95))) if len(latencies) else None,
            "final_state": self.state.name,
            "lost": self.lost(),
            "slow": self.slow(),
        }

    def write_table(self, path: Path) -> None:
        """A CSV file with one row for each frame."""
        with replacing(path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["frame", "x", "y", "w", "h", "confidence", "state", "latency_ms", "overlap"])
            for index, timed in enumerate(self.results):
                overlap = "" if self.overlap is None or timed is None else f"{self.overlap[index]:.4f}"
                row = ["", "", "", "", "", "", ""]
                if timed is not None:
                    result = timed.result
                    row = [f"{value:.2f}" for value in result.box]
                    row += [f"{result.confidence:.4f}", result.state.name, f"{1e3 * timed.latency:.3f}"]
                writer.writerow([index, *row, overlap])

    def plot(self, path: Path, title: str) -> None:
        """Overlap with the truth, confidence and latency over time, as a picture."""
        from matplotlib.figure import Figure

        time = np.arange(len(self.results)) / self.rate
        figure = Figure(figsize=(10, 7), layout="constrained")
        overlap, confidence, latency = figure.subplots(3, sharex=True)
        figure.suptitle(title)
        if self.truth is not None:
            hidden = ~np.isfinite(self.truth).all(axis=1)
            if hidden.any():
                overlap.fill_between(time, 0, 1, where=hidden, color="0.85", label="target not visible", lw=0)
            overlap.plot(time, self.overlap, color="tab:blue", label="overlap")
        else:
            overlap.text(0.5, 0.5, "no truth", transform=overlap.transAxes, ha="center")
        if self._dropped.any():
            moments = time[self._dropped]
            overlap.plot(moments, np.zeros(len(moments)), "|", color="tab:red", ms=12, clip_on=False, label="dropped")
        overlap.set(ylim=(0, 1.02), ylabel="overlap with the truth")
        values = self._column(lambda timed: timed.result.confidence)
        confidence.plot(time, values, color="0.6", lw=0.8)
        for state, colour in _COLOURS.items():
            chosen = [timed is not None and timed.result.state is state for timed in self.results]
            if any(chosen):
                confidence.plot(time, np.where(chosen, values, np.nan), ".", ms=4, color=colour, label=state.name)
        confidence.set(ylim=(0, 1.02), ylabel="confidence")
        latency.plot(time, self._column(lambda timed: 1e3 * timed.latency), color="tab:blue")
        latency.set(ylim=(0, None), ylabel="latency [ms]", xlabel="time [s]")
        for axes in (overlap, confidence, latency):
            axes.grid(alpha=0.3)
            if axes.get_legend_handles_labels()[0]:  # beside the curves, so that it hides nothing
                axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110)

    def _column(self, value: Callable[[TimedResult], float]) -> np.ndarray:
        return np.array([np.nan if timed is None else value(timed) for timed in self.results])


_COLOURS = {TrackState.TRACKING: "tab:green", TrackState.UNCERTAIN: "tab:orange", TrackState.LOST: "tab:red"}


def write_summary(path: Path, summary: dict[str, object]) -> None:
    """A JSON file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
