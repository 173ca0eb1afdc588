"""A training run: stage after stage, each in `StageTrainer`, to the student's weights."""

from __future__ import annotations

from pathlib import Path

from ckd_ros.network.networks import make_student
from ckd_ros.network.presets import preset
from ckd_ros.training.config import load_config
from ckd_ros.training.distributed import make_fabric
from ckd_ros.training.initial_weights import load_initial_weights
from ckd_ros.training.interruption import TimeLimit
from ckd_ros.training.run_files import RunFiles
from ckd_ros.training.stage_trainer import StageTrainer, training_record


def train(
    config: str | Path, data: str | Path | None = None, out: str | Path = "runs/tiny", minutes: float | None = None
) -> Path:
    """Run all stages of a training file, or what fits in `minutes`; a run in `out` that was stopped is resumed.

    Under `torchrun` all its processes train together. Each stage leaves its averaged weights as of its last step in
    `out/STAGE.safetensors`, the running one `out/last.pt`; where the file asks for validation, `out/best.safetensors`
    is what tracked best in the running stage. TensorBoard logs are written to `out/tensorboard`.

    Returns the path of the student's weights, `out/student.safetensors`; where only a single-modality tracker is
    trained, that stage's.

    Raises:
        FileNotFoundError, ValueError: for what is wrong in the file (see `load_config`), a batch that the processes
            cannot share, an `out` that holds another run, and `minutes` that are not above 0.
        OSError: where a file cannot be written, as on a full disk; the previous one is then unchanged.
        FloatingPointError: if the loss is not finite; `last.pt` is then from before it.
        Interrupted: on Ctrl-C and SIGTERM, after saving.
        OutOfTime: an Interrupted, when the minutes are over, after saving.
    """
    limit = TimeLimit(minutes)
    settings = load_config(config, data)
    files = RunFiles(Path(out), settings)
    checkpoint = files.read_checkpoint()
    fabric = make_fabric(settings.precision, settings.sync_batch_norm)
    for stage in settings.stages:
        if stage.batch % fabric.world_size:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} cannot be shared by {fabric.world_size} processes: "
                f"choose a multiple"
            )
    previous = settings.start
    for index, stage in enumerate(settings.stages):
        result = files.result(stage.name)
        if result.exists():
            files.check_result(stage.name)
        else:
            resumed = checkpoint if checkpoint is not None and checkpoint["stage"] == stage.name else None
            StageTrainer(settings, index, previous, files, fabric, resumed).fit(limit)
            checkpoint = None
            fabric.barrier()
        previous = result
    if settings.stages[-1].name == "pretrain":
        return result
    student = make_student(preset(settings.preset))
    load_initial_weights(student, result)
    path = files.result("student")
    if fabric.is_global_zero:
        record = training_record(settings, len(settings.stages) - 1)
        files.write_weights(path, student.state_dict(), student.config, record)
    fabric.barrier()
    return path
