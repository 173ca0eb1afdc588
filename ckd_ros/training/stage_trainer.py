"""The training loop of one stage: the same for every stage, on one process or many, resumable at any step."""

from __future__ import annotations

import copy
import logging
import math
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ckd_ros.network.networks import Student
from ckd_ros.network.presets import NetworkConfig, preset
from ckd_ros.training.box_layers import BoxStudent, freeze_all_but_boxes
from ckd_ros.training.config import Stage, TrainingConfig
from ckd_ros.training.distillation import Distillation, freeze_all_but_head, freeze_teachers, random_keep_mask
from ckd_ros.training.distributed import all_reduce_mean, can_compile, convert_sync_batch_norm
from ckd_ros.training.initial_weights import build_model
from ckd_ros.training.interruption import StopRequests, TimeLimit
from ckd_ros.training.loading import make_loader
from ckd_ros.training.objectives import STAGE_LOSSES, prepare_batch
from ckd_ros.training.reporting import TrainingLog
from ckd_ros.training.run_files import RunFiles
from ckd_ros.training.run_record import up_to
from ckd_ros.training.validation import student_or_tracker, validate

log = logging.getLogger(__name__)


class StageTrainer:
    """One stage: model, optimizer, averaged weights, and the step that they are at.

    Args:
        stage_index: number of the stage in `settings.stages`.
        previous: the weights that the stage starts from; None: random ones.
        checkpoint: the state to resume from, as `RunFiles.read_checkpoint` gives it; None: the stage starts.
    """

    def __init__(
        self,
        settings: TrainingConfig,
        stage_index: int,
        previous: Path | None,
        files: RunFiles,
        fabric: Fabric,
        checkpoint: dict[str, Any] | None,
    ):
        self.settings, self.stage_index, self.files, self.fabric = settings, stage_index, files, fabric
        self.stage: Stage = settings.stages[stage_index]
        self.network: NetworkConfig = preset(settings.preset)
        torch.manual_seed(settings.seed + stage_index)
        model = build_model(self.stage, self.network, previous).train()
        if isinstance(model, Distillation) and (self.stage.teachers == "frozen" or not self.stage.lr_branch):
            freeze_teachers(model)
        if isinstance(model, Student) and not self.stage.lr_branch:
            freeze_all_but_head(model)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's annotations
        self.averaged_model = copy.deepcopy(model).requires_grad_(False).to(fabric.device)
        if fabric.world_size > 1 and settings.sync_batch_norm:
            convert_sync_batch_norm(model)
        if settings.compile and can_compile(fabric.device):
            model.compile()  # in place: the names of its weights stay
        groups = _parameter_groups(model, self.stage)
        self.peak_rates = [group["lr"] for group in groups]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.stage.weight_decay, betas=self.stage.betas)
        self.model, self.step, self.best_auc = model, 0, -1.0
        self.replaced = torch.zeros((), dtype=torch.long)  # samples of damaged files since this start of the run
        self._named: set[str] = set()
        self.wrapped, self.optimizer = fabric.setup(model, optimizer)
        if checkpoint is not None:
            self._resume(checkpoint)

    def _resume(self, checkpoint: dict[str, Any]) -> None:
        self.model.load_state_dict(checkpoint["model"])
        self.averaged_model.load_state_dict(checkpoint["average"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.fabric.strategy.precision.load_state_dict(checkpoint["scaler"])
        self.step, self.best_auc = checkpoint["step"], checkpoint["best"]

    def _save_checkpoint(self) -> None:
        state = {
            "best": self.best_auc,
            "model": self.model.state_dict(),
            "average": self.averaged_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
        }
        if self.fabric.is_global_zero:
            self.files.write_checkpoint(self.stage.name, self.step, state)

    # -- the loop --------------------------------------------------------------------------------------------------

    def fit(self, limit: TimeLimit) -> None:
        """Train to the last step, and write the stage's result.

        Raises Interrupted once a signal to stop has come, OutOfTime once the limit is over, after a last checkpoint.
        """
        stage, settings, fabric = self.stage, self.settings, self.fabric
        folder = self.files.folder / "tensorboard" / stage.name
        loader = make_loader(settings, self.stage_index, self.step, fabric)
        stopping, due = False, TimeLimit(settings.checkpoint_minutes)
        with StopRequests(limit) as stop, TrainingLog(folder, stage, self.step, fabric.is_global_zero) as log:
            for batch in loader:
                self._name_faults(batch["faults"])
                metrics, stopping = self.training_step(batch, stop.received)
                self.step += 1
                last = self.step == stage.steps
                if last or self.step % settings.log_every == 0:
                    log.log_metrics(self.step, self._reduced(metrics))
                if settings.validation and (last or self.step % settings.validation.every == 0):
                    log.log_validation(self.step, self._validate())
                if not last and (stopping or due.is_over or self.step % settings.checkpoint_every == 0):
                    self._save_checkpoint()
                    due = TimeLimit(settings.checkpoint_minutes)
                if stopping and not last:
                    raise stop.ending(stage.name, self.step, stage.steps, self.files.last)
                log.update(self.step)
        result = self.files.result(stage.name)
        if fabric.is_global_zero:
            self._write_weights(result, self.averaged_model.state_dict())
        if stopping:
            raise stop.ending(stage.name, self.step, stage.steps, result)

    def _name_faults(self, faults: list[str]) -> None:
        """Name every damaged file of a batch, once."""
        for fault in dict.fromkeys(line for lines in faults for line in lines.splitlines()):
            if fault not in self._named:
                self._named.add(fault)
                log.warning("left out: %s", fault)

    def training_step(self, batch: dict[str, Any], stop: bool = False) -> tuple[dict[str, Tensor], bool]:
        """One optimizer step. Returns the metrics of this process's part, and whether any process was told to stop."""
        stage, fabric = self.stage, self.fabric
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * _learning_rate_factor(stage, self.step)
        # The seed depends on the step alone: a resumed run needs no saved state of random numbers.
        seed = (self.settings.seed * 100 + self.stage_index) * 10**6 + self.step
        torch.manual_seed(seed * fabric.world_size + fabric.global_rank)
        inputs = prepare_batch(batch, self.network, fabric.device)
        loss, metrics = STAGE_LOSSES[stage.name](self.wrapped, inputs, stage, self._keep_mask(seed))
        # One decision for all processes, so that none waits for another that has raised.
        decision = all_reduce_mean(torch.stack([loss.detach(), loss.new_tensor(float(stop))]))
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        norm = fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=stage.clip, error_if_nonfinite=False)
        assert norm is not None  # it is None only where gradients are clipped by value
        mean_loss, stops, size = torch.stack([*decision, norm]).tolist()  # once a step: it waits for a GPU
        if not math.isfinite(mean_loss):
            self._raise_not_finite(f"the loss of stage '{stage.name}' is {mean_loss}")
        if not math.isfinite(size) and not fabric.strategy.precision.state_dict():  # a scaler skips such a step
            self._raise_not_finite(f"the gradient of stage '{stage.name}' is {size}")
        self.optimizer.step()
        self._update_average()
        metrics["gradient"] = norm
        self.replaced += batch["replaced"].sum() * fabric.world_size
        metrics["replaced"] = self.replaced.to(norm)
        return metrics, stops > 0

    def _raise_not_finite(self, what: str) -> NoReturn:
        last = self.files.last
        kept = f"'{last}' holds the last good state" if last.exists() else "no checkpoint has been saved yet"
        raise FloatingPointError(f"{what} at step {self.step}: lower the learning rate; {kept}")

    def _keep_mask(self, seed: int) -> Tensor | None:
        """This process's part of the whole batch's mask (B, Nx); None where the stage masks nothing."""
        stage, fabric = self.stage, self.fabric
        if stage.name != "distil" or not stage.mask_ratio:
            return None
        generator = torch.Generator().manual_seed(seed)
        mask = random_keep_mask(stage.batch, self.network.search_grid**2, stage.mask_ratio, generator)
        return mask.chunk(fabric.world_size)[fabric.global_rank].to(fabric.device)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        averages, values = self.averaged_model.state_dict().values(), self.model.state_dict().values()
        pairs = list(zip(averages, values, strict=True))
        floating = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        get_ema_multi_avg_fn(decay)(*map(list, zip(*floating, strict=True)), 0)  # few kernels for all of them on a GPU
        for average, value in pairs:
            if not average.dtype.is_floating_point:
                average.copy_(value)

    def _reduced(self, metrics: dict[str, Tensor]) -> dict[str, float]:
        """The mean of each metric over all processes."""
        return dict(zip(metrics, all_reduce_mean(torch.stack(list(metrics.values()))).tolist(), strict=True))

    def _validate(self) -> float:
        """Success AUC of the averaged weights; the best ones so far are written to `best.safetensors`."""
        assert self.settings.validation is not None
        tracker = student_or_tracker(self.averaged_model)
        auc = validate(tracker, self.settings.validation, self.fabric)
        if auc > self.best_auc:
            self.best_auc = auc
            if self.fabric.is_global_zero:
                self._write_weights(self.files.best, tracker.state_dict(), {"step": self.step, "auc": auc})
        return auc

    def _write_weights(self, path: Path, state: dict[str, Tensor], validation: dict[str, float] | None = None) -> None:
        record: dict[str, Any] = {"stage": self.stage.name, "samples_seen": self.step * self.stage.batch}
        if validation:
            record["validation"] = validation
        record |= up_to(self.files.record, self.stage_index + 1)
        self.files.write_weights(path, state, self.network, record)


def _parameter_groups(model: nn.Module, stage: Stage) -> list[dict[str, Any]]:
    """The optimizer's groups: the heads and the branches, each where it is trained."""
    branch: list[nn.Parameter] = []
    if isinstance(model, BoxStudent):
        head = freeze_all_but_boxes(model)
    elif stage.name == "eliminate":
        assert isinstance(model, Student)
        head = freeze_all_but_head(model)
    else:
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        head = [p for name, p in trained.items() if "box_head" in name or "coupling" in name]
        branch = [p for name, p in trained.items() if "box_head" not in name and "coupling" not in name]
    groups = [{"params": head, "lr": stage.lr_head}, {"params": branch, "lr": stage.lr_branch}]
    return [group for group in groups if group["params"]]


def _learning_rate_factor(stage: Stage, step: int) -> float:
    """The learning rate of a step as a fraction of its peak: linear warm-up, then a cosine."""
    warmup = min(1.0, (step + 1) / max(1, stage.warmup))
    progress = max(0.0, (step - stage.warmup) / max(1, stage.steps - stage.warmup))
    return warmup * (stage.lr_final + (1 - stage.lr_final) * 0.5 * (1 + math.cos(math.pi * progress)))
