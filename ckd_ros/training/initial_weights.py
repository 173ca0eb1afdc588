"""What a stage's network starts from: nothing, the stage before it, or an imported checkpoint.

What a file holds is read from the names of its tensors:

| file         | tensors                                             | written by                      |
|--------------|-----------------------------------------------------|---------------------------------|
| single       | `backbone.`, `box_head.`                            | stage `pretrain`, `ckd import`  |
| student      | `rgb_branch.`, `tir_branch.`, `box_head.`           | stage `eliminate`, `ckd import` |
| distillation | the student's, `teacher_rgb.`, `teacher_tir.`, heads | stage `distil`, `ckd import`    |

A single-modality tracker starts from a single file; stage 1 from a single or a distillation file (a student lacks
what its teachers' heads would start from); a student from any of the three.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, load_weights
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.student import CKDStudent, SingleModalityTracker
from ckd_ros.training.config import Stage
from ckd_ros.training.distillation import CKDDistillation

NETWORKS = {"pretrain": SingleModalityTracker, "distil": CKDDistillation, "eliminate": CKDStudent}
STARTS = {
    SingleModalityTracker: ("single",),
    CKDDistillation: ("distillation", "single"),
    CKDStudent: ("student", "distillation", "single"),
}


def build_model(stage: Stage, network: CKDConfig, previous: Path | None) -> nn.Module:
    """The network that a stage trains, started from the file `previous` or, without one, from random weights.

    Raises FileNotFoundError, or CheckpointError as `start_from`.
    """
    model = NETWORKS[stage.name](network)
    if previous is not None:
        start_from(model, previous)
    return model


def start_from(model: SingleModalityTracker | CKDStudent, path: Path) -> None:
    """Load what a file offers to a network; which files suit which network, see above.

    Elimination and drop path need no weights, so that presets which differ in them only may start from each other.
    Raises FileNotFoundError, or CheckpointError for a file of another preset or with other contents.
    """
    state, config, _ = load_checkpoint(path)
    kind, suited = contents(state), STARTS[type(model)]
    different = [name for name in model.config.differences(config) if (kind, name) != ("single", "shared")]
    if different:
        raise CheckpointError(
            f"'{path}' is of preset '{config.preset}', the network to start of '{model.config.preset}', which is "
            f"another in {', '.join(different)}: train with '{config.preset}' or start from a file of "
            f"'{model.config.preset}'"
        )
    if kind not in suited:
        raise CheckpointError(
            f"'{path}' holds a {kind} checkpoint, from which {type(model).__name__} cannot start: "
            f"give a {' or '.join(suited)} checkpoint"
        )
    if kind == "single" and isinstance(model, CKDStudent):
        model.start_from_tracker(state)
    elif kind == "distillation" and not isinstance(model, CKDDistillation):
        own = model.state_dict()
        load_weights(model, {name: value for name, value in state.items() if name in own})
    else:
        load_weights(model, state)


def contents(state: dict[str, Tensor]) -> str:
    """'single', 'distillation' or 'student': what a state dict holds, by its names."""
    parts = {name.split(".", 1)[0] for name in state}
    if "backbone" in parts:
        return "single"
    return "distillation" if "teacher_rgb" in parts else "student"
