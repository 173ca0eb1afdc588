"""The main job, end to end: a camera process and the tracker process on real middleware, watched and reported.

`python -m ckd_ros.ros.demo --source SOURCE --out demo` leaves in `demo/` the annotated video, a plot, a table, the logs
of the processes and `summary.json`. Exit code 0: the target was followed to the end; 1: it was lost, or a process
failed; 2: bad arguments.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ckd_ros.datasets.boxes import parse_box
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.sources import open_source
from ckd_ros.files import refuse_inputs
from ckd_ros.frames import FramePair
from ckd_ros.ros.demo.processes import NodeProcess, ProcessFailed
from ckd_ros.ros.demo.run_report import DemoRun, TimedResult, write_summary
from ckd_ros.ros.fastdds import use_large_images
from ckd_ros.ros.process import private_domain
from ckd_ros.tracking import Registration
from ckd_ros.tracking.video import AnnotatedVideo

if TYPE_CHECKING:
    from ckd_ros.ros.demo.observer import Observer

#: The files that a run leaves.
FILES = ("video.mp4", "plot.png", "track.csv", "summary.json", "run.mcap", "run.csv")
#: Seconds until the tracker must be ready (its engine may have to be built for a GPU), until the first image must
#: arrive, and for which the tracker may be silent after that.
READY, FIRST_IMAGE, SILENCE = 600.0, 60.0, 15.0
#: Seconds of silence after the camera has ended in which late tracks may still arrive.
LINGER = 1.0


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


def main(args: list[str] | None = None) -> int:
    """Run the demo. Returns the exit code."""
    options, console = _arguments(args), Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        sequence = open_source(options.source, options.rate)
        first = next(sequence.frames())
        if options.init is not None:
            sequence.init_box = parse_box(options.init)
        if sequence.init_box is None:
            raise ValueError(
                f"'{options.source}' does not say where the target is in its first frame: give INIT=x,y,w,h, a box in "
                "pixels (without make: --init x,y,w,h)"
            )
        refuse_inputs([options.out / name for name in FILES], sequence.inputs)
        _check_ros()
    except (ValueError, OSError, ImportError) as error:
        return _complain(console, str(error), 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (options.out / name).unlink(missing_ok=True)
        modality = _modality(sequence)
        observer = _drive(options, sequence, modality, first, console)
        run = _report(options, sequence, modality, observer, console)
    except (DemoFailed, ProcessFailed, OSError, ValueError) as error:
        return _complain(console, str(error), 1)
    except KeyboardInterrupt:
        return _complain(console, "interrupted", 130)
    reason = run.lost()
    if slow := run.slow():
        console.print(f"demo: {slow}", style="yellow", markup=False)
    return _complain(console, f"the target was lost: {reason}", 1) if reason else 0


def _arguments(args: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Track a target on ROS 2 and report how it went.")
    parser.add_argument("--source", default="simulator", help="what the cameras see, as for `ckd track`")
    parser.add_argument("--rate", type=float, help="frames per second (default: the source's own)")
    parser.add_argument("--frames", type=int, help="stop after so many frames (default: all)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results (default: demo)")
    parser.add_argument("--model", help="the network, an .onnx file (default: the shipped one)")
    parser.add_argument(
        "--init", metavar="X,Y,W,H", help="the target in the first frame (default: the source's own box)"
    )
    options = parser.parse_args(args)
    if options.frames is not None and options.frames < 2:
        parser.error(f"--frames {options.frames}: expected at least 2")
    return options


def _check_ros() -> None:
    try:
        import rclpy  # noqa: F401

        import ckd_ros.msg  # noqa: F401
    except ImportError as error:
        raise ImportError(f"ROS 2 is not ready ({error}): use `make demo`, or source the workspace") from error


def _complain(console: Console, problem: str, code: int) -> int:
    console.print(f"demo: {problem}", style="bold red", markup=False)
    return code


def _drive(
    options: argparse.Namespace, sequence: FrameSequence, modality: str, first: FramePair, console: Console
) -> Observer:
    """Run both nodes to the end of the source. Returns the observer with everything that it received."""
    if "ROS_DOMAIN_ID" not in os.environ:  # else other cameras would get into the demo, and the demo's out
        os.environ.update(private_domain())
    use_large_images()
    from ckd_ros.ros.demo.observer import Observer

    named = {name: os.environ[name] for name in private_domain() if name in os.environ}
    console.print("to watch:", *(f"{name}={value}" for name, value in named.items()), markup=False)
    tracker_settings: dict[str, object] = {}
    if options.model:
        file = Path(options.model).expanduser()
        tracker_settings["model.path"] = str(file.resolve()) if file.exists() else options.model
    if modality != "both":
        tracker_settings["sync.timeout"] = 0.05  # there is no second image to wait for
    source = {"source": options.source, "rate": options.rate or 0.0, "frames": options.frames or 0}
    with ExitStack() as stack:
        progress = stack.enter_context(_progress(console))
        task = progress.add_task("starting the tracker", total=_length(options, sequence))
        observer = stack.enter_context(Observer(sequence, first, options.init is None))
        tracker = stack.enter_context(NodeProcess("tracker_node", tracker_settings, options.out))
        _wait(observer, [tracker], observer.tracker_ready, READY, lambda: "the tracker is not ready")
        progress.update(task, description="starting the camera")
        camera_settings = {**source, "wait_for_subscribers": True, "wait_for_node": observer.name}
        camera = stack.enter_context(NodeProcess("camera_node", camera_settings, options.out, may_end=True))
        both = [tracker, camera]
        _wait(observer, both, observer.images_arrive, FIRST_IMAGE, lambda: "no image arrives from the camera")
        tracker.expect_warnings("no images arrive")  # before the camera ran
        _wait(observer, both, observer.start_target, SILENCE, lambda: f"no target was accepted: {observer.refusal}")
        last_track, count = time.monotonic(), 0
        while camera.running() or time.monotonic() - last_track < LINGER:
            observer.spin()
            for process in both:
                process.check()
            if observer.latest is not None and len(observer.results) > count:
                last_track, count, result = time.monotonic(), len(observer.results), observer.latest.result
                progress.update(task, completed=count, description=f"{result.state.name:9} {result.confidence:.2f}")
            elif time.monotonic() - last_track > SILENCE:
                raise DemoFailed(f"no track from the tracker for {SILENCE:.0f} s; its log is {tracker.log}")
        observer.diagnostics = {}
        _wait(observer, [tracker], lambda: observer.diagnostics, SILENCE, lambda: "the tracker sends no diagnostics")
    for line in camera.warnings() + tracker.warnings():
        console.print(line, style="yellow", markup=False)
    return observer


def _modality(sequence: FrameSequence) -> str:
    """Which cameras a source has: both, rgb or thermal. In a recording one may start later: ten pairs decide."""
    pairs = list(islice(sequence.frames(), 10))
    if all(pair.rgb is None for pair in pairs):
        return "thermal"
    return "rgb" if all(pair.thermal is None for pair in pairs) else "both"


def _wait(
    observer: Observer,
    processes: list[NodeProcess],
    done: Callable[[], object],
    seconds: float,
    problem: Callable[[], str],
) -> None:
    """Spin until `done()`. Raises DemoFailed (`problem()`) after `seconds`, ProcessFailed if a process ends badly."""
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            raise DemoFailed(f"{problem()} ({seconds:.0f} s)")
        for process in processes:
            process.check()
        observer.spin()


def _report(
    options: argparse.Namespace, sequence: FrameSequence, modality: str, observer: Observer, console: Console
) -> DemoRun:
    """Match the tracks to the frames of the source, write all files, print the summary."""
    from ckd_ros.datasets.bag import write_truth
    from ckd_ros.datasets.track_bag import write_tracks

    # The frames are made anew and drawn only now: while the nodes ran, the cores were theirs.
    total, truth = _length(options, sequence), sequence.boxes
    results: list[TimedResult | None] = []
    incomplete: list[int] = []
    stamps: list[int | None] = []
    cameras = 2 if modality == "both" else 1
    provider = observer.diagnostics["provider"]
    with (
        _progress(console) as progress,
        AnnotatedVideo(options.out / "video.mp4", sequence.rate, Registration(), modality=modality) as video,
    ):
        frames = progress.track(islice(sequence.frames(), total), total=total, description="writing the video")
        for index, pair in enumerate(frames):
            timed = observer.result(pair)
            note = f"frame {index}" if timed else f"frame {index}: dropped"
            box, thermal_box = sequence.truth(index)
            # The latency of plot and table too: from the image's stamp to the track.
            result = replace(timed.result, total_s=timed.latency) if timed else None
            video.add(pair, result, box, note, thermal_box)
            results.append(timed)
            # The truth belongs to the images of one camera.
            main_image = pair.thermal if sequence.modality == "thermal" else pair.rgb
            stamps.append(None if main_image is None else observer.stamp(pair))
            if (pair.rgb is not None) + (pair.thermal is not None) < cameras:
                incomplete.append(index)
    write_tracks(options.out / "run.mcap", observer.recorded)
    if truth is not None:
        write_truth(options.out / "run.csv", stamps, truth[:total])
    run = DemoRun(results, None if truth is None else truth[:total], sequence.rate, incomplete)
    run.write_table(options.out / "track.csv")
    run.plot(options.out / "plot.png", f"{options.source} at {sequence.rate:g} Hz, {provider}")
    summary = {
        **run.summary(),
        "dropped_by_tracker": int(observer.diagnostics["dropped"]),
        "provider": provider,
        "source": options.source,
        "rate": sequence.rate,
    }
    write_summary(options.out / "summary.json", summary)
    for name, value in summary.items():
        console.print(f"{name:>20}  {value}", markup=False)
    written = [name for name in FILES if (options.out / name).exists()]  # without truth there is no run.csv
    console.print(f"results in {options.out}: {', '.join(written)}", markup=False)
    return run


def _length(options: argparse.Namespace, sequence: FrameSequence) -> int:
    return min(len(sequence), options.frames or len(sequence))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
