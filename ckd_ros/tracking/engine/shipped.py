"""The networks that ship with the package: found by name, intact (`models/SHA256SUMS`), and with what
`models/models.json` says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ckd_ros.files import package_file, sha256_of
from ckd_ros.settings import suggestion

#: What is taken for a network: an exported one, and a checkpoint that training left.
MODEL_SUFFIXES = (".onnx", ".safetensors")
#: Beside the shipped networks; `sha256sum *.onnx *.safetensors > SHA256SUMS` renews it.
HASHES = "SHA256SUMS"


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


def intact(path: Path) -> Path:
    """A shipped network, held against its hash. Raises ValueError where it is not the file that ships.

    What is damaged, fetched in part or mixed with another version is found so; whoever may write beside the package may
    change both.
    """
    hashes = path.parent / HASHES
    lines = hashes.read_text(encoding="utf-8").splitlines() if hashes.is_file() else []
    known = {name: digest for digest, name in (line.split() for line in lines)}
    expected, found = known.get(path.name, "none"), sha256_of(path)
    if found != expected:
        raise ValueError(
            f"{path} is not the network that ships: its SHA-256 is {found[:16]}..., that of {HASHES} beside it "
            f"{expected[:16]}...; install it again (with Git LFS: git lfs pull), or name a network of your own by its "
            "path"
        )
    return path


def model_file(name: str | Path) -> Path:
    """The file of a network: a shipped one by its name (`tiny-int8`), held against its hash, or any by its path.

    Raises FileNotFoundError for what is not there and ValueError for what is no network, naming what would be, and as
    `intact`.
    """
    path = Path(name).expanduser()
    shipped = {file.stem: file for file in default_model().parent.glob("*.onnx")}
    if str(name) in shipped and not path.is_file():
        return intact(shipped[str(name)])
    expected = f"expected one of the shipped networks ({', '.join(sorted(shipped))}), an .onnx file or a .safetensors "
    hint = " ".join(filter(None, (suggestion(str(name), shipped), f"{expected}checkpoint")))
    if not path.exists():
        raise FileNotFoundError(f"no model '{name}': {hint}")
    if path.suffix not in MODEL_SUFFIXES or not path.is_file():
        raise ValueError(f"'{name}' is not a model: {hint}")
    return path
