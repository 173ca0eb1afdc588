"""The network in PyTorch: a checkpoint of any preset tracks without being exported.

The one module of `tracking` that needs PyTorch and the network's sources. `open_engine` imports it when a checkpoint is
opened, so that a robot needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ckd_ros.frames import Float32Array
from ckd_ros.network.checkpoint import load_checkpoint, load_weights
from ckd_ros.network.export import input_names
from ckd_ros.network.head import Prediction
from ckd_ros.network.networks import OneCameraTracker, Student, make_student, make_tracker
from ckd_ros.network.siamese_student import SiameseStudent
from ckd_ros.network.student import CKDStudent
from ckd_ros.tracking.crops import Normalisation
from ckd_ros.tracking.engine.spec import Maps, ModelSpec


class TorchEngine:
    """A network in PyTorch with the interface of `OnnxEngine`.

    A single-modality tracker is run on each modality that has an image; the maps are averaged.
    """

    narrow_size = None

    def __init__(
        self, model: Student | OneCameraTracker, device: torch.device, training: Mapping[str, Any] | None = None
    ) -> None:
        config = model.config
        self._model, self._device, self.grid = model.to(device).eval(), torch.device(device), config.head_grid
        self.spec = ModelSpec(
            preset=config.preset,
            opset="none",
            template_size=config.template_size,
            search_size=config.search_size,
            template_factor=config.template_factor,
            search_factor=config.search_factor,
            normalisation=Normalisation(config.mean, config.std),
            uses_box=config.template_box,
            gives_features=isinstance(model, SiameseStudent),
            stretched=config.stretched,
            border=config.border,
            training=dict(training or {}),
        )

    @staticmethod
    def load(path: str | Path, device: torch.device) -> TorchEngine:
        """The network in a `.safetensors` file of `ckd train` or `ckd import`; of one with teachers the student.

        Raises FileNotFoundError, or CheckpointError (a ValueError) where the file is not one of ours.
        """
        state, config, training = load_checkpoint(path)
        single = any(name.startswith("backbone.") for name in state)
        model = make_tracker(config) if single else make_student(config)
        own = model.state_dict()
        load_weights(model, {name: value for name, value in state.items() if single or name in own})
        return TorchEngine(model, device, training)

    @property
    def provider(self) -> str:
        """Where the network runs, `PyTorch on cpu`."""
        return f"PyTorch on {self._device}"

    def describe(self) -> str:
        """One line for logs and diagnostics."""
        return (
            f"preset {self.spec.preset} (template {self.spec.template_size} px, search {self.spec.search_size} px, "
            f"{self.spec.precision}) in {self.provider}, version {torch.__version__}"
        )

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, Float32Array]) -> Maps:
        """One forward pass; inputs and outputs as in `OnnxEngine.run`."""
        tensors = {name: torch.from_numpy(inputs[name]).to(self._device) for name in input_names(self._model.config)}
        maps, features = self._outputs(tensors)
        arrays = [tensor[0].cpu().numpy() for tensor in (*maps, *features)]
        return Maps(arrays[0][0], arrays[1], arrays[2], tuple(arrays[3:]))

    def run_many(self, inputs: Sequence[Mapping[str, Float32Array]]) -> list[Maps]:
        """One forward pass each."""
        return [self.run(one) for one in inputs]

    def _outputs(self, tensors: dict[str, Tensor]) -> tuple[Prediction, tuple[Tensor, ...]]:
        """Maps, and the search features (1, C, G, G) of both modalities where the network has them."""
        if isinstance(self._model, SiameseStudent):
            output = self._model(*tensors.values())
            features = (
                branch.blocks[0].transpose(1, 2).unflatten(2, (self.grid,) * 2) for branch in (output.rgb, output.tir)
            )
            return output.prediction, tuple(features)
        if isinstance(self._model, CKDStudent):
            return self._model(*tensors.values()).prediction, ()
        present = [m for m in ("rgb", "tir") if tensors[f"template_{m}"].any()] or ["rgb"]
        predictions = [
            self._model(tensors[f"template_{m}"], tensors[f"search_{m}"], tensors.get("template_box")) for m in present
        ]
        return Prediction(*(torch.stack(maps).mean(0) for maps in zip(*predictions, strict=True))), ()


def open_torch(path: str | Path, device: str = "cpu", threads: int | None = None) -> TorchEngine:
    """A checkpoint on `cpu` or `cuda`. `threads` are PyTorch's in this whole process; None: left as they are.

    Raises what `TorchEngine.load` raises, and ValueError for a device that is not available.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"checkpoint {path} cannot run on 'cuda': this PyTorch sees no GPU; use 'cpu'")
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchEngine.load(path, torch.device(device))
