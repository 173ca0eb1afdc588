"""The network on ONNX Runtime: which file, which provider, one call per frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ckd_ros.frames import Float32Array
from ckd_ros.system import usable_cores
from ckd_ros.tracking.engine.spec import FEATURES, IMAGE_INPUTS, MANY, OUTPUTS, SIDE, TARGETS, Maps, ModelSpec
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
        targets: so many are looked for in one call at most, see `run_many`.

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
        targets: int = 1,
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
        self._any_size = self._session
        if self.spec.encodes_templates:
            # Encoded on the CPU wherever frames are: once for a target, and TensorRT takes minutes for another size.
            self._any_size = self._open([PROVIDERS["cpu"]], threads=1)
            self._templates = TemplateEncoder(self._any_size, targets)
            working = [name for name in names if name in self._session.get_providers()]
            self._session = self._open(working, self.spec.search_size, 1)
        self.grid = self._warm_up()
        self._together = self._open_together(targets)
        self._side_by_side = self._open_side_by_side(targets)
        self.narrow_size = self._narrow_size(targets)

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
            inputs: every input of the model by name, float32, in the shapes of `ModelSpec.shape`; search crops may
                also be of `narrow_size`.
        """
        usual = inputs["search_rgb"].shape[-1] == self.spec.search_size
        session = self._session if usual else self._any_size
        return _maps(session.run(self._outputs, self.graph_inputs(inputs)), 0)

    def run_many(self, inputs: Sequence[Mapping[str, Float32Array]]) -> list[Maps]:
        """One forward pass each, of several targets; inputs as in `run`.

        On a GPU up to `targets` are one call, of always the same batch, since TensorRT builds an engine for each. A CPU
        takes as long for four together as for one after the other: there each thread does one of them by itself, which
        serves small networks far better than several threads for one pass.
        """
        if len(inputs) == 1:
            return [self.run(inputs[0])]
        if self._side_by_side is not None:
            feeds = [self.graph_inputs(one) for one in inputs]
            session, outputs = self._side_by_side.session, self._outputs
            answers = self._side_by_side.pool.map(lambda feed: session.run(outputs, feed), feeds)
            return [_maps(answer, 0) for answer in answers]
        if self._together is None:
            return [self.run(one) for one in inputs]
        maps = []
        for start in range(0, len(inputs), self._together.targets):
            part = inputs[start : start + self._together.targets]
            feeds = [self.graph_inputs(one) for one in part]
            answer = self._together.session.run(self._outputs, self._together.batch(feeds))
            maps += [_maps(answer, number) for number in range(len(part))]
        return maps

    def graph_inputs(self, inputs: Mapping[str, Float32Array]) -> Mapping[str, Float32Array]:
        """What the file's own graph is fed with for these inputs: of some networks, templates that are encoded."""
        return inputs if self._templates is None else self._templates.graph_inputs(inputs)

    @property
    def _outputs(self) -> tuple[str, ...]:
        return (*OUTPUTS, *FEATURES) if self.spec.encodes_templates else OUTPUTS

    def _open_together(self, targets: int) -> _Together | None:
        """A session for so many targets, warm; None where one call for each is as fast, or the only way."""
        if targets == 1 or self.provider == PROVIDERS["cpu"] or not self.spec.free_batch:
            return None
        together = _Together(self._open([self.provider, PROVIDERS["cpu"]], self.spec.search_size, targets), targets)
        zeros = {node.name: np.zeros((1, *node.shape[1:]), np.float32) for node in together.session.get_inputs()}
        together.session.run(self._outputs, together.batch([zeros]))
        return together

    def _open_side_by_side(self, targets: int) -> _SideBySide | None:
        """As many threads as the CPU may use, and a session of which each runs a pass of its own."""
        if targets == 1 or self.provider != PROVIDERS["cpu"] or self.threads == 1:
            return None
        alone = self._any_size if self.spec.encodes_templates else self._open([PROVIDERS["cpu"]], threads=1)
        return _SideBySide(alone, ThreadPoolExecutor(min(self.threads, targets), "network"))

    def _narrow_size(self, targets: int) -> int | None:
        """Of the search crops of many targets on a CPU, which so takes half the time for each; in whole cells."""
        if targets < MANY or self.provider != PROVIDERS["cpu"] or not self.spec.encodes_templates:
            return None
        cell = self.spec.search_size // self.grid
        return cell * (self.grid - 2 * round(self.grid / 7))

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

    def _open(
        self, names: list[str], side: int | None = None, targets: int | None = None, threads: int | None = None
    ) -> ort.InferenceSession:
        if names[0] != PROVIDERS["cpu"] and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA and cuDNN that pip installed lie where the loader does not look
        try:
            session = ort.InferenceSession(
                os.fspath(self.path),
                self._session_options(side, targets, threads or self.threads),
                providers=[(name, self._provider_options(name)) for name in names],
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            reason = str(error).strip().splitlines()[0]
            if names == [PROVIDERS["cpu"]]:
                raise ValueError(f"model {self.path} cannot be loaded, is it an ONNX file? {reason}") from error
            self._note(f"{names[0]} failed to load ({reason})")
            return self._open(names[1:], side, targets, threads)
        for name in names:
            if name not in session.get_providers():
                self._note(f"{name} failed to load: are the driver, CUDA, cuDNN and TensorRT installed?")
        return session

    @staticmethod
    def _session_options(side: int | None, targets: int | None, threads: int) -> ort.SessionOptions:
        options = ort.SessionOptions()
        for name, size in ((SIDE, side), (TARGETS, targets)):
            if size is not None:
                options.add_free_dimension_override_by_name(name, size)
        options.intra_op_num_threads = threads
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


@dataclass(frozen=True)
class _Together:
    """A session whose batch is `targets`."""

    session: ort.InferenceSession
    targets: int

    def batch(self, feeds: Sequence[Mapping[str, Float32Array]]) -> dict[str, Float32Array]:
        """Up to `targets` graph inputs as those of one call; the last stands for those that lack."""
        filled = [*feeds, *[feeds[-1]] * (self.targets - len(feeds))]
        return {name: np.concatenate([feed[name] for feed in filled]) for name in feeds[0]}


@dataclass(frozen=True)
class _SideBySide:
    """Threads, and a session that several of them run at the same time."""

    session: ort.InferenceSession
    pool: ThreadPoolExecutor


def _maps(outputs: Sequence[Float32Array], number: int) -> Maps:
    """Those of one target of a batch."""
    score, size, offset, *features = (output[number] for output in outputs)
    return Maps(score[0], size, offset, tuple(features))


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
