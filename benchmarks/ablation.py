"""What each part of CKD does: students trained with equal budgets, each without one part, on the same test.

    python benchmarks/ablation.py --data DIR --tracker PRETRAIN.safetensors --out runs/ablation

DIR holds `roadscene/`; PRETRAIN is a single-modality tracker, from which all start (`pretrain.safetensors` of
`ckd train config/training/tinyvit.yaml`). A run that was stopped goes on: what lies in the folder is not made again. It
leaves there `ablation.md` (tables), `ablation.json` (every figure) and `gap.png` (the modality gap over the training).

The variants are a table (`VARIANTS`), the budget a file (`config/training/ablation.yaml`), the loop is `ckd train`'s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
import yaml
from ablation_gap import gaps, load_student
from ablation_report import report
from rendered_sequence import load_rendered, render
from rich.progress import track
from torch.utils.flop_counter import FlopCounterMode

from ckd_ros.datasets.composed import DEGRADATIONS, composed_sequence
from ckd_ros.evaluation.one_pass import one_pass
from ckd_ros.evaluation.trackers.spec import parse_tracker
from ckd_ros.files import replacing
from ckd_ros.metrics import score
from ckd_ros.network.export import example_inputs, export_onnx, input_names
from ckd_ros.network.presets import PRESETS, preset
from ckd_ros.tracking import OnnxEngine
from ckd_ros.training.train import train

_ROOT = Path(__file__).resolve().parents[1]
_BUDGET = _ROOT / "config" / "training" / "ablation.yaml"
SETTINGS = ("both", "rgb", "thermal")  # which modalities the tracker is given
FIRST_SEED = 3000  # of the test's scenes; every sequence has its own

#: Stage 2 without elimination, the control of the students with it: elimination "on", at no block.
_CONTROL = replace(preset("tinyvit"), preset="tinyvit-control", elimination="multimodal", elimination_blocks=())
PRESETS[_CONTROL.preset] = _CONTROL


@dataclass(frozen=True)
class Variant:
    """A student: the stage that trains it, what it starts from (None: the common tracker), and what is changed."""

    title: str
    stage: str = "distil"
    preset: str = "tinyvit"
    after: str | None = None
    changes: dict[str, float] = field(default_factory=dict)


VARIANTS = {
    "full": Variant("full CKD"),
    "no-style": Variant("no style loss", changes={"style_weight": 0.0}),
    "no-content": Variant("no content loss", changes={"content_weight": 0.0}),
    "no-masking": Variant("no masking", changes={"mask_ratio": 0.0}),
    # The teachers still train, but nothing of them reaches the students: they see the tracking loss alone.
    "none": Variant(
        "no distillation, no masking", changes={"style_weight": 0.0, "content_weight": 0.0, "mask_ratio": 0.0}
    ),
    "shared": Variant("one student for both", preset="tinyvit-shared"),
    "control": Variant("full, head trained on", "eliminate", "tinyvit-control", "full"),
    "mce": Variant("full, multi-modal elimination", "eliminate", "tinyvit-mce", "full"),
    "ce": Variant("full, unimodal elimination", "eliminate", "tinyvit-ce", "full"),
}


@dataclass(frozen=True)
class Options:
    """What is measured.

    Attributes:
        data: folder that the data paths of the budget start from; `roadscene` in it is also what the tests are made of.
        tracker: weights of the single-modality tracker that all variants start from.
        out: folder for everything that is written.
        budget: training file with the stages that the variants change.
        each: test sequences per degradation.
        frames: their length, at 20 frames a second.
        stride: only every so many frames one is tracked.
        processes: that train (a variant each) and track side by side, with one thread each.
        variant: the benchmark's own child processes train this one.
    """

    data: Path
    tracker: Path
    out: Path = Path("runs/ablation")
    budget: Path = _BUDGET
    each: int = 8
    frames: int = 30
    stride: int = 3
    processes: int = 2
    variant: str | None = None


def main(options: Options) -> None:
    """Train, measure and write."""
    out = options.out
    if options.variant:
        _one_thread()
        train(out / options.variant / "config.yaml", options.data, out / options.variant)
        return
    data, tracker, budget, processes = options.data, options.tracker, options.budget, options.processes
    each, frames, stride = options.each, options.frames, options.stride
    with ThreadPoolExecutor(processes) as side_by_side:
        for stage in ("distil", "eliminate"):  # the second starts from the first
            names = [name for name, variant in VARIANTS.items() if variant.stage == stage]
            list(side_by_side.map(partial(_train, data=data, tracker=tracker, out=out, budget=budget), names))
    results: dict[str, dict] = {name: {} for name in VARIANTS}
    with get_context("spawn").Pool(processes, _one_thread) as pool:
        sequences = _render(data / "roadscene", out / f"sequences-{each}x{frames}", each, frames, pool)
        gaps = pool.imap(partial(_export_and_gap, tracker, sequences), [out / name for name in VARIANTS])
        for result, gap in zip(results.values(), track(gaps, "export, gap", len(results)), strict=True):
            result |= gap
        for setting in SETTINGS:
            for name, result in results.items():
                file = out / name / f"auc-{each}x{frames}-{stride}-{setting}.json"
                job = partial(_track_one, out / name / "student.onnx", stride, setting)
                result.setdefault("auc", {})[setting] = _once(file, partial(_track, job, sequences, pool))
    for name, cost in _costs(out).items():
        results[name]["cost"] = cost
    variants = {name: asdict(variant) for name, variant in VARIANTS.items()}
    report(out, variants, results, budget, [file.stem for file in sequences])


# -- training ----------------------------------------------------------------------------------------------------------


def _train(name: str, data: Path, tracker: Path, out: Path, budget: Path) -> None:
    """Train one variant in a process of its own; every checkpoint on the way is kept in `snapshots`.

    Raises ValueError where the folder holds a run with other settings, CalledProcessError where the training failed.
    """
    variant, folder = VARIANTS[name], out / name
    before = tracker.resolve() if variant.after is None else out / variant.after / "student.safetensors"
    settings = yaml.safe_load(budget.read_text())
    stages = [stage | variant.changes for stage in settings["stages"] if stage["name"] == variant.stage]
    settings |= {"preset": variant.preset, "start": str(before), "stages": stages}
    file = folder / "config.yaml"
    if file.exists() and yaml.safe_load(file.read_text()) != settings:
        raise ValueError(f"'{folder}' holds a run with other settings (config.yaml): choose another --out or remove it")
    with replacing(file) as temporary:
        temporary.write_text(yaml.safe_dump(settings, sort_keys=False))
    if (folder / "student.safetensors").exists():
        return
    (folder / "snapshots").mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--variant", name]
    command += ["--data", str(data), "--tracker", str(tracker), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    child = subprocess.Popen(command, env=environment)
    try:
        while child.poll() is None:
            time.sleep(0.2)
            _keep(folder / "last.pt", folder / "snapshots")
    finally:
        child.terminate()  # where this process was interrupted
    if child.wait():
        raise subprocess.CalledProcessError(child.returncode, command)


def _keep(checkpoint: Path, folder: Path) -> None:
    """A second name for a checkpoint: the loop replaces the file by the next one and leaves this one alone."""
    try:
        kept = folder / f"{checkpoint.stat().st_ino}.pt"
        if not kept.exists():
            os.link(checkpoint, kept)
    except FileNotFoundError:
        pass  # none yet, or replaced just now: the next look finds the new one


# -- tracking ----------------------------------------------------------------------------------------------------------


def _render(pairs: Path, folder: Path, each: int, frames: int, pool: Pool) -> list[Path]:
    """The test's sequences as files, `each` of every degradation, no two of the same scene."""
    jobs = []
    for number in range(each * len(DEGRADATIONS)):
        degradation = list(DEGRADATIONS)[number % len(DEGRADATIONS)]
        file = folder / f"{number:03d}-{degradation}.npz"
        jobs.append((file, pairs, degradation, frames, FIRST_SEED + number))
    missing = [job for job in jobs if not job[0].exists()]
    for _ in track(pool.imap_unordered(_render_one, missing), "render", len(missing)):
        pass
    return [job[0] for job in jobs]


