"""Opens a network, whatever kind of file holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckd_ros.files import package_file
from ckd_ros.tracking.engine.onnx_engine import OnnxEngine
from ckd_ros.tracking.engine.spec import Engine

#: What `open_engine` takes: an exported network, and a checkpoint that training left.
MODEL_SUFFIXES = (".onnx", ".safetensors")


def open_engine(
    path: str | Path,
    providers: Sequence[str] | None = None,
    cache_dir: str | Path | None = None,
    threads: int | None = None,
) -> Engine:
    """The engine for an `.onnx` file, or for a `.safetensors` checkpoint, which needs PyTorch.

    The arguments are those of `OnnxEngine`. Of the providers PyTorch knows `cuda` and `cpu`: the first of them is
    used (the CPU where neither is named), and `cache_dir` means nothing to it.

    Raises what `OnnxEngine` raises, ValueError for another kind of file, and ModuleNotFoundError without PyTorch.
    """
    path = Path(path)
    if path.suffix not in MODEL_SUFFIXES:
        raise ValueError(f"'{path}' is not a network: expected a file that ends in {' or '.join(MODEL_SUFFIXES)}")
    if path.suffix == ".onnx":
        return OnnxEngine(path, providers, cache_dir, threads)
    from ckd_ros.tracking.engine.torch_engine import open_torch

    device = next((name for name in providers or () if name in ("cuda", "cpu")), "cpu")
    return open_torch(path, device, threads)


def default_model() -> Path:
    """The shipped student. Raises FileNotFoundError that lists where it was looked for."""
    try:
        return package_file("models/tiny.onnx")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}: name a model file instead") from None
