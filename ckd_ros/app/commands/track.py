"""`ckd track`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ckd_ros.app.commands.arguments import OptionalFile, Source, optional
from ckd_ros.app.terminal import console, with_progress


@dataclass(frozen=True)
class Track:
    """Follow a target through recorded or simulated frames.

    In the window: space pauses, r lets you draw a new box on the frame shown (Enter takes it), q or Esc ends the run
    and keeps what was found so far.

    Attributes:
        source: 'simulator[:key=value,...]', a folder of registered pairs (rgb/, tir/), a sequence folder (visible/,
            infrared/), videos 'rgb.mp4,thermal.mp4' ('rgb.mp4,' or ',thermal.mp4' for one), or a bag
            ('BAG?rgb=/TOPIC&thermal=/TOPIC' to choose its topics).
        out: file for the boxes, written twice: as .txt one line x,y,w,h per frame, as .csv a table with confidence,
            state and latency too, and what went wrong as NAME_faults.txt; default: runs/track/NAME.csv.
        init: the target's box in the first frame, pixels of the colour image, or 'mouse' to draw it; default: what the
            source says, else it is drawn.
        show: watch it in a window.
        video: annotated video to write (.mp4, .avi or .mkv).
        modality: use only one of the cameras.
        registration: from colour to thermal pixels: none (same field of view), offset:DX,DY (thermal pixels), affine: 6
            or homography: 9 numbers, row by row.
        min_overlap: least part of the colour image that the thermal one must show, 0 to 1, for a registration to be
            taken; lower it for a thermal camera of narrow view.
        model: the network, an .onnx file or a .safetensors checkpoint; default: the shipped one, as int8 on CPUs made
            for that.
    """

    source: tyro.conf.Positional[Source]
    out: OptionalFile = None
    init: Annotated[str | None, optional("X,Y,W,H")] = None
    show: bool = False
    video: OptionalFile = None
    modality: Literal["both", "rgb", "thermal"] = "both"
    registration: Annotated[str, tyro.conf.arg(metavar="KIND:NUMBERS")] = "none"
    min_overlap: float = 0.5
    model: OptionalFile = None

    def run(self) -> None:
        from ckd_ros.app.live import LiveRun, result_files, write_results
        from ckd_ros.datasets.sources import open_source
        from ckd_ros.evaluation.plausibility import coverage_fault
        from ckd_ros.evaluation.report.faults import first_of_each_kind
        from ckd_ros.files import refuse_inputs
        from ckd_ros.metrics import score
        from ckd_ros.tracking import Registration, Tracker, TrackResult, open_engine, suited_model

        registration = Registration.from_text(self.registration, self.min_overlap)
        sequence = open_source(self.source, modality=self.modality)
        out, model = self.out or Path("runs") / "track" / f"{sequence.name}.csv", self.model or suited_model()
        outputs = [*result_files(out), *([self.video] if self.video else [])]
        refuse_inputs(outputs, [*sequence.inputs, model])
        for note in sequence.notes:
            console().print(f"note: {note}", markup=False, soft_wrap=True)
        tracker = Tracker(open_engine(model), registration)
        results: list[TrackResult] = []
        stopped = False
        with LiveRun(tracker, sequence, registration, self.init, self.show, self.video) as run:
            try:
                for result in with_progress(run.results(), len(sequence), f"track {sequence.name}"):
                    results.append(result)
            except KeyboardInterrupt:
                if not results:
                    raise KeyboardInterrupt("stopped before the first frame: nothing was written") from None
                stopped = True
        faults = [*run.faults, *tracker.new_images.describe()]
        written = ", ".join(map(str, write_results(out, results, [*sequence.notes, *faults])))
        for fault in first_of_each_kind(faults):
            console().print(fault, markup=False, soft_wrap=True)
        count = f"{len(results)} of {len(sequence)} frames"
        if stopped:
            raise KeyboardInterrupt(f"stopped after {count}: {written}")
        if len(results) == len(sequence):
            count = f"{len(results)} frames"
        elif run.ended:
            count = f"ended by you after {count}"
        else:
            raise ValueError(f"{sequence.name} ends after {count}: {written}")
        console().print(f"{count} on {tracker.engine.provider}: {written}", soft_wrap=True)
        truth = np.zeros((0, 4)) if sequence.boxes is None else sequence.boxes
        known = np.isfinite(truth.sum(axis=1))
        if known[: len(results)].any():
            scores = score(np.array([result.box for result in results]), truth[: len(results)])
            console().print(
                f"against the truth in {scores.frames} frames: success AUC {scores.success_auc:.3f}, precision at "
                f"20 px {scores.precision:.3f}, mean overlap {scores.mean_iou:.3f}"
            )
            read = known[: len(results)] & np.isfinite([result.total_s for result in results])
            if fault := coverage_fault(int(read.sum()), int(known.sum())):
                console().print(fault, soft_wrap=True)
