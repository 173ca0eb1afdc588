"""A training run: stage after stage, each in `StageTrainer`, to the student's weights."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from ckd_ros.network.networks import make_student
from ckd_ros.network.presets import preset
from ckd_ros.training.config import load_config
from ckd_ros.training.distributed import make_fabric
from ckd_ros.training.initial_weights import load_initial_weights
from ckd_ros.training.interruption import TimeLimit
from ckd_ros.training.run_files import RunFiles
from ckd_ros.training.run_record import run_record
from ckd_ros.training.stage_trainer import StageTrainer

log = logging.getLogger(__name__)


def train(
    config: str | Path,
    data: str | Path | None = None,
    out: str | Path | None = None,
    minutes: float | None = None,
    changes: Iterable[str] = (),
) -> Path:
    """Run all stages of a training file, or what fits in `minutes`; a run in `out` that was stopped is resumed.

    A run that is finished is left as it is. For a file `NAME.yaml` the default of `out` is `runs/NAME`. `changes` are
    as of `load_config`.

    Under `torchrun` all its processes train together. Each stage leaves its averaged weights as of its last step in
    `out/STAGE.safetensors`, the running one `out/last.pt`; where the file asks for validation, `out/best.safetensors`
    is what tracked best in the running stage. TensorBoard logs are written to `out/tensorboard`.

    Returns the path of the student's weights, `out/student.safetensors`; where only a single-modality tracker is
    trained, that stage's.

    Raises:
        FileNotFoundError, ValueError: for what is wrong in the file (see `load_config`), a batch that the processes
            cannot share, an `out` that holds a run of other settings or data, and `minutes` that are not above 0.
        OSError: where a file cannot be written, as on a full disk; the previous one is then unchanged.
        FloatingPointError: if the loss is not finite; `last.pt` is then from before it.
        Interrupted: on Ctrl-C and SIGTERM, after saving.
        OutOfTime: an Interrupted, when the minutes are over, after saving.
    """
    limit = TimeLimit(minutes)
    settings = load_config(config, data, changes)
    files = RunFiles(Path("runs") / Path(config).stem if out is None else Path(out), run_record(settings))
    checkpoint = files.read_checkpoint()
    stages = [stage.name for stage in settings.stages]
    only_tracker = stages[-1] == "pretrain"
    path = files.result("pretrain" if only_tracker else "student")
    if path.exists():
        log.warning("the run in '%s' is finished: nothing is left to train", files.folder)
        return path
    fabric = make_fabric(settings.precision, settings.sync_batch_norm)
    for stage in settings.stages:
        if stage.batch % fabric.world_size:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} cannot be shared by {fabric.world_size} processes: "
                f"choose a multiple"
            )
    previous = settings.start
    for index, name in enumerate(stages):
        result = files.result(name)
        if not result.exists():
            resumed = checkpoint if checkpoint is not None and checkpoint["stage"] == name else None
            StageTrainer(settings, index, previous, files, fabric, resumed).fit(limit)
            checkpoint = None
            fabric.barrier()
        previous = result
    if not only_tracker:
        student = make_student(preset(settings.preset))
        load_initial_weights(student, result)
        if fabric.is_global_zero:
            files.write_weights(path, student.state_dict(), student.config, files.record)
        fabric.barrier()
    return path
