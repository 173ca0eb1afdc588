"""Opens a network, whatever kind of file holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckd_ros.files import package_file
from ckd_ros.system import multiplies_bytes
from ckd_ros.tracking.engine.onnx_engine import OnnxEngine, on_cpu
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


def suited_model(providers: Sequence[str] | None = None) -> Path:
    """The form of the shipped student for this machine: int8 on a CPU that is made for it, else as `default_model`.

    Args:
        providers: those it is to run on, in order of preference, as `OnnxEngine` takes them.

    Raises FileNotFoundError as `default_model` does.
    """
    model = default_model()
    quantised = model.with_name("tiny-int8.onnx")
    return quantised if quantised.is_file() and on_cpu(providers) and multiplies_bytes() else model


def default_model() -> Path:
    """The shipped student, in full precision. Raises FileNotFoundError that lists where it was looked for."""
    try:
        return package_file("models/tiny.onnx")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}: name a model file instead") from None
