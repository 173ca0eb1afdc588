"""What a run shows of itself: a progress bar with the time left, and TensorBoard."""

from __future__ import annotations

import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from ckd_ros.training.run_files import explained


class Report:
    """One stage's figures, to be entered. Only the first of several processes shows anything.

    Args:
        folder: of the TensorBoard log; what it holds from `step` on is replaced.
        step, steps, batch: where the stage begins and ends, samples a step.
    """

    def __init__(self, folder: Path, stage: str, step: int, steps: int, batch: int, shown: bool):
        self.stage, self.steps, self.batch = stage, steps, batch
        self._first, self._started, self._shown = step, time.monotonic(), shown
        self._folder = folder
        with explained(folder):
            self._log = SummaryWriter(str(folder), purge_step=step) if shown else None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            disable=not shown,
        )
        self._task = self._bar.add_task(stage, total=steps, completed=step, figures="")

    def __enter__(self) -> Report:
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()
        if self._log is not None:
            with explained(self._folder):
                self._log.close()

    def step(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """Log figures, and show them with the rate so far."""
        if self._log is None:
            return
        rate = (step - self._first) * self.batch / (time.monotonic() - self._started)
        with explained(self._folder):  # it writes in a thread, whose error comes with the next figure
            for name, value in {**figures, "samples_per_second": rate}.items():
                self._log.add_scalar(name, value, step)
        text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items()) + f"  {rate:.0f} samples/s"
        self._bar.update(self._task, figures=text)
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"{self.stage} {step}/{self.steps}  {text}", soft_wrap=True)

    def validation(self, step: int, auc: float) -> None:
        if self._log is None:
            return
        with explained(self._folder):
            self._log.add_scalar("validation_auc", auc, step)
        self._bar.console.print(f"{self.stage} {step}/{self.steps}  validation AUC {auc:.3f}", soft_wrap=True)
