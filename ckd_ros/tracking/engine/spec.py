"""What the tracker asks of an engine: a network's description, and one forward pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import onnxruntime as ort

from ckd_ros.frames import Float32Array
from ckd_ros.tracking.crops import Normalisation
from ckd_ros.tracking.reliability import Reliability

TEMPLATES, SEARCHES = ("template_rgb", "template_tir"), ("search_rgb", "search_tir")
IMAGE_INPUTS = (*TEMPLATES, *SEARCHES)
OUTPUTS = ("score_map", "size_map", "offset_map")
#: Of a graph that encodes crops of any size, see `TemplateEncoder`: what it takes in place of templates, what it gives
#: for crops, and the names of its free dimensions: of crops, and of the batch.
TEMPLATE_FEATURES, FEATURES = ("template_features_rgb", "template_features_tir"), ("features_rgb", "features_tir")
SIDE, TARGETS = "side", "targets"
#: From so many targets on a CPU looks for them in narrower windows, see `Engine.narrow_size`.
MANY = 4


class Maps(NamedTuple):
    """The network's outputs.

    Attributes:
        score: `(G, G)`.
        size: `(2, G, G)` width and height as fractions of the search crop.
        offset: `(2, G, G)` x and y in cells.
        features: of colour and thermal, `(C, G, G)` each; empty where the network has none that stand for themselves.
    """

    score: Float32Array
    size: Float32Array
    offset: Float32Array
    features: tuple[Float32Array, ...] = ()


#: Metadata that a file may lack, see `Reliability`.
RELIABILITY = "reliability"
_METADATA = ("template_size", "search_size", "template_factor", "search_factor", "mean", "std")


@dataclass(frozen=True)
class ModelSpec:
    """What a model file states about its network.

    Attributes:
        preset, opset: name of the network's configuration, ONNX operator set.
        template_size, search_size: side of the network's crops, pixels.
        template_factor, search_factor: side of the crop window over the target's geometric mean side.
        stretched: the crop windows have the shape of the target's box, which fills a square in the crop.
        normalisation: mean and std of its inputs.
        border: grey of what lies outside of the image, from 0, black, to 1, white.
        uses_box: whether it takes `template_box`, the target's box as fractions of the template crop.
        gives_features: whether it gives the search regions' features, see `Maps`.
        encodes_templates: whether its graph takes features of the templates, see `TemplateEncoder`.
        free_batch: whether its graph takes several targets in one call.
        training: the record of how it was trained, empty when there is none.
        precision: `fp32`, or `int8` for a quantised file.
        reliability: what its scores are worth.
    """

    preset: str
    opset: str
    template_size: int
    search_size: int
    template_factor: float
    search_factor: float
    normalisation: Normalisation
    uses_box: bool
    gives_features: bool = False
    encodes_templates: bool = False
    free_batch: bool = False
    stretched: bool = False
    border: float = 0.0
    training: dict[str, Any] = field(default_factory=dict, hash=False)
    precision: str = "fp32"
    reliability: Reliability = Reliability()

    @staticmethod
    def from_session(session: ort.InferenceSession, path: Path) -> ModelSpec:
        """Read and check inputs, outputs and metadata of a loaded model. Raises ValueError with what is wrong."""
        metadata = session.get_modelmeta().custom_metadata_map
        missing = [key for key in _METADATA if not metadata.get(key)]
        if missing:
            raise ValueError(f"model {path} lacks the metadata {', '.join(missing)}: make it with `ckd export`")
        inputs = {node.name: node for node in session.get_inputs()}
        outputs = [node.name for node in session.get_outputs()]
        encodes = "seen" in inputs
        required = (*SEARCHES, *TEMPLATE_FEATURES, "seen") if encodes else IMAGE_INPUTS
        results = (*OUTPUTS, *FEATURES) if encodes else OUTPUTS
        unknown = sorted(set(inputs) - set(required) - ({"template_box"} if not encodes else set()))
        absent = [name for name in required if name not in inputs] + [n for n in results if n not in outputs]
        if absent or unknown:
            raise ValueError(
                f"model {path} is not a tracking network of this package: it has inputs {sorted(inputs)} and outputs "
                f"{outputs}, but needs {list(required)} (and may have template_box) and {list(results)}"
            )
        try:
            training = json.loads(metadata.get("training") or "{}")
            spec = ModelSpec(
                preset=metadata.get("preset", "unknown"),
                opset=metadata.get("opset", "unknown"),
                template_size=int(metadata["template_size"]),
                search_size=int(metadata["search_size"]),
                template_factor=float(metadata["template_factor"]),
                search_factor=float(metadata["search_factor"]),
                normalisation=Normalisation(_triple(metadata["mean"]), _triple(metadata["std"])),
                uses_box="template_box" in inputs,
                gives_features=encodes,
                encodes_templates=encodes,
                free_batch=all(isinstance(node.shape[0], str) for node in inputs.values()),
                stretched=metadata.get("stretched") == "yes",
                border=float(metadata.get("border", 0.0)),
                training=training if isinstance(training, dict) else {},
                precision=metadata.get("precision", "fp32"),
                reliability=Reliability.parse(metadata[RELIABILITY]) if RELIABILITY in metadata else Reliability(),
            )
        except ValueError as error:
            raise ValueError(f"model {path} has unreadable metadata: {error}") from error
        for name, node in inputs.items() if not encodes else ():
            if list(node.shape) != list(spec.shape(name)) or node.type != "tensor(float)":
                raise ValueError(
                    f"model {path} takes {name} as {node.type} {node.shape}, but its metadata asks for float "
                    f"{list(spec.shape(name))}: make it with `ckd export`"
                )
        return spec

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an input."""
        if name == "template_box":
            return (1, 4)
        size = self.template_size if name.startswith("template") else self.search_size
        return (1, 3, size, size)


class Engine(Protocol):
    """What `Tracker` runs the network on: `OnnxEngine` on a robot, `TorchEngine` for a checkpoint.

    Attributes:
        spec: the network's description.
        grid: cells a side of its maps (`G`).
        provider: where it really runs, by the runtime's name.
        narrow_size: pixels a side of smaller search crops that `run` takes too, for maps of fewer cells; None: of none.
    """

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def grid(self) -> int: ...

    @property
    def provider(self) -> str: ...

    @property
    def narrow_size(self) -> int | None: ...

    def describe(self) -> str:
        """One line for logs and diagnostics."""

    def run(self, inputs: Mapping[str, Float32Array]) -> Maps:
        """One forward pass.

        Args:
            inputs: every input of the network by name, float32, in the shapes of `ModelSpec.shape`.
        """

    def run_many(self, inputs: Sequence[Mapping[str, Float32Array]]) -> list[Maps]:
        """One forward pass each, of several targets; in one call where that is faster."""


def _triple(text: str) -> tuple[float, float, float]:
    values = tuple(float(v) for v in text.split(","))
    if len(values) != 3:
        raise ValueError(f"'{text}' should be 3 numbers")
    return values
