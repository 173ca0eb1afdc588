"""`ckd evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ckd_ros.app.commands.arguments import OptionalFolder, Several, optional
from ckd_ros.app.terminal import console


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score trackers on a benchmark, or on your own sequences, by its protocol; a run that was stopped goes on.

    What is finished lies in OUT/TRACKER and is not run again; OUT/report.html and OUT/scores.json come at the end.

    Example: ckd evaluate --dataset folder --root DATA/mine --tracker ckd csrt

    Attributes:
        dataset: gtot, rgbt210, rgbt234, lasher, vtuav, folder, videos, simulator, or runs: recorded robot runs.
        root: folder that holds its sequences; the four benchmarks before vtuav need none to score results. For runs a
            bag with /ckd/track ('BAG?topic=/TOPIC' for another), or a folder of bags, each with its truth BAG.csv.
        split: for lasher and vtuav train or test (the default), for videos and simulator train or held_out.
        modality: use only one of the cameras.
        tracker: trackers to run, [LABEL=]KIND[:key=value,...]: ckd, csrt, kcf, nano, vit, template, or
            'program:COMMAND LINE'; docs/trackers.md says more.
        results: folders with boxes of other trackers to score beside them.
        out: folder for boxes, scores and report; default: runs/KIND where trackers are run, else none.
        processes: how many sequences are run at a time; default: as many as there are cores.
        ray: run on several machines: 'auto' or the address of a Ray cluster, or 'local' for one on this machine.
        sequences: use only these; 'night*' are all whose names begin so.
        list: print the names of the sequences and how many frames each has, and do nothing else.
        rate: frames per second at which frames arrive, for the latency-aware scores; default: each sequence's own.
        truth: for runs: truth file of the bag, or folder of them; default: BAG.csv or BAG.txt beside each bag.
        json: print all scores as JSON on the standard output, and nothing else there.
    """

    dataset: Annotated[str, tyro.conf.arg(metavar="KIND")]
    root: OptionalFolder = None
    split: Annotated[str | None, optional("SPLIT")] = None
    modality: Literal["both", "rgb", "thermal"] = "both"
    tracker: Annotated[Several, tyro.conf.arg(metavar="TRACKER [TRACKER ...]")] = ()
    results: Annotated[Several, tyro.conf.arg(metavar="[LABEL=]DIR [[LABEL=]DIR ...]")] = ()
    out: OptionalFolder = None
    processes: Annotated[int | None, optional("N")] = None
    ray: Annotated[str | None, optional("ADDRESS")] = None
    sequences: Annotated[Several, tyro.conf.arg(metavar="NAME [NAME ...]")] = ()
    list: bool = False
    rate: Annotated[float | None, optional("HZ")] = None
    truth: Annotated[Path | None, optional("PATH")] = None
    json: bool = False

    def run(self) -> None:
        from json import dumps

        from ckd_ros.app.terminal import evaluation_progress, fault_lines, scores_table
        from ckd_ros.evaluation.evaluate import SCORES, EvaluationOptions, evaluate
        from ckd_ros.evaluation.scoring import as_json
        from ckd_ros.files import refuse_unwritable

        dataset = self.dataset.lower()  # benchmarks write LasHeR, GTOT
        names = tuple(chain.from_iterable(self.sequences))
        if self.list:
            self._print_sequences(dataset, names)
            return
        out = Path("runs") / dataset if self.tracker and self.out is None else self.out
        if out is not None:
            refuse_unwritable([out / SCORES])
        options = EvaluationOptions(
            dataset,
            root=self.root,
            split=self.split,
            modality=self.modality,
            sequences=names,
            truth=self.truth,
            trackers=tuple(chain.from_iterable(self.tracker)),
            results=tuple(chain.from_iterable(self.results)),
            out=out,
            processes=self.processes,
            ray=self.ray,
            rate=self.rate,
        )
        with evaluation_progress(f"evaluate {dataset}") as on_progress:
            evaluation = evaluate(options, on_progress)
        console().print(scores_table(evaluation))
        for line in fault_lines(evaluation):
            console().print(line, markup=False, soft_wrap=True)
        if self.json:
            print(dumps(as_json(evaluation), indent=1))
        if out is not None:
            console().print(f"{out / 'report.html'}, {out / 'scores.json'}", soft_wrap=True)

    def _print_sequences(self, dataset: str, names: tuple[str, ...]) -> None:
        from ckd_ros.evaluation.evaluate import DEFAULT_SPLITS
        from ckd_ros.evaluation.evaluation_set import list_sequences

        split = self.split or DEFAULT_SPLITS.get(dataset)
        lengths, faults = list_sequences(dataset, self.root, split, self.modality, names, self.truth)
        if not lengths:
            raise ValueError("; ".join(f"{name}: {reason}" for name, reason in faults.items()))
        for name, frames in lengths.items():
            print(f"{name} {frames}")
        for name, reason in faults.items():
            console().print(f"{name}: {reason}", markup=False, soft_wrap=True)
