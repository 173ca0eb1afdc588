"""`ckd track`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from ckd_ros.app.commands.arguments import OptionalFile, Source, optional
from ckd_ros.app.terminal import console, with_progress

if TYPE_CHECKING:
    from ckd_ros.app.node_settings import NodeSettings
    from ckd_ros.datasets.sequence import FrameSequence
    from ckd_ros.tracking import Registration, TrackResult
    from ckd_ros.tracking.engine import Engine

#: Where ONNX Runtime runs a network; auto: the first of tensorrt, cuda and cpu that there is.
Provider = Literal["auto", "cpu", "cuda", "tensorrt"]


@dataclass(frozen=True)
class Track:
    """Follow a target through recorded or simulated frames, or those of live cameras.

    In the window: space pauses, r lets you draw a new box on the frame shown (Enter takes it), q or Esc ends the run
    and keeps what was found so far. Live cameras run until then, or until Ctrl-C.

    Example: ckd track rgb.mp4,thermal.mp4 --init 300,240,40,60 --video out.mp4

    Attributes:
        source: 'simulator[:key=value,...]', a folder of registered pairs (rgb/, tir/), a sequence folder (visible/,
            infrared/), videos 'rgb.mp4,thermal.mp4' ('rgb.mp4,' or ',thermal.mp4' for one), a bag
            ('BAG?rgb=/TOPIC&thermal=/TOPIC' to choose its topics), or live cameras: 0, /dev/video0, rtsp://..., or a
            colour and a thermal one, as 0,2.
        out: file for the boxes, written twice: as .txt one line x,y,w,h per frame, as .csv a table with confidence,
            state and latency too, and what went wrong as NAME_faults.txt; default: runs/track/NAME.csv.
        init: the target's box in the first frame, pixels of the colour image, or 'mouse' to draw it; default: what the
            source says, else it is drawn.
        start: number of the frame to start in, from 0; default: the first in which the source shows the target. Of live
            cameras as many pairs are passed over.
        show: watch it in a window.
        video: annotated video to write (.mp4, .avi or .mkv).
        modality: use only one of the cameras.
        config: parameter file of the node, as config/tracker.yaml, whose tracker, thermal, registration and model
            settings are taken. What is given here comes before it.
        registration: from colour to thermal pixels: none (same field of view), offset:DX,DY (thermal pixels), affine: 6
            or homography: 9 numbers, row by row; default: as the parameter file says, else none.
        min_overlap: least part of the colour image that the thermal one must show, 0 to 1, for a registration to be
            taken; lower it for a thermal camera of narrow view; default: as the parameter file says, else 0.5.
        model: the network: name of a shipped one (`ckd models`), an .onnx file or a .safetensors checkpoint; default:
            as the parameter file says, else the shipped one, as int8 on CPUs made for that.
        provider: where the network must run: cpu, cuda, tensorrt, or auto, the best there is; default: as the parameter
            file says, else auto.
    """

    source: tyro.conf.Positional[Source]
    out: OptionalFile = None
    init: Annotated[str | None, optional("X,Y,W,H")] = None
    start: Annotated[int | None, optional("N")] = None
    show: bool = False
    video: OptionalFile = None
    modality: Literal["both", "rgb", "thermal"] = "both"
    config: OptionalFile = None
    registration: Annotated[str | None, optional("KIND:NUMBERS")] = None
    min_overlap: Annotated[float | None, optional("SHARE")] = None
    model: Annotated[str | None, optional("MODEL")] = None
    provider: Annotated[Provider | None, optional("PROVIDER")] = None

    def run(self) -> None:
        from ckd_ros.app.live import LiveRun, Wishes, result_files, write_results
        from ckd_ros.app.node_settings import read_node_settings
        from ckd_ros.datasets.cameras import LiveCameras, camera_names
        from ckd_ros.datasets.sources import open_source
        from ckd_ros.evaluation.report.faults import first_of_each_kind
        from ckd_ros.files import refuse_inputs, refuse_unwritable
        from ckd_ros.tracking import Tracker

        settings = read_node_settings(self.config)
        registration = self._registration(settings)
        cameras = camera_names(self.source, self.modality)
        with ExitStack() as stack:
            if cameras is None:
                source: FrameSequence | LiveCameras = open_source(
                    self.source, modality=self.modality, thermal_offset=settings.thermal_offset
                )
            else:
                source = stack.enter_context(LiveCameras(cameras))
            out = self.out or Path("runs") / "track" / f"{source.name}.csv"
            length = None if isinstance(source, LiveCameras) else len(source)
            engine, model = self._engine(settings)
            outputs = [*result_files(out), *([self.video] if self.video else [])]
            refuse_unwritable(outputs)
            refuse_inputs(outputs, [*source.inputs, model, *([self.config] if self.config else [])])
            for note in source.notes:
                console().print(f"note: {note}", markup=False, soft_wrap=True)
            tracker = Tracker(engine, registration, settings.tracker)
            wishes = Wishes(self.init, self.start, self.show, self.video, settings.thermal_crop)
            results: list[TrackResult] = []
            try:
                with LiveRun(tracker, source, registration, wishes) as run:
                    count = None if length is None else length - run.start
                    stopped = _gather(with_progress(run.results(), count, f"track {source.name}"), results)
            except Exception as error:  # as of a disk that the video has filled
                if results:
                    failed = f"failed after {len(results)} frames: {error}"
                    kept = write_results(out, results, [*source.notes, failed], run.start)
                    console().print(f"what was found until then: {', '.join(map(str, kept))}", soft_wrap=True)
                raise
        if isinstance(source, LiveCameras) and not results:
            raise ValueError(source.fault)
        faults = [*run.faults, *tracker.new_images.describe(), *tracker.quality.describe()]
        written = ", ".join(map(str, write_results(out, results, [*source.notes, *faults], run.start)))
        for fault in first_of_each_kind(faults):
            console().print(fault, markup=False, soft_wrap=True)
        text = f"{len(results)} frames" if length is None else f"{len(results)} of {length - run.start} frames"
        if stopped:
            raise KeyboardInterrupt(f"stopped after {text}: {written}")
        if run.ended:
            text = f"ended by you after {text}"
        elif isinstance(source, LiveCameras):
            raise ValueError(f"{source.fault}, after {text}: {written}")
        elif run.start + len(results) < len(source):
            raise ValueError(f"{source.name} ends after {text}: {written}")
        else:
            text = f"{len(results)} frames" + (f" (from number {run.start} on)" if run.start else "")
        console().print(f"{text} on {engine.provider}: {written}", soft_wrap=True)
        if not isinstance(source, LiveCameras):
            _print_scores(source, results, run.start)

    def _registration(self, settings: NodeSettings) -> Registration:
        """What was asked for, else what the parameter file says."""
        from ckd_ros.tracking import Registration

        overlap = self.min_overlap
        if self.registration is not None:
            stated = settings.registration.min_overlap if overlap is None else overlap
            return Registration.from_text(self.registration, stated)
        return settings.registration if overlap is None else replace(settings.registration, min_overlap=overlap)

    def _engine(self, settings: NodeSettings) -> tuple[Engine, Path]:
        """The network on its provider, and its file."""
        from ckd_ros.tracking.engine import chosen_model, open_engine, open_engine_on

        providers = settings.providers
        if self.provider is not None:
            providers = None if self.provider == "auto" else [self.provider]
        model = chosen_model(self.model or settings.model, providers)
        if self.provider not in (None, "auto"):
            return open_engine_on(model, self.provider, settings.threads), model
        return open_engine(model, providers, settings.cache_dir, settings.threads), model


def _gather(found: Iterable[TrackResult], results: list[TrackResult]) -> bool:
    """Append what is found until the end, or until Ctrl-C. Returns whether it was that, after at least one result."""
    try:
        for result in found:
            results.append(result)
    except KeyboardInterrupt:
        if not results:
            raise KeyboardInterrupt("stopped before the first frame: nothing was written") from None
        return True
    return False


def _print_scores(sequence: FrameSequence, results: list[TrackResult], start: int) -> None:
    """How good the boxes of the frames from `start` on are, where the truth is known."""
    from ckd_ros.evaluation.plausibility import coverage_fault
    from ckd_ros.metrics import score

    truth = np.zeros((0, 4)) if sequence.boxes is None else sequence.boxes[start:]
    known = np.isfinite(truth.sum(axis=1))
    if not known[: len(results)].any():
        return
    scores = score(np.array([result.box for result in results]), truth[: len(results)])
    console().print(
        f"against the truth in {scores.frames} frames: success AUC {scores.success_auc:.3f}, precision at "
        f"20 px {scores.precision:.3f}, mean overlap {scores.mean_iou:.3f}"
    )
    read = known[: len(results)] & np.isfinite([result.total_s for result in results])
    if fault := coverage_fault(int(read.sum()), int(known.sum())):
        console().print(fault, soft_wrap=True)
