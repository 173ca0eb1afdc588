"""A run's files: written completely or not at all, and read again only by the run they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ckd_ros.files import replacing
from ckd_ros.network.checkpoint import load_checkpoint, save_checkpoint
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.training.config import TrainingConfig


class RunFiles:
    """The folder of a run: `last.pt` (all that is needed to resume), `STAGE.safetensors`, `best.safetensors`.

    Raises OSError where the folder cannot be made.
    """

    def __init__(self, folder: Path, settings: TrainingConfig):
        self.folder, self.last, self.best = folder, folder / "last.pt", folder / "best.safetensors"
        self._preset, self._stages = settings.preset, [stage.name for stage in settings.stages]
        folder.mkdir(parents=True, exist_ok=True)

    def result(self, stage: str) -> Path:
        """The weights that a finished stage leaves."""
        return self.folder / f"{stage}.safetensors"

    def check_result(self, stage: str) -> None:
        """Raises ValueError if the result of a stage comes from a run of another preset or with other stages."""
        path = self.result(stage)
        _, config, record = load_checkpoint(path)
        stages = [finished["name"] for finished in record.get("stages", [])]
        self._check_run(path, config.preset, stages, self._stages[: self._stages.index(stage) + 1])

    def read_checkpoint(self) -> dict[str, Any] | None:
        """The state to resume from, its tensors on the CPU; None where there is none.

        Raises ValueError for a damaged file, and for one from a run of another preset or with other stages.
        """
        if not self.last.exists():
            return None
        try:
            saved = torch.load(self.last, map_location="cpu", weights_only=True)
        except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
            raise ValueError(
                f"'{self.last}' is damaged ({_first_line(error)}): remove it to start its stage again; the "
                f"finished stages are kept"
            ) from error
        if not (isinstance(saved, dict) and {"preset", "stages", "stage", "step"} <= saved.keys()):
            raise ValueError(f"'{self.last}' was written by another version: choose another --out, or remove it")
        self._check_run(self.last, saved["preset"], saved["stages"], self._stages)
        for stage in self._stages[: self._stages.index(saved["stage"])]:
            if not self.result(stage).exists():
                raise ValueError(
                    f"'{self.last}' is from stage '{saved['stage']}', but '{self.result(stage)}', the result of an "
                    f"earlier stage, is missing: put it back, or remove '{self.last}' to train that stage again"
                )
        return saved

    def _check_run(self, path: Path, preset: str, stages: list[str], expected: list[str]) -> None:
        if (preset, stages) != (self._preset, expected):
            raise ValueError(
                f"'{path}' belongs to a run of preset '{preset}' with the stages {', '.join(stages)}, this run is of "
                f"preset '{self._preset}' with the stages {', '.join(expected)}: choose another --out"
            )

    def write_checkpoint(self, stage: str, step: int, state: dict[str, Any]) -> None:
        """Raises OSError, and leaves the previous file as it was, where it cannot be written."""
        state = {"preset": self._preset, "stages": self._stages, "stage": stage, "step": step, **state}
        with as_write_error(self.last), replacing(self.last) as temporary:
            torch.save(state, temporary)

    def write_weights(
        self, path: Path, state: dict[str, Tensor], config: NetworkConfig, record: dict[str, Any]
    ) -> None:
        """Raises OSError, and leaves the previous file as it was, where it cannot be written."""
        with as_write_error(path):
            save_checkpoint(path, state, config, record)


@contextmanager
def as_write_error(path: Path) -> Iterator[None]:
    """One kind of error, OSError, for all that PyTorch, safetensors and the system raise when a disk is full."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        kept = f"; the previous '{path.name}' is unchanged" if path.is_file() else ""
        raise OSError(
            f"'{path}' could not be written ({_first_line(error)}): free space on the disk, then run the same command "
            f"again{kept}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
