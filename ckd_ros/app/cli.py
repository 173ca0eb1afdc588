"""The command `ckd`: track, evaluate, simulate, train, import and export without ROS."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ckd_ros.app.options import options_of
from ckd_ros.app.terminal import console, watched
from ckd_ros.datasets.simulator import SimulatorConfig
from ckd_ros.files import replacing

app = tyro.extras.SubcommandApp()


def optional(metavar: str) -> object:
    """An option whose help says itself what happens without it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


Source = Annotated[str, tyro.conf.arg(metavar="SOURCE")]
New = Annotated[Path, tyro.conf.arg(metavar="OUT")]
#: Several words after one option, which may be given several times too: the later ones must not replace the earlier.
Several = tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]]
MaybeFile = Annotated[Path | None, optional("FILE")]


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line.

    Exits with 2, after one line on stderr, for what is wrong with arguments or files, with 1 for a training whose
    loss is no longer a number, with 130 when interrupted.
    """
    try:
        app.cli(prog="ckd", description=__doc__, args=args, config=(tyro.conf.FlagCreatePairsOff,))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"ckd: error: {' '.join(_reason(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except FloatingPointError as error:
        print(f"ckd: error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt as stop:
        print(f"ckd: {stop}" if str(stop) else "ckd: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


@app.command
def track(
    source: tyro.conf.Positional[Source],
    *,
    out: MaybeFile = None,
    init: Annotated[str | None, optional("X,Y,W,H")] = None,
    show: bool = False,
    video: MaybeFile = None,
    modality: Literal["both", "rgb", "thermal"] = "both",
    registration: Annotated[str, tyro.conf.arg(metavar="KIND:NUMBERS")] = "none",
    model: MaybeFile = None,
) -> None:
    """Follow a target through recorded or simulated frames.

    In the window: space pauses, r lets you draw a new box on the frame shown (Enter takes it), q or Esc ends the run
    and keeps what was found so far.

    Args:
        source: 'simulator[:key=value,...]', a folder of registered pairs (rgb/, tir/), a sequence folder (visible/,
            infrared/), videos 'rgb.mp4,thermal.mp4' ('rgb.mp4,' or ',thermal.mp4' for one), or a bag
            ('BAG?rgb=/TOPIC&thermal=/TOPIC' to choose its topics).
        out: file for the boxes, written twice: as .txt one x,y,w,h line a frame, as .csv a table with confidence, state
            and latency too; default: runs/track/NAME.csv.
        init: the target's box in the first frame, pixels of the colour image, or 'mouse' to draw it; default: what the
            source says, else it is drawn.
        show: watch it in a window.
        video: annotated video to write (.mp4, .avi or .mkv).
        modality: use only one of the cameras.
        registration: from colour to thermal pixels: none (same field of view), offset:DX,DY (thermal pixels), affine: 6
            or homography: 9 numbers, row by row.
        model: the network, an .onnx file or a .safetensors checkpoint; default: the shipped one.
    """
    from ckd_ros.app.live import LiveRun, write_results
    from ckd_ros.datasets.sources import open_source
    from ckd_ros.metrics import score
    from ckd_ros.tracking import Registration, Tracker, default_model, open_engine

    between = Registration.from_text(registration)
    sequence = open_source(source, modality=modality)
    tracker = Tracker(open_engine(model or default_model()), between)
    out = out or Path("runs") / "track" / f"{sequence.name}.csv"
    results, stopped = [], False
    with LiveRun(tracker, sequence, between, init, show, video) as run:
        try:
            for result in watched(run.results(), len(sequence), f"track {sequence.name}"):
                results.append(result)
        except KeyboardInterrupt:
            if not results:
                raise
            stopped = True
    written = ", ".join(map(str, write_results(out, results)))
    for fault in run.faults:
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
    truth = None if sequence.boxes is None else sequence.boxes[: len(results)]
    if truth is not None and np.isfinite(truth).all(axis=1).any():
        scores = score(np.array([result.box for result in results]), truth)
        console().print(
            f"against the truth in {scores.frames} frames: success AUC {scores.success_auc:.3f}, precision at 20 px "
            f"{scores.precision:.3f}, mean overlap {scores.mean_iou:.3f}"
        )


@app.command
def evaluate(
    *,
    dataset: Annotated[str, tyro.conf.arg(metavar="KIND")],
    root: Annotated[Path | None, optional("DIR")] = None,
    split: Annotated[str | None, optional("SPLIT")] = None,
    modality: Literal["both", "rgb", "thermal"] = "both",
    tracker: Annotated[Several, tyro.conf.arg(metavar="TRACKER [TRACKER ...]")] = (),
    results: Annotated[Several, tyro.conf.arg(metavar="[LABEL=]DIR [[LABEL=]DIR ...]")] = (),
    out: Annotated[Path | None, optional("DIR")] = None,
    processes: Annotated[int | None, optional("N")] = None,
    ray: Annotated[str | None, optional("ADDRESS")] = None,
    sequences: Annotated[Several, tyro.conf.arg(metavar="NAME [NAME ...]")] = (),
    rate: Annotated[float | None, optional("HZ")] = None,
    truth: Annotated[Path | None, optional("PATH")] = None,
    json: bool = False,
) -> None:
    """Score trackers on a benchmark, or on your own sequences, by its protocol; a run that was stopped goes on.

    What is finished lies in OUT/TRACKER and is not run again; OUT/report.html and OUT/scores.json come at the end.

    Args:
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
        ray: run on several machines: 'auto' or the address of a cluster of Ray, or 'local' for one on this machine.
        sequences: use only these.
        rate: frames per second at which frames arrive, for the latency-aware scores; default: each sequence's own.
        truth: for runs: truth file of the bag, or folder of them; default: BAG.csv or BAG.txt beside each bag.
        json: print all scores as JSON on the standard output, and nothing else there.
    """
    from json import dumps

    from ckd_ros.app.terminal import evaluation_progress, fault_lines, scores_table
    from ckd_ros.evaluation.evaluate import evaluate as run
    from ckd_ros.evaluation.scoring import as_json

    dataset = dataset.lower()  # benchmarks write LasHeR, GTOT
    if tracker and out is None:
        out = Path("runs") / dataset
    tracker, results, sequences = (tuple(chain.from_iterable(words)) for words in (tracker, results, sequences))
    with evaluation_progress(f"evaluate {dataset}") as watch:
        evaluation = run(
            dataset,
            root,
            split,
            modality,
            trackers=tracker,
            results=results,
            out=out,
            processes=processes,
            ray=ray,
            sequences=sequences,
            rate=rate,
            truth=truth,
            watch=watch,
        )
    console().print(scores_table(evaluation))
    for line in fault_lines(evaluation):
        console().print(line, markup=False, soft_wrap=True)
    if json:
        print(dumps(as_json(evaluation), indent=1))
    if out is not None:
        console().print(f"{out / 'report.html'}, {out / 'scores.json'}", soft_wrap=True)


@app.command
def simulate(
    out: tyro.conf.Positional[New],
    settings: Annotated[
        tyro.conf.OmitArgPrefixes[SimulatorConfig], tyro.conf.arg(constructor=options_of(SimulatorConfig))
    ],
    *,
    bag: bool = False,
) -> None:
    """Write a simulated sequence with its truth, in the form of the LasHeR benchmark.

    Args:
        out: new folder for visible/, infrared/ and the truth.
        settings: what is simulated.
        bag: write an MCAP bag with the same images too, as OUT/bag.
    """
    from ckd_ros.datasets.lasher import write_lasher
    from ckd_ros.datasets.simulator import SimulatedSequence

    sequence = SimulatedSequence(settings)
    write_lasher(sequence, out, watched(sequence.frames(), len(sequence), f"write {out}"))
    if bag:
        from ckd_ros.datasets.bag import write_bag

        write_bag(sequence, out / "bag", frames=watched(sequence.frames(), len(sequence), f"write {out / 'bag'}"))


@app.command
def train(
    config: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="CONFIG")]],
    *,
    data: Annotated[Path | None, optional("FOLDER")] = None,
    out: Path = Path("runs/tiny"),
) -> None:
    """Train a student; a run that was stopped (Ctrl-C saves it) goes on where it stood.

    On several GPUs, or processes of a CPU: torchrun --standalone --nproc-per-node 4 -m ckd_ros.cli train CONFIG ...
    On several machines, on each: torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500
    --rdzv-id ckd -m ckd_ros.cli train CONFIG ... with OUT on a disk that all see. They share each batch.

    Args:
        config: YAML file that names the preset, the samples and the stages.
        data: folder that the data paths in CONFIG start from.
        out: folder for checkpoints and logs (`tensorboard --logdir OUT/tensorboard`).
    """
    from ckd_ros.training.train import train as run

    result = run(config, data, out)
    if os.environ.get("RANK", "0") == "0":  # the first of torchrun's processes
        console().print(f"student: {result}")


@app.command
def export(
    checkpoint: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="CHECKPOINT")]],
    out: tyro.conf.Positional[New],
) -> None:
    """Write a trained student as an ONNX file, and check that ONNX Runtime agrees with PyTorch.

    Args:
        checkpoint: the .safetensors file that training left.
        out: the .onnx file.
    """
    from ckd_ros.network.checkpoint import load_checkpoint, load_weights
    from ckd_ros.network.export import check_export, export_onnx
    from ckd_ros.network.student import CKDStudent

    state, config, record = load_checkpoint(checkpoint)
    student = CKDStudent(config)
    load_weights(student, state)
    with replacing(out) as unchecked:  # a file that fails the check replaces none
        export_onnx(student, unchecked, record)
        error = check_export(student, unchecked)
    console().print(f"{out} agrees with PyTorch to {error:.1e}")


@app.command
def quantise(
    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]],
    out: tyro.conf.Positional[New],
) -> None:
    """Write an exported student with int8 weights, for CPUs, and check that it finds the same boxes.

    Args:
        model: the fp32 .onnx file that `export` wrote.
        out: the int8 .onnx file.
    """
    from ckd_ros.evaluation.quantisation_check import checked_agreement
    from ckd_ros.network.quantise import quantise_onnx

    with replacing(out) as unchecked:  # a file that fails the check replaces none
        quantise_onnx(model, unchecked)
        overlap = checked_agreement(model, unchecked)
    console().print(f"{out}: {out.stat().st_size / 1e6:.0f} MB, its boxes overlap those of {model} by {overlap:.3f}")


@app.command(name="import")
def import_(
    file: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FILE")]],
    *,
    out: New,
    preset: str = "vitb256",
) -> None:
    """Turn a checkpoint of the paper's authors into weights that `train` can start from and an ONNX file.

    Args:
        file: their .pth file: a student, a training checkpoint with its teachers, a single-modality tracker
            (OSTrack, DropTrack) or a plain vision transformer. Nothing in it is executed.
        out: new folder for model.safetensors and, where FILE holds a student, model.onnx.
        preset: the network that it is for: vitb256, vitb256-noce, vitb256-ce or vitb256-shared.
    """
    from ckd_ros.network.config import preset as preset_called
    from ckd_ros.network.importing import import_checkpoint

    written = import_checkpoint(file, preset_called(preset), out)
    for path in written:
        console().print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    if len(written) == 1:
        console().print("no model.onnx: FILE holds a network for one modality, train a student from it (`start:`)")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package '{error.name}' is missing: training and export need the extra 'train', see README.md"
    if "Original Traceback" in str(error):  # of a process that makes samples
        return str(error).strip().splitlines()[-1].split(": ", 1)[-1]
    return str(error)


if __name__ == "__main__":
    main()
