"""What a run reports while it trains: a progress bar with the time left, and TensorBoard."""

from __future__ import annotations

import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from ckd_ros.training.config import Stage
from ckd_ros.training.run_files import as_write_error


class TrainingLog:
    """The log of one stage, a context manager. Of several processes only the first one logs.

    Args:
        folder: of the TensorBoard log; what it holds from `step` on is replaced.
        step: the step that the stage starts or resumes at.
        enabled: False makes every method do nothing.
    """

    def __init__(self, folder: Path, stage: Stage, step: int, enabled: bool):
        self._folder, self._stage = folder, stage
        self._first, self._started = step, time.monotonic()
        with as_write_error(folder):
            self._writer = SummaryWriter(str(folder), purge_step=step) if enabled else None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            disable=not enabled,
        )
        self._task = self._bar.add_task(stage.name, total=stage.steps, completed=step, metrics="")

    def __enter__(self) -> TrainingLog:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._writer is not None:
            with as_write_error(self._folder):
                self._writer.close()

    def update(self, step: int) -> None:
        """Show that a step is done."""
        self._bar.update(self._task, completed=step)

    def log_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Log metrics, and show them with the samples per second since the start."""
        if self._writer is None:
            return
        rate = (step - self._first) * self._stage.batch / (time.monotonic() - self._started)
        with as_write_error(self._folder):  # the writer's thread raises its errors at the next value
            for name, value in {**metrics, "samples_per_second": rate}.items():
                self._writer.add_scalar(name, value, step)
        text = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items()) + f"  {rate:.0f} samples/s"
        self._bar.update(self._task, metrics=text)
        if not self._bar.console.is_terminal:
            self._print(step, text)

    def log_validation(self, step: int, auc: float) -> None:
        """Log and show a validation's success AUC."""
        if self._writer is None:
            return
        with as_write_error(self._folder):
            self._writer.add_scalar("validation_auc", auc, step)
        self._print(step, f"validation AUC {auc:.3f}")

    def _print(self, step: int, text: str) -> None:
        self._bar.console.print(f"{self._stage.name} {step}/{self._stage.steps}  {text}", soft_wrap=True)
