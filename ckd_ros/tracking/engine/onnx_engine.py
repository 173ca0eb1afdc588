"""The network on ONNX Runtime: which file, which provider, one call per frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ckd_ros.frames import Float32Array
from ckd_ros.system import usable_cores
from ckd_ros.tracking.engine.spec import FEATURES, IMAGE_INPUTS, OUTPUTS, SIDE, Maps, ModelSpec
from ckd_ros.tracking.engine.templates import TemplateEncoder

log = logging.getLogger(__name__)

#: Short names of the execution providers, in order of preference.
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


class OnnxEngine:
    """A model in ONNX Runtime on the best provider that works here.

    Args:
        path: the `.onnx` file.
        providers: names (`tensorrt`, `cuda`, `cpu`, or ONNX Runtime's own) in order of preference; None: that order.
            One that is not installed or fails to load is left out, with a warning unless it was merely not installed
            and not asked for; the CPU always remains.
        cache_dir: folder for TensorRT's built engines, which take minutes to build anew; None: the user's cache folder.
        threads: CPU threads; None: two, or one where the process may use a single core.

    Threads do not spin while they wait (`session.intra_op.allow_spinning` is 0). At 20 frames a second on two cores,
    spinning tripled the CPU time of a frame (66 ms against 22 ms) for less than 1 ms of latency.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, not an ONNX model, or not a network of this package; or a provider is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        providers: Sequence[str] | None = None,
        cache_dir: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.threads = _thread_count(threads)
        self._cache_dir = Path(cache_dir) if cache_dir else _user_cache() / "tensorrt"
        self._notes: list[str] = []
        _check_file(self.path)
        names = self._available(providers)
        self._session = self._open(names)
        self.spec = ModelSpec.from_session(self._session, self.path)
        self._templates: TemplateEncoder | None = None
        if self.spec.encodes_templates:
            # Encoded on the CPU wherever frames are: once for a target, and TensorRT takes minutes for another size.
            self._templates = TemplateEncoder(self._open([PROVIDERS["cpu"]]))
            working = [name for name in names if name in self._session.get_providers()]
            self._session = self._open(working, self.spec.search_size)
        self.grid = self._warm_up()

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of the provider really in use."""
        return str(self._session.get_providers()[0])

    def describe(self) -> str:
        """One line for logs and diagnostics: provider, model, and what was asked for but is not in use."""
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.provider == PROVIDERS["cpu"] else ""
        text = (
            f"{self.path.name} (preset {self.spec.preset}, template {self.spec.template_size} px, search "
            f"{self.spec.search_size} px, {self.spec.precision}, opset {self.spec.opset}) on {self.provider}{threads}, "
            f"ONNX Runtime {ort.__version__}"
        )
        return "; ".join([text, *self._notes])

    def run(self, inputs: Mapping[str, Float32Array]) -> Maps:
        """One forward pass.

        Args:
            inputs: every input of the model by name, float32, in the shapes of `ModelSpec.shape`.
        """
        outputs = (*OUTPUTS, *FEATURES) if self.spec.encodes_templates else OUTPUTS
        score, size, offset, *features = self._session.run(outputs, self.graph_inputs(inputs))
        return Maps(score[0, 0], size[0], offset[0], tuple(f[0] for f in features))

    def graph_inputs(self, inputs: Mapping[str, Float32Array]) -> Mapping[str, Float32Array]:
        """What the file's own graph is fed with for these inputs: of some networks, templates that are encoded."""
        return inputs if self._templates is None else self._templates.graph_inputs(inputs)

    def _available(self, providers: Sequence[str] | None) -> list[str]:
        present = ort.get_available_providers()
        names = [_provider_name(name) for name in (PROVIDERS if providers is None else providers)]
        for name in names:
            if name not in present and providers is not None:
                self._note(f"{name} is not in this ONNX Runtime: install onnxruntime-gpu (extra `gpu`) to use it")
        if PROVIDERS["cuda"] not in present and _has_gpu_build():
            # Both own the same files, and pip cannot be told that one replaces the other.
            self._note(
                "onnxruntime hides onnxruntime-gpu: pip uninstall -y onnxruntime; "
                "pip install --force-reinstall --no-deps onnxruntime-gpu"
            )
        return [*(name for name in names if name in present and name != PROVIDERS["cpu"]), PROVIDERS["cpu"]]

    def _open(self, names: list[str], side: int | None = None) -> ort.InferenceSession:
        if names[0] != PROVIDERS["cpu"] and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA and cuDNN that pip installed lie where the loader does not look
        try:
            session = ort.InferenceSession(
                os.fspath(self.path),
                self._session_options(side),
                providers=[(name, self._provider_options(name)) for name in names],
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            reason = str(error).strip().splitlines()[0]
            if names == [PROVIDERS["cpu"]]:
                raise ValueError(f"model {self.path} cannot be loaded, is it an ONNX file? {reason}") from error
            self._note(f"{names[0]} failed to load ({reason})")
            return self._open(names[1:], side)
        for name in names:
            if name not in session.get_providers():
                self._note(f"{name} failed to load: are the driver, CUDA, cuDNN and TensorRT installed?")
        return session

    def _session_options(self, side: int | None) -> ort.SessionOptions:
        options = ort.SessionOptions()
        if side is not None:
            options.add_free_dimension_override_by_name(SIDE, side)
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return options

    def _provider_options(self, name: str) -> dict[str, str]:
        if name != PROVIDERS["tensorrt"]:
            return {}
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        return {
            "trt_fp16_enable": "1",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(self._cache_dir),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(self._cache_dir),
        }

    def _warm_up(self) -> int:
        """Run once, so that the first frame is as fast as the others and a broken model fails here. Returns G."""
        box = ("template_box",) if self.spec.uses_box else ()
        inputs = {name: np.zeros(self.spec.shape(name), np.float32) for name in (*IMAGE_INPUTS, *box)}
        score, size, offset, _ = self.run(inputs)
        cells = int(score.shape[-1])
        if score.shape != (cells, cells) or size.shape != (2, cells, cells) or offset.shape != (2, cells, cells):
            raise ValueError(
                f"model {self.path} gives maps of {score.shape}, {size.shape} and {offset.shape}: expected "
                f"(G, G), (2, G, G) and (2, G, G) for score, size and offset"
            )
        return cells

    def _note(self, text: str) -> None:
        self._notes.append(text)
        log.warning(text)


def _has_gpu_build() -> bool:
    try:
        return bool(version("onnxruntime-gpu"))
    except PackageNotFoundError:
        return False


def _provider_name(name: str) -> str:
    known = {**PROVIDERS, **{full.lower(): full for full in PROVIDERS.values()}}
    if name.lower() not in known:
        raise ValueError(f"unknown provider '{name}': expected {', '.join(PROVIDERS)}")
    return known[name.lower()]


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}: make one with `ckd train` and `ckd export`")
    if path.stat().st_size == 0:
        raise ValueError(f"model {path} is empty (0 bytes): it was not written to the end or not fetched; get it again")


def on_cpu(providers: Sequence[str] | None = None) -> bool:
    """Whether `OnnxEngine` runs on the CPU with these providers, as far as that can be told before a file is opened.

    Raises ValueError for an unknown provider.
    """
    names = [_provider_name(name) for name in (PROVIDERS if providers is None else providers)]
    return next((n for n in names if n in ort.get_available_providers()), PROVIDERS["cpu"]) == PROVIDERS["cpu"]


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return min(2, usable_cores())
    if not threads >= 1:
        raise ValueError(f"threads is {threads}: expected at least 1")
    return int(threads)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ckd_ros"
