"""The training loop: the same for every stage, resumable at any step."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate
from torch.utils.tensorboard import SummaryWriter

from ckd_ros.files import replacing
from ckd_ros.network.checkpoint import load_checkpoint, load_weights, save_checkpoint
from ckd_ros.network.config import CKDConfig, preset
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.training.config import Stage, TrainingConfig, load_config
from ckd_ros.training.distillation import CKDDistillation, distillation_loss, freeze_all_but_head, random_keep_mask
from ckd_ros.training.losses import tracking_loss
from ckd_ros.training.samples import SampleSet


def train(config: str | Path, data: str | Path | None = None, out: str | Path = "runs/tiny") -> Path:
    """Run all stages of a training file; a run that was stopped in `out` goes on where it stood.

    Returns the path of the student's weights, `out/student.safetensors`. Each stage leaves `out/STAGE.safetensors`,
    the running one `out/last.pt`; TensorBoard logs lie in `out`.

    Raises:
        FileNotFoundError, ValueError: for what is wrong in the file (see `load_config`).
        FloatingPointError: if the loss is not finite; `last.pt` is then from before it.
    """
    settings, out = load_config(config, data), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    fabric = _fabric()
    previous = settings.start
    for number, stage in enumerate(settings.stages):
        file = out / f"{stage.name}.safetensors"
        if not file.exists():
            _Run(settings, number, stage, previous, out, fabric).go(file)
            fabric.barrier()
        previous = file
    state, _, record = load_checkpoint(previous)
    student = CKDStudent(preset(settings.preset))
    load_weights(student, {k: v for k, v in state.items() if k in student.state_dict()})
    result = out / "student.safetensors"
    if fabric.is_global_zero:
        save_checkpoint(result, student.state_dict(), student.config, record)
    return result


def _fabric() -> Fabric:
    """The engine: one process, or as many as `torchrun` started, on one machine or several."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(devices=local, num_nodes=int(os.environ.get("WORLD_SIZE", 1)) // local, precision="bf16-mixed")
    fabric.launch()
    return fabric


class _Run:
    """One stage: model, optimizer, averaged weights, and the step they stand at."""

    def __init__(self, settings: TrainingConfig, number: int, stage: Stage, previous: Path | None, out: Path, fabric: Fabric):
        self.settings, self.number, self.stage, self.out, self.fabric = settings, number, stage, out, fabric
        self.network: CKDConfig = preset(settings.preset)
        torch.manual_seed(settings.seed + number)
        self.model = _build_model(stage, self.network, previous).to(memory_format=torch.channels_last).train()
        head, branch = [], []
        if stage.name == "eliminate":
            head = freeze_all_but_head(self.model)
        else:
            for name, parameter in self.model.named_parameters():
                (head if "box_head" in name else branch).append(parameter)
        groups = [{"params": head, "lr": stage.lr_head}, {"params": branch, "lr": stage.lr_branch}]
        self.optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]], weight_decay=stage.weight_decay, betas=(0.9, 0.98)
        )
        for group in self.optimizer.param_groups:
            group["peak"] = group["lr"]
        self.average = copy.deepcopy(self.model).requires_grad_(False).to(fabric.device)
        self.wrapped, self.optimizer = fabric.setup(self.model, self.optimizer)
        self.step = 0
        self._resume()

    # -- saving and resuming ---------------------------------------------------------------------------------------

    def _resume(self) -> None:
        file = self.out / "last.pt"
        if not file.exists():
            return
        saved = torch.load(file, map_location=self.fabric.device, weights_only=True)
        if saved["stage"] != self.stage.name:
            return
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = saved["step"]

    def _save(self) -> None:
        state = {
            "stage": self.stage.name,
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if not self.fabric.is_global_zero:
            return
        with replacing(self.out / "last.pt") as file:
            torch.save(state, file)

    # -- the loop --------------------------------------------------------------------------------------------------

    def go(self, result: Path) -> None:
        stage, settings = self.stage, self.settings
        log = SummaryWriter(str(self.out / "tensorboard" / stage.name), purge_step=self.step)
        seed = settings.seed * 1000 + self.number
        samples = SampleSet(settings.samples, self.network, seed, stage.steps * stage.batch)
        loader = DataLoader(
            samples,
            batch_size=stage.batch // self.fabric.world_size,
            sampler=self._share(),
            num_workers=settings.workers,
            worker_init_fn=_one_thread,
            collate_fn=default_collate,
            prefetch_factor=4 if settings.workers else None,
            drop_last=True,
            generator=torch.Generator(),  # else the loader would draw from the model's random numbers
        )
        started, first = time.monotonic(), self.step
        with _progress(self.fabric.is_global_zero) as progress:
            task = progress.add_task(stage.name, total=stage.steps, completed=self.step, figures="")
            for batch in loader:
                figures = self._train_step(batch)
                self.step += 1
                if self.step % settings.log_every == 0 or self.step == stage.steps:
                    figures = {name: float(value) for name, value in figures.items()}
                    for name, value in figures.items():
                        log.add_scalar(name, value, self.step)
                    rate = (self.step - first) * stage.batch / (time.monotonic() - started)
                    log.add_scalar("samples_per_second", rate, self.step)
                    text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
                    progress.update(task, figures=f"{text}  {rate:.0f} samples/s")
                    if not progress.console.is_terminal and self.fabric.is_global_zero:
                        progress.console.print(f"{stage.name} {self.step}/{stage.steps}  {text}  {rate:.0f} samples/s")
                progress.update(task, completed=self.step)
                if self.step % settings.checkpoint_every == 0:
                    self._save()
        log.close()
        if not self.fabric.is_global_zero:
            return
        record = {"stage": stage.name, "samples_seen": stage.steps * stage.batch, **_record(settings, self.number)}
        save_checkpoint(result, self.average.state_dict(), self.network, record)

    def _share(self) -> list[int]:
        """The indices of this process's samples: its part of every batch, so that one process sees what many do."""
        batch, (world, rank) = self.stage.batch, (self.fabric.world_size, self.fabric.global_rank)
        part = batch // world
        return [i * batch + rank * part + j for i in range(self.step, self.stage.steps) for j in range(part)]

    def _train_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        stage = self.stage
        share = min(1.0, (self.step + 1) / max(1, stage.warmup))
        progress = max(0.0, (self.step - stage.warmup) / max(1, stage.steps - stage.warmup))
        fall = stage.lr_final + (1 - stage.lr_final) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share * fall
        # Drawn from the step: a resumed run needs no memory of its random numbers.
        torch.manual_seed((self.settings.seed * 100 + self.number) * 10**6 + self.step)
        inputs = prepare(batch, self.network, self.fabric.device)
        loss, figures = _LOSSES[stage.name](self.wrapped, inputs, stage)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss of stage '{stage.name}' is {loss.item()} at step {self.step}: lower the learning rate; "
                f"'{self.out / 'last.pt'}' holds the last good state"
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        figures["gradient"] = nn.utils.clip_grad_norm_(trained, stage.clip)
        self.optimizer.step()
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)
        return figures


