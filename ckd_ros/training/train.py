"""The training loop: the same for every stage, on one process or many, resumable at any step."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ckd_ros.network.checkpoint import read_record
from ckd_ros.network.config import CKDConfig, preset
from ckd_ros.network.student import CKDStudent
from ckd_ros.training.config import Stage, TrainingConfig, load_config
from ckd_ros.training.distillation import freeze_all_but_head, random_keep_mask
from ckd_ros.training.distributed import make_fabric, mean_over_processes, share_batch_norm
from ckd_ros.training.initial_weights import build_model, start_from
from ckd_ros.training.interruption import Interrupted, StopRequest
from ckd_ros.training.loading import make_loader
from ckd_ros.training.objectives import LOSSES, prepare
from ckd_ros.training.reporting import Report
from ckd_ros.training.run_files import RunFiles
from ckd_ros.training.samples.config import sample_record
from ckd_ros.training.validation import tracker_of, validate


def train(config: str | Path, data: str | Path | None = None, out: str | Path = "runs/tiny") -> Path:
    """Run all stages of a training file; a run that was stopped in `out` goes on where it stood.

    Under `torchrun` all its processes train together. Each stage leaves its averaged weights as of its last step in
    `out/STAGE.safetensors`, the running one `out/last.pt`; where the file asks for validation, `out/best.safetensors`
    is what tracked best in the running stage. TensorBoard logs lie in `out/tensorboard`.

    Returns the path of the student's weights, `out/student.safetensors`; where only a single-modality tracker is
    trained, that stage's.

    Raises:
        FileNotFoundError, ValueError: for what is wrong in the file (see `load_config`), a batch that the processes
            cannot share, and an `out` that holds another run.
        OSError: where a file cannot be written, as on a full disk; the former one is then untouched.
        FloatingPointError: if the loss is not finite; `last.pt` is then from before it.
        Interrupted: on Ctrl-C and SIGTERM, after saving.
    """
    settings = load_config(config, data)
    files = RunFiles(Path(out), settings)
    saved = files.read_last()
    fabric = make_fabric(settings.precision, settings.sync_batch_norm)
    for stage in settings.stages:
        if stage.batch % fabric.world_size:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} cannot be shared by {fabric.world_size} processes: "
                f"choose a multiple"
            )
    previous = settings.start
    for number, stage in enumerate(settings.stages):
        result = files.result(stage.name)
        if result.exists():
            files.check_result(stage.name)
        else:
            state = saved if saved is not None and saved["stage"] == stage.name else None
            _Run(settings, number, previous, files, fabric, state).go()
            saved = None
            fabric.barrier()
        previous = result
    if settings.stages[-1].name == "pretrain":
        return previous
    student = CKDStudent(preset(settings.preset))
    start_from(student, previous)
    path = files.result("student")
    if fabric.is_global_zero:
        files.write_weights(path, student.state_dict(), student.config, _record(settings, len(settings.stages) - 1))
    fabric.barrier()
    return path


class _Run:
    """One stage: model, optimizer, averaged weights, and the step they stand at."""

    def __init__(
        self,
        settings: TrainingConfig,
        number: int,
        previous: Path | None,
        files: RunFiles,
        fabric: Fabric,
        saved: dict | None,
    ):
        self.settings, self.number, self.files, self.fabric = settings, number, files, fabric
        self.stage: Stage = settings.stages[number]
        self.network: CKDConfig = preset(settings.preset)
        torch.manual_seed(settings.seed + number)
        model = build_model(self.stage, self.network, previous).to(memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(model).requires_grad_(False).to(fabric.device)
        if fabric.world_size > 1 and settings.sync_batch_norm:
            model = share_batch_norm(model)
        head, branch = _parameters(model, self.stage)
        groups = [{"params": head, "lr": self.stage.lr_head}, {"params": branch, "lr": self.stage.lr_branch}]
        groups = [group for group in groups if group["params"]]
        self.peaks = [group["lr"] for group in groups]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.stage.weight_decay, betas=self.stage.betas)
        self.model, self.step, self.best = model, 0, -1.0
        self.replaced = torch.zeros((), dtype=torch.long)
        self.wrapped, self.optimizer = fabric.setup(model, optimizer)
        if saved is not None:
            self._resume(saved)

    def _resume(self, saved: dict) -> None:
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.fabric.strategy.precision.load_state_dict(saved["scaler"])
        self.step, self.best = saved["step"], saved["best"]

    def _save(self) -> None:
        state = {
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
        }
        if self.fabric.is_global_zero:
            self.files.write_last(self.stage.name, self.step, state)

    # -- the loop --------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Train to the last step, and leave the stage's result."""
        stage, settings, fabric = self.stage, self.settings, self.fabric
        log = self.files.folder / "tensorboard" / stage.name
        loader = make_loader(settings, self.number, self.step, fabric)
        stopping = False
        with (
            StopRequest() as stop,
            Report(log, stage.name, self.step, stage.steps, stage.batch, fabric.is_global_zero) as report,
        ):
            for batch in loader:
                figures, stopping = self._train_step(batch, stop.asked)
                self.step += 1
                last = self.step == stage.steps
                if last or self.step % settings.log_every == 0:
                    report.figures(self.step, self._of_all(figures))
                if settings.validation and (last or self.step % settings.validation.every == 0):
                    report.validation(self.step, self._validate())
                if not last and (stopping or self.step % settings.checkpoint_every == 0):
                    self._save()
                if stopping and not last:
                    raise Interrupted(stage.name, self.step, stage.steps, self.files.last)
                report.step(self.step)
        result = self.files.result(stage.name)
        if fabric.is_global_zero:
            self._write(result, self.average.state_dict(), self.network)
        if stopping:
            raise Interrupted(stage.name, self.step, stage.steps, result)

    def _train_step(self, batch: dict[str, Tensor], stop: bool = False) -> tuple[dict[str, Tensor], bool]:
        """One optimizer step. Returns the own part's figures, and whether any process was asked to stop."""
        stage, fabric = self.stage, self.fabric
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * _rate(stage, self.step)
        # Drawn from the step: a resumed run needs no memory of its random numbers.
        seed = (self.settings.seed * 100 + self.number) * 10**6 + self.step
        torch.manual_seed(seed * fabric.world_size + fabric.global_rank)
        inputs = prepare(batch, self.network, fabric.device)
        loss, figures = LOSSES[stage.name](self.wrapped, inputs, stage, self._keep_mask(seed))
        # One for all, so that no process waits for another that has given up.
        whole = mean_over_processes(torch.stack([loss.detach(), loss.new_tensor(float(stop))]))
        if not torch.isfinite(whole[0]):
            self._give_up(f"the loss of stage '{stage.name}' is {whole[0].item()}")
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        norm = fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=stage.clip, error_if_nonfinite=False)
        if not torch.isfinite(norm) and not fabric.strategy.precision.state_dict():  # a scaler skips such a step
            self._give_up(f"the gradient of stage '{stage.name}' is {norm.item()}")
        self.optimizer.step()
        self._update_average()
        figures["gradient"] = norm
        if self.settings.samples.datasets:  # damaged images, counted since the run was started or resumed
            self.replaced += batch["replaced"].sum() * fabric.world_size
            figures["replaced"] = self.replaced.to(norm)
        return figures, bool(whole[1] > 0)

    def _give_up(self, what: str) -> None:
        state = f"'{self.files.last}' holds the last good state" if self.files.last.exists() else "nothing is saved yet"
        raise FloatingPointError(f"{what} at step {self.step}: lower the learning rate; {state}")

    def _keep_mask(self, seed: int) -> Tensor | None:
        """This process's part of the mask (B, Nx) of the whole batch."""
        stage, fabric = self.stage, self.fabric
        if stage.name != "distil" or not stage.hidden:
            return None
        generator = torch.Generator().manual_seed(seed)
        whole = random_keep_mask(stage.batch, self.network.search_grid**2, stage.hidden, generator)
        return whole.chunk(fabric.world_size)[fabric.global_rank].to(fabric.device)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _of_all(self, figures: dict[str, Tensor]) -> dict[str, float]:
        return dict(zip(figures, mean_over_processes(torch.stack(list(figures.values()))).tolist(), strict=True))

    def _validate(self) -> float:
        """Success AUC of the averaged weights; those of the best so far are kept."""
        tracker = tracker_of(self.average)
        auc = validate(tracker, self.settings.validation, self.fabric)
        if auc > self.best:
            self.best = auc
            if self.fabric.is_global_zero:
                self._write(self.files.best, tracker.state_dict(), self.network, {"step": self.step, "auc": auc})
        return auc

    def _write(self, path: Path, state: dict[str, Tensor], config: CKDConfig, validation: dict | None = None) -> None:
        record = {"stage": self.stage.name, "samples_seen": self.step * self.stage.batch}
        if validation:
            record["validation"] = validation
        self.files.write_weights(path, state, config, record | _record(self.settings, self.number))


def _parameters(model: nn.Module, stage: Stage) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Those that learn: of the heads, of the branches."""
    if stage.name == "eliminate":
        return freeze_all_but_head(model), []
    named = list(model.named_parameters())
    return [p for name, p in named if "box_head" in name], [p for name, p in named if "box_head" not in name]


def _rate(stage: Stage, step: int) -> float:
    """The learning rate of a step as a share of its peak."""
    rise = min(1.0, (step + 1) / max(1, stage.warmup))
    progress = max(0.0, (step - stage.warmup) / max(1, stage.steps - stage.warmup))
    return rise * (stage.lr_final + (1 - stage.lr_final) * 0.5 * (1 + math.cos(math.pi * progress)))


def _record(settings: TrainingConfig, number: int) -> dict:
    """The stages run so far, as the weights' training record (data folders by name only)."""
    stages: Iterable[dict] = [asdict(stage) for stage in settings.stages[: number + 1]]
    record = {"seed": settings.seed, "ema": settings.ema, "samples": sample_record(settings.samples), "stages": stages}
    if settings.start:
        record["start"] = {"file": settings.start.name, **read_record(settings.start)}
    return json.loads(json.dumps(record))
