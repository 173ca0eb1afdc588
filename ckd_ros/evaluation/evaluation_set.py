"""The sequences that trackers are scored on, with their truth, and what is wrong with the others."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ckd_ros.datasets.benchmarks import official_names, open_dataset
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.protocols import BenchmarkProtocol, protocol_for
from ckd_ros.evaluation.result_files import TrackerResults
from ckd_ros.evaluation.truth import Truth
from ckd_ros.settings import Setting, read_text, suggestion

#: Kind of data set that holds the results of a robot's tracker, see `recorded_runs`.
RUNS = "runs"
_TOPIC = Setting("topic", str, description="what the tracker said: /ckd/track, if not given")


@dataclass
class EvaluationSet:
    """A data set as it is used.

    Attributes:
        protocol: of the data set.
        truths: sequence -> truth.
        rates: sequence -> frames per second.
        faults: sequences that cannot be used, and why.
        sequences: with their images, by name; empty where only existing results are scored.
        attributes: attribute -> names of the sequences that have it.
        total: how many sequences the data set has.
        data: what was asked for, for the record.
        recorded: results that lie in the data set itself, as those of recorded runs do.
    """

    protocol: BenchmarkProtocol
    truths: dict[str, Truth] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, FrameSequence] = field(default_factory=dict)
    attributes: dict[str, list[str]] = field(default_factory=dict)
    total: int = 0
    data: dict = field(default_factory=dict)
    recorded: list[TrackerResults] = field(default_factory=list)

    @property
    def lengths(self) -> dict[str, int]:
        """Sequence -> frames."""
        return {name: len(truth) for name, truth in self.truths.items()}


def open_evaluation_set(
    kind: str,
    root: str | Path | None,
    split: str | None = None,
    modality: str = "both",
    names: Sequence[str] = (),
    images: bool = True,
    truth: str | Path | None = None,
) -> EvaluationSet:
    """The data set `kind`: one of `open_dataset`, or `runs`, recorded runs as `open_runs` reads them.

    Args:
        names: the sequences to use, also by patterns as `night*`; all if empty. What is not there is a fault.
        images: whether trackers are going to be run; without, the truth of some benchmarks needs no `root`.
        root: for `runs` a bag or a folder of bags, `ROOT?topic=/TOPIC` where their tracker did not say `/ckd/track`.
        truth: for `runs` the truth file, or a folder of them, if they do not lie beside the bags.

    Raises ValueError or OSError if not one sequence can be used.
    """
    evaluation_set = _opened(kind, root, split, modality, images, truth)
    if names:
        _choose(evaluation_set, names)
    _read_truths(evaluation_set)
    if not evaluation_set.truths:
        raise ValueError("; ".join(f"{name}: {reason}" for name, reason in evaluation_set.faults.items()))
    evaluation_set.attributes = evaluation_set.protocol.attributes(evaluation_set.sequences.values())
    return evaluation_set


def list_sequences(
    kind: str,
    root: str | Path | None,
    split: str | None = None,
    modality: str = "both",
    names: Sequence[str] = (),
    truth: str | Path | None = None,
) -> tuple[dict[str, int], dict[str, str]]:
    """The sequences of a data set with their frames, and what is wrong with the others.

    The arguments are those of `open_evaluation_set`; no image, and of most data sets no truth is looked at.
    """
    evaluation_set = _opened(kind, root, split, modality, root is not None, truth)
    if names:
        _choose(evaluation_set, names)
    lengths = {name: len(sequence) for name, sequence in evaluation_set.sequences.items()}
    return lengths or evaluation_set.lengths, evaluation_set.faults


def _opened(
    kind: str,
    root: str | Path | None,
    split: str | None,
    modality: str,
    images: bool,
    truth: str | Path | None,
) -> EvaluationSet:
    """The data set, before truths are read."""
    protocol = protocol_for(kind, split)
    if kind == RUNS:
        evaluation_set = _recorded_runs(protocol, root, modality, truth)
    elif truth is not None:
        raise ValueError(f"{kind} brings its own truth: --truth is for the data set '{RUNS}'")
    elif root is None and not images and protocol.official:
        truths = protocol.official_truths()
        evaluation_set = EvaluationSet(protocol, truths, dict.fromkeys(truths, 30.0), total=len(truths))
    elif root is None and not images and kind != "simulator":
        raise ValueError(f"the truth of {kind} lies beside its images: name its folder with --root")
    else:
        evaluation_set = _with_images(protocol, root, modality)
    return evaluation_set


def _with_images(protocol: BenchmarkProtocol, root: str | Path | None, modality: str) -> EvaluationSet:
    root = None if root is None else Path(root).expanduser().absolute()  # other machines work in other folders
    data = open_dataset(protocol.kind, root, protocol.split, modality)
    evaluation_set = EvaluationSet(protocol, faults=dict(data.faults))
    evaluation_set.sequences = {sequence.name: sequence for sequence in data}
    evaluation_set.total = len(data) + len(data.faults)
    if protocol.official:
        evaluation_set.total = len(official_names(protocol.kind, protocol.split))
    for name in data.missing:
        del evaluation_set.faults[name]
    if data.missing:
        first = data.faults[data.missing[0]]
        evaluation_set.faults[f"{len(data.missing)} missing"] = f"{first}, and so on: {', '.join(data.missing)}"
    evaluation_set.data = {"dataset": protocol.kind, "modality": modality}
    if not protocol.official and protocol.kind != "vtuav" and root is not None:
        evaluation_set.data["root"] = str(root.resolve())  # names alone do not tell which data it was
    return evaluation_set


def _recorded_runs(
    protocol: BenchmarkProtocol, root: str | Path | None, modality: str, truth: str | Path | None
) -> EvaluationSet:
    from ckd_ros.evaluation.recorded_runs import open_runs

    if root is None:
        raise ValueError(f"{RUNS} need a root: a bag, or the folder that holds bags")
    if modality != "both":
        raise ValueError(
            f"modality '{modality}' cannot be chosen for recorded runs: they keep all images that were recorded"
        )
    path, question, query = str(root).partition("?")
    topic = {}
    if question and not Path(root).exists():
        root, topic = Path(path), read_text(query, [_TOPIC], "recorded run", "&")
    runs = open_runs(root, truth, **topic)
    return EvaluationSet(
        protocol,
        runs.truths,
        runs.rates,
        runs.faults,
        runs.sequences,
        total=len(runs.truths) + len(runs.faults),
        data={"dataset": RUNS, "root": str(Path(root).expanduser().resolve())},
        recorded=[runs.results],
    )


def _choose(evaluation_set: EvaluationSet, names: Sequence[str]) -> None:
    """Leave the sequences of these names, and those that fit a name with `*`, `?` or `[...]`."""
    there = {**evaluation_set.sequences, **evaluation_set.truths, **evaluation_set.faults}
    chosen: set[str] = set()
    for name in names:
        chosen |= {name} if name in there else {*fnmatch.filter(there, name)} or {name}
    evaluation_set.faults = {name: reason for name, reason in evaluation_set.faults.items() if name in chosen}
    for name in sorted(chosen - there.keys()):
        pattern = "that fits" if set(name) & set("*?[") else "of this name"
        fault = f"the data set has no sequence {pattern}"
        evaluation_set.faults[name] = ": ".join(filter(None, (fault, suggestion(name, there) or "--list shows all")))
    evaluation_set.sequences = {name: one for name, one in evaluation_set.sequences.items() if name in chosen}
    evaluation_set.truths = {name: truth for name, truth in evaluation_set.truths.items() if name in chosen}


def _read_truths(evaluation_set: EvaluationSet) -> None:
    """The truth of every sequence that has images; those without a usable one are left out."""
    for name, sequence in list(evaluation_set.sequences.items()):
        if name in evaluation_set.truths:
            continue
        try:
            evaluation_set.truths[name], evaluation_set.rates[name] = (
                evaluation_set.protocol.truth_of(sequence),
                sequence.rate,
            )
        except (ValueError, OSError) as error:
            evaluation_set.faults[name] = str(error)
            del evaluation_set.sequences[name]