def prepare(batch: dict[str, Tensor], network: CKDConfig, device: torch.device) -> dict[str, Tensor]:
    """A collated batch -> normalised crops (B, 3, S, S); an absent modality is all zero, the mean colour."""
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    mean = torch.tensor(network.mean, device=device).view(3, 1, 1) * 255
    std = torch.tensor(network.std, device=device).view(3, 1, 1) * 255
    inputs = {name: batch[name] for name in ("template_box", "box", "present", "positive")}
    for name in ("template_rgb", "search_rgb", "template_tir", "search_tir"):
        image = batch[name].permute(0, 3, 1, 2) if name.endswith("rgb") else batch[name][:, None].expand(-1, 3, -1, -1)
        image = image.float().contiguous(memory_format=torch.channels_last)
        there = batch["present"][:, 0 if name.endswith("rgb") else 1]
        inputs[name] = (image - mean) / std * there.view(-1, 1, 1, 1)
    return inputs


def _pretrain_loss(model: SingleModalityTracker, inputs: dict[str, Tensor], stage: Stage):
    """Every modality that is there is a sample of its own."""
    rgb, tir = inputs["present"][:, 0], inputs["present"][:, 1]

    def both(a: str, b: str) -> Tensor:
        return torch.cat([inputs[a][rgb], inputs[b][tir]])

    maps = model(
        both("template_rgb", "template_tir"), both("search_rgb", "search_tir"), both("template_box", "template_box")
    )
    loss = tracking_loss(maps, both("box", "box"), both("positive", "positive"), stage.regression)
    return loss.total, {"loss": loss.total.detach(), "focal": loss.focal.detach(), "iou": loss.iou.detach()}


def _distil_loss(model: CKDDistillation, inputs: dict[str, Tensor], stage: Stage):
    batch, tokens = len(inputs["box"]), model.config.search_grid**2
    keep = random_keep_mask(batch, tokens, stage.hidden, inputs["box"].device) if stage.hidden else None
    out = model(*_crops(inputs), keep_mask=keep)
    loss = distillation_loss(
        out,
        inputs["box"],
        inputs["positive"],
        stage.regression,
        stage.style_weight,
        stage.content_weight,
        inputs["present"],
    )
    figures = {
        "loss": loss.total,
        "focal": loss.student.focal,
        "iou": loss.student.iou,
        "teacher_iou": (loss.teacher_rgb.iou + loss.teacher_tir.iou) / 2,
        "style": loss.style,
        "content": loss.content,
    }
    return loss.total, {name: value.detach() for name, value in figures.items()}


def _eliminate_loss(model: CKDStudent, inputs: dict[str, Tensor], stage: Stage):
    loss = tracking_loss(
        model(*_crops(inputs)).prediction, inputs["box"], inputs["positive"], stage.regression
    )
    return loss.total, {"loss": loss.total.detach(), "focal": loss.focal.detach(), "iou": loss.iou.detach()}


_LOSSES = {"pretrain": _pretrain_loss, "distil": _distil_loss, "eliminate": _eliminate_loss}


def _crops(inputs: dict[str, Tensor]) -> list[Tensor]:
    return [inputs[n] for n in ("template_rgb", "template_tir", "search_rgb", "search_tir", "template_box")]


def _build_model(stage: Stage, network: CKDConfig, previous: Path | None) -> nn.Module:
    """The stage's network, started from the stage before it."""
    state = load_checkpoint(previous)[0] if previous else None
    if stage.name == "pretrain":
        tracker = SingleModalityTracker(network)
        if state is not None:
            load_weights(tracker, state)
        return tracker
    if stage.name == "distil":
        if state is None:
            return CKDDistillation(network)
        tracker = SingleModalityTracker(network)
        load_weights(tracker, state)
        return CKDDistillation.from_pretrained(tracker)
    student = CKDStudent(network)
    if state is not None:
        load_weights(student, {name: value for name, value in state.items() if name in student.state_dict()})
    return student


def _record(settings: TrainingConfig, number: int) -> dict:
    """The stages run so far, as the weights' training record (data folders by name only)."""
    samples = {
        name: Path(value).name if isinstance(value, Path) else value for name, value in asdict(settings.samples).items()
    }
    stages = [asdict(stage) for stage in settings.stages[: number + 1]]
    return json.loads(json.dumps({"seed": settings.seed, "ema": settings.ema, "samples": samples, "stages": stages}))


def _one_thread(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _progress(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        disable=not shown,
    )
