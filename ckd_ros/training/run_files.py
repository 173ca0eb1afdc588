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
from ckd_ros.network.checkpoint import CheckpointError, read_record, save_checkpoint
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.training.config import STAGES
from ckd_ros.training.run_record import OF_WEIGHTS, Record, differences, up_to


class RunFiles:
    """The folder of a run: `last.pt` (all that is needed to resume), `STAGE.safetensors`, `best.safetensors`.

    Args:
        record: of this run, see `run_record`; it is written into each of the files.

    Raises OSError where the folder cannot be made, ValueError where it holds weights that are not of this run.
    """

    def __init__(self, folder: Path, record: Record):
        self.folder, self.last, self.best, self.record = folder, folder / "last.pt", folder / "best.safetensors", record
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self.best, *map(self.result, (*STAGES, "student"))):
            if path.exists():
                self._check_run(path, _weights_record(path))

    def result(self, stage: str) -> Path:
        """The weights that a finished stage leaves; of `student` those that a finished run does."""
        return self.folder / f"{stage}.safetensors"

    def read_checkpoint(self) -> dict[str, Any] | None:
        """The state to resume from, its tensors on the CPU; None where there is none.

        Raises ValueError for a damaged file, and for one of another run.
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
        record = saved.get("record", {}) if isinstance(saved, dict) else {}
        self._check_run(self.last, record)
        stages = [stage["name"] for stage in record["stages"]]
        for stage in stages[: stages.index(saved["stage"])]:
            if not self.result(stage).exists():
                raise ValueError(
                    f"'{self.last}' is from stage '{saved['stage']}', but '{self.result(stage)}', the result of an "
                    f"earlier stage, is missing: put it back, or remove '{self.last}' to train that stage again"
                )
        return dict(saved)

    def _check_run(self, path: Path, record: Record) -> None:
        """Raise ValueError, with what differs, unless a file's record is that of this run, as far as it has got."""
        if "data" not in record:
            raise ValueError(
                f"'{path}' does not say which settings and data it comes from, as files of earlier versions do not: "
                f"whether it belongs to this run cannot be told, choose another --out"
            )
        now = self.record if path == self.last else up_to(self.record, len(record["stages"]))
        if found := differences(record, now):
            raise ValueError(
                f"'{path}' belongs to another run: {found}. Choose another --out, or go on with what it began with"
            )

    def write_checkpoint(self, stage: str, step: int, state: dict[str, Any]) -> None:
        """Raises OSError, and leaves the previous file as it was, where it cannot be written."""
        state = {"record": self.record, "stage": stage, "step": step, **state}
        with as_write_error(self.last), replacing(self.last) as temporary:
            torch.save(state, temporary)

    def write_weights(
        self, path: Path, state: dict[str, Tensor], config: NetworkConfig, record: dict[str, Any]
    ) -> None:
        """Raises OSError, and leaves the previous file as it was, where it cannot be written."""
        with as_write_error(path):
            save_checkpoint(path, state, config, record)


def _weights_record(path: Path) -> Record:
    """The record of the run that weights come from. Raises ValueError for a damaged file."""
    try:
        return {name: value for name, value in read_record(path).items() if name not in OF_WEIGHTS}
    except CheckpointError as error:
        raise ValueError(
            f"{error}; in the folder of a run: remove it, and what it should hold is trained again"
        ) from error


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
