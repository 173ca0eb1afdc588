"""`ckd export`, `ckd quantise` and `ckd import`: from one kind of network file to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ckd_ros.app.commands.arguments import Output
from ckd_ros.app.terminal import console
from ckd_ros.files import replacing


def _check_output(out: Path, source: Path) -> None:
    """Raise ValueError for an output that is not called an .onnx file, or is the file it is made from."""
    if out.suffix != ".onnx":
        raise ValueError(f"'{out}' would hold an ONNX network: give it a name that ends in .onnx")
    if out.exists() and source.exists() and out.samefile(source):
        raise ValueError(f"'{out}' is what is read: give another name for what is written")


@dataclass(frozen=True)
class Export:
    """Write a trained student as an ONNX file, and check that ONNX Runtime agrees with PyTorch.

    Example: ckd export runs/tiny/student.safetensors tiny.onnx --coupling 0.3

    Attributes:
        checkpoint: the .safetensors file that training left: a student, or stage 1 with its teachers.
        out: the .onnx file.
        coupling: of a Siamese student, the share of its learned coupling that is kept: 0 leaves two trackers side by
            side, 1 all.
    """

    checkpoint: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="CHECKPOINT")]]
    out: tyro.conf.Positional[Output]
    coupling: float = 1.0

    def run(self) -> None:
        from ckd_ros.network.checkpoint import checkpoint_kind, load_checkpoint, load_weights
        from ckd_ros.network.export import check_export, export_onnx
        from ckd_ros.network.networks import make_student
        from ckd_ros.network.siamese_student import SiameseStudent

        _check_output(self.out, self.checkpoint)
        state, config, record = load_checkpoint(self.checkpoint)
        kind, student = checkpoint_kind(state), make_student(config)
        if kind == "single":
            raise ValueError(
                f"'{self.checkpoint}' is a tracker of one modality, an .onnx file is of a student for two: train one "
                f"that starts from it (`start:`, see docs/training.md)"
            )
        own = student.state_dict()
        load_weights(student, {n: value for n, value in state.items() if n in own or kind == "student"})
        if not 0 <= self.coupling <= 1:
            raise ValueError(f"coupling {self.coupling} is out of range: give a share from 0 to 1")
        if self.coupling < 1:
            if not isinstance(student, SiameseStudent):
                raise ValueError(f"{self.checkpoint} is no Siamese student: leave --coupling out")
            student.coupling.weaken(self.coupling)
            record = {**record, "coupling": self.coupling}
        with replacing(self.out) as unchecked:  # a file that fails the check replaces none
            export_onnx(student, unchecked, record)
            error = check_export(student, unchecked)
        console().print(f"{self.out} agrees with PyTorch to {error:.1e}")


@dataclass(frozen=True)
class Quantise:
    """Write an exported student with int8 weights, for CPUs, and check that it finds the same boxes.

    Example: ckd quantise tiny.onnx tiny-int8.onnx

    Attributes:
        model: the fp32 .onnx file that `export` wrote.
        out: the int8 .onnx file.
    """

    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]]
    out: tyro.conf.Positional[Output]

    def run(self) -> None:
        from ckd_ros.evaluation.calibration import calibration_inputs
        from ckd_ros.evaluation.quantisation_check import check_quantised
        from ckd_ros.network.quantise import quantise_onnx

        _check_output(self.out, self.model)
        with replacing(self.out) as unchecked:  # a file that fails the check replaces none
            quantise_onnx(self.model, unchecked, calibration_inputs(self.model))
            overlap = check_quantised(self.model, unchecked)
        size = self.out.stat().st_size / 1e6
        console().print(f"{self.out}: {size:.0f} MB, its boxes overlap those of {self.model} by {overlap:.3f}")


@dataclass(frozen=True)
class Import:
    """Turn a checkpoint of the paper's authors into weights that `train` can start from and an ONNX file.

    Example: ckd import CKD.pth --out imported

    Attributes:
        file: their .pth file: a student, a training checkpoint with its teachers, a single-modality tracker
            (OSTrack, DropTrack) or a plain vision transformer. Nothing in it is executed.
        out: new folder for model.safetensors and, where FILE holds a student, model.onnx.
        preset: the network that it is for: vitb256, vitb256-noce, vitb256-ce or vitb256-shared.
    """

    file: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FILE")]]
    out: Output
    preset: str = "vitb256"

    def run(self) -> None:
        from ckd_ros.network.importing import import_checkpoint
        from ckd_ros.network.presets import preset

        written = import_checkpoint(self.file, preset(self.preset), self.out)
        for path in written:
            console().print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
        if len(written) == 1:
            console().print("no model.onnx: FILE holds a network for one modality, train a student from it (`start:`)")
