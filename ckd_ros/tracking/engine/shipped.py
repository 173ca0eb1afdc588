"""The networks that ship with the package: found by name, with what `models/models.json` says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ckd_ros.files import package_file
from ckd_ros.settings import suggestion

#: What is taken for a network: an exported one, and a checkpoint that training left.
MODEL_SUFFIXES = (".onnx", ".safetensors")


@dataclass(frozen=True)
class ShippedModel:
    """A network that ships with the package.

    Attributes:
        name: by which it can be named wherever a model is.
        path: its file.
        purpose: what it is for.
        licence: who may use it.
        figures: name of a set of sequences -> success rate in per cent, in brackets the share of frames lost.
    """

    name: str
    path: Path
    purpose: str
    licence: str
    figures: dict[str, str]


def default_model() -> Path:
    """The shipped student, in full precision. Raises FileNotFoundError that lists where it was looked for."""
    try:
        return package_file("models/tiny.onnx")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}: name a model file instead") from None


def shipped_models() -> tuple[dict[str, str], list[ShippedModel]]:
    """The sets that figures are of, name -> what it is, and the shipped networks, the default first.

    Raises FileNotFoundError as `default_model` does.
    """
    folder = default_model().parent
    card = json.loads((folder / "models.json").read_text(encoding="utf-8"))
    models = [
        ShippedModel(name, folder / f"{name}.onnx", said["for"], said["licence"], said["figures"])
        for name, said in card["models"].items()
    ]
    return card["sets"], models


def model_file(name: str | Path) -> Path:
    """The file of a network: a shipped one by its name (`tiny-int8`), or any by its path.

    Raises FileNotFoundError for what is not there and ValueError for what is no network, naming what would be.
    """
    path = Path(name).expanduser()
    shipped = {file.stem: file for file in default_model().parent.glob("*.onnx")}
    if str(name) in shipped and not path.is_file():
        return shipped[str(name)]
    expected = f"expected one of the shipped networks ({', '.join(sorted(shipped))}), an .onnx file or a .safetensors "
    hint = " ".join(filter(None, (suggestion(str(name), shipped), f"{expected}checkpoint")))
    if not path.exists():
        raise FileNotFoundError(f"no model '{name}': {hint}")
    if path.suffix not in MODEL_SUFFIXES or not path.is_file():
        raise ValueError(f"'{name}' is not a model: {hint}")
    return path
