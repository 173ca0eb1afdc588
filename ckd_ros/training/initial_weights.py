"""The weights that a stage's network starts from: random ones, the previous stage's, or an imported checkpoint's.

The kind of a checkpoint is told by the names of its tensors:

| file         | tensors                                             | written by                      |
|--------------|-----------------------------------------------------|---------------------------------|
| single       | `backbone.`, `box_head.`                            | stage `pretrain`, `ckd import`  |
| student      | `rgb_branch.`, `tir_branch.`, `box_head.`           | stages `eliminate`, `boxes`, `ckd import` |
| distillation | the student's, `teacher_rgb.`, `teacher_tir.`, heads | stage `distil`, `ckd import`    |

A single-modality tracker starts from a single checkpoint; stage 1 from a single or a distillation checkpoint (a student
has nothing for the teachers' heads to start from); a student from any of the three.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ckd_ros.network.checkpoint import CheckpointError, checkpoint_kind, load_checkpoint, load_weights
from ckd_ros.network.networks import OneCameraTracker, Student, make_student, make_tracker
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.training.box_layers import BoxStudent
from ckd_ros.training.config import Stage
from ckd_ros.training.distillation import Distillation, make_distillation

ACCEPTED_KINDS = {
    "single": ("single",),
    "distillation": ("distillation", "single"),
    "student": ("student", "distillation", "single"),
}
Trained = Student | OneCameraTracker


def build_model(stage: Stage, network: NetworkConfig, previous: Path | None) -> Trained:
    """The network that a stage trains, with the weights of the file `previous` or, without one, with random weights.

    Raises FileNotFoundError, or CheckpointError as `load_initial_weights`.
    """
    makers: dict[str, Callable[[NetworkConfig], Trained]] = {
        "pretrain": make_tracker,
        "distil": make_distillation,
        "eliminate": make_student,
        "boxes": _make_box_student,
    }
    model = makers[stage.name](network)
    if previous is not None:
        load_initial_weights(model, previous)
    if isinstance(model, BoxStudent):
        model.coupling.weaken(stage.coupling)
        model.hold_start()
    return model


def _make_box_student(network: NetworkConfig) -> BoxStudent:
    assert isinstance(network, SiameseConfig)  # as `TrainingConfig` asks
    return BoxStudent(network)


def load_initial_weights(model: Trained, path: Path) -> None:
    """Load a checkpoint into a network of another kind or the same; the module's docstring says which fit.

    Elimination and drop path have no weights: presets that differ only in these can start from each other.
    Raises FileNotFoundError, or CheckpointError for a checkpoint of another preset or of a kind that does not fit.
    """
    state, config, _ = load_checkpoint(path)
    kind, own = checkpoint_kind(state), checkpoint_kind(model.state_dict())
    different = [name for name in model.config.differences(config) if (kind, name) != ("single", "shared")]
    if different:
        raise CheckpointError(
            f"'{path}' is of preset '{config.preset}', the network to train of '{model.config.preset}', which "
            f"differs in {', '.join(different)}: train with '{config.preset}' or start from a file of "
            f"'{model.config.preset}'"
        )
    if kind not in ACCEPTED_KINDS[own]:
        raise CheckpointError(
            f"'{path}' holds a {kind} checkpoint, from which a {own} network cannot start: "
            f"give a {' or '.join(ACCEPTED_KINDS[own])} checkpoint"
        )
    if kind == "single" and isinstance(model, Student):
        model.init_from_tracker(state)
    elif kind == "distillation" and not isinstance(model, Distillation):
        names = model.state_dict()
        load_weights(model, {name: value for name, value in state.items() if name in names})
    else:
        load_weights(model, state)
