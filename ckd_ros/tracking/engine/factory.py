"""Opens a network, whatever kind of file holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from ckd_ros.system import multiplies_bytes
from ckd_ros.tracking.engine.onnx_engine import PROVIDERS, OnnxEngine, on_cpu
from ckd_ros.tracking.engine.shipped import MODEL_SUFFIXES, default_model, intact, model_file
from ckd_ros.tracking.engine.spec import Engine


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


def chosen_model(name: str | Path | None, providers: Sequence[str] | None = None) -> Path:
    """The file of the network that a person names, see `model_file`; named nothing, that of `suited_model`, held
    against its hash."""
    return model_file(name) if name else intact(suited_model(providers))


def check_provider(path: Path, provider: str) -> None:
    """Raises ValueError where it is known before a network is loaded that it cannot run on one of `PROVIDERS`."""
    if path.suffix != ".onnx" and provider == "tensorrt":
        raise ValueError(f"a checkpoint ('{path}') runs on cpu or cuda: export it for tensorrt (`ckd export`)")
    if path.suffix == ".onnx" and PROVIDERS[provider] not in ort.get_available_providers():
        raise ValueError(f"this ONNX Runtime has no provider '{provider}': install the extra `gpu`, or use cpu")


def open_engine_on(path: Path, provider: str, threads: int | None = None) -> Engine:
    """The engine on one of `PROVIDERS` (`cpu`, `cuda`, `tensorrt`) and no other.

    Raises ValueError where it does not run there, and as `open_engine`.
    """
    check_provider(path, provider)
    engine = open_engine(path, [provider], threads=threads)
    if path.suffix == ".onnx" and engine.provider != PROVIDERS[provider]:
        raise ValueError(f"{path.name} should run on '{provider}', but does not: {engine.describe()}")
    return engine