def _render_one(job: tuple[Path, Path, str, int, int]) -> None:
    file, *settings = job
    render(composed_sequence(*settings), file)


def _export_and_gap(tracker: Path, sequences: list[Path], folder: Path) -> dict:
    """Write a variant's `student.onnx`; its gap at the end of the training (`gap`) and on the way (`curve`)."""
    model = folder / "student.onnx"
    if not model.exists():
        export_onnx(load_student(folder), model)
    gap = _once(folder / "gap.json", partial(gaps, folder, tracker, sequences))
    for snapshot in (folder / "snapshots").glob("*.pt"):
        snapshot.unlink()  # they are large
    return gap


def _track(job: Callable[[Path], float], sequences: list[Path], pool: Pool) -> list[float]:
    return list(track(pool.imap(job, sequences), "track", len(sequences)))


def _track_one(model: Path, stride: int, setting: str, file: Path) -> float:
    """Success AUC on one sequence; the first frame, whose box is given, does not count."""
    pairs, truth = (values[::stride] for values in load_rendered(file))
    done = one_pass(parse_tracker(f"ckd:model={model},modality={setting}").make(), pairs, len(pairs), truth[0])
    if done.faults:
        raise RuntimeError(f"{model} on {file}: {done.faults[0]}")
    return score(done.boxes[1:], truth[1:]).success_auc


def _one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


# -- costs -------------------------------------------------------------------------------------------------------------


def _costs(out: Path, rounds: int = 100) -> dict[str, dict[str, float]]:
    """Multiplications and parameters of every variant, and the time of its network, run in turns with the others."""
    costs, engines, inputs = {}, {}, {}
    for name in VARIANTS:
        student = load_student(out / name)
        example = example_inputs(student.config)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            student.predict(*example)
        costs[name] = {
            "gmacs": counter.get_total_flops() / 2e9,
            "mparameters": sum(p.numel() for p in student.parameters()) / 1e6,
        }
        engines[name] = OnnxEngine(out / name / "student.onnx", providers=["cpu"])
        inputs[name] = {key: x.numpy() for key, x in zip(input_names(student.config), example, strict=True)}
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, engine in engines.items():
            begin = time.perf_counter()
            engine.run(inputs[name])
            times[name].append(1e3 * (time.perf_counter() - begin))
    for name, cost in costs.items():
        cost["ms"] = float(np.median(times[name]))
        cost["speedup"] = float(np.median(np.array(times["full"]) / np.array(times[name])))
    return costs


def _once(file: Path, make) -> dict | list:
    """What a file holds, or what `make` returns, which is then written to it."""
    if not file.exists():
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(make()))
    return json.loads(file.read_text())


if __name__ == "__main__":
    main(tyro.cli(Options))
