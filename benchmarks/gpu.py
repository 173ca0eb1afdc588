"""Frames a second from images to a box with PyTorch on a GPU, crops included, beside the paper's figures.

    PYTHONPATH=. python benchmarks/gpu.py [--presets vitb256 small] [--precisions fp32 fp16] [--frames 300]
    PYTHONPATH=. python benchmarks/gpu.py --device cpu --presets tiny --frames 5        # whether it runs at all

Needs PyTorch, NumPy and OpenCV, and nothing else. A frame is: both search crops cut from 640 x 512 images on the CPU,
one upload of 8-bit pixels, normalisation, the network (batch 1, BatchNorm folded) and the box at the score's peak, back
on the CPU. Weights are random: they cost the same time. "graph" replays a CUDA graph of all that happens on the GPU.
The ratio is to vitb256 in fp32, eager, of the same run. fp32 multiplies as PyTorch does by default.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ckd_ros.geometry import crop_window, index_matrix
from ckd_ros.network.head import Prediction
from ckd_ros.network.inference import fold_batch_norm
from ckd_ros.network.networks import make_student
from ckd_ros.network.presets import PRESETS, NetworkConfig, preset
from ckd_ros.network.student import CKDStudent

#: FPS that the paper states for its networks, on its authors' GPU.
PAPER_FPS = {"vitb256": 96.4, "vitb256-ce": 96.4, "vitb256-noce": 84.8}
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_PRESETS = ("vitb256", "vitb256-ce", "vitb256-noce", "small", "tinyvit", "tiny")
_BASELINE = ("vitb256", "fp32", "eager")
_WIDTH, _HEIGHT = 640, 512
_TOLERANCE = 0.02  # of scores, between a graph and the same computation without it: half precision rounds


@dataclass(frozen=True)
class Timing:
    """Of the frames of one network, ms: the median and 95th percentile of all, and the median of cutting the crops."""

    median: float
    p95: float
    crops: float


class Follower:
    """One network on a device, from pairs of images to boxes.

    Raises RuntimeError where a graph cannot be captured or does not compute what the network does.
    """

    def __init__(self, config: NetworkConfig, device: torch.device, dtype: torch.dtype, graph: bool):
        torch.manual_seed(0)
        self._config, self._dtype = config, dtype
        self._student = fold_batch_norm(make_student(config)).to(device, dtype)
        # Both crops as one upload: colour (S, S, 3), then thermal (S, S).
        size, pinned = config.search_size, device.type == "cuda"
        self._host = torch.zeros(4 * size * size, dtype=torch.uint8, pin_memory=pinned)
        self._pixels = self._host.to(device)
        self._mean, self._std = (torch.tensor(x, device=device).view(3, 1, 1) * 255 for x in (config.mean, config.std))
        template = torch.randn(1, 3, config.template_size, config.template_size, device=device).to(dtype)
        self._templates = (template, template.clone())
        self._box = torch.tensor([[0.25, 0.25, 0.5, 0.5]], device=device) if config.template_box else None
        self._compute = self._captured() if graph else self._network

    def crop(self, rgb: np.ndarray, thermal: np.ndarray, box: np.ndarray) -> None:
        """Cut the search crops around `box` `(x, y, w, h)` from uint8 images (H, W, 3) and (H, W)."""
        size = self._config.search_size
        window = crop_window(box, self._config.search_factor, self._config.stretched)
        matrix = index_matrix(window.matrix(size))[:2]
        colour, grey = self._split(self._host.numpy())
        cv2.warpAffine(rgb, matrix, (size, size), dst=colour, flags=cv2.INTER_LINEAR)
        cv2.warpAffine(thermal, matrix, (size, size), dst=grey, flags=cv2.INTER_LINEAR)

    def locate(self) -> np.ndarray:
        """The box in the crops cut last, `(cx, cy, w, h)` in fractions of them."""
        self._pixels.copy_(self._host, non_blocking=True)
        _, box = self._compute()
        return box.float().cpu().numpy()[0]

    def _split(self, pixels):
        size = self._config.search_size
        colours = 3 * size * size
        return pixels[:colours].reshape(size, size, 3), pixels[colours:].reshape(size, size)

    def _network(self) -> tuple[Prediction, Tensor]:
        colour, grey = self._split(self._pixels)
        crops = (colour.permute(2, 0, 1), grey.expand(3, -1, -1))
        searches = (((crop - self._mean) / self._std).to(self._dtype)[None] for crop in crops)
        inputs, student = (*self._templates, *searches, self._box), self._student
        maps = student.predict(*inputs) if isinstance(student, CKDStudent) else student(*inputs).prediction
        return maps, maps.boxes()

    def _captured(self) -> Callable[[], tuple[Prediction, Tensor]]:
        """The network as a CUDA graph, which always writes to the same tensors."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # libraries choose their kernels and workspaces before the capture
            for _ in range(3):
                expected, _ = self._network()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self._network()
        graph.replay()
        difference = (output[0].score_map - expected.score_map).abs().max().item()
        if not difference <= _TOLERANCE:
            raise RuntimeError(f"the graph's scores differ from the network's by {difference:.3g}")

        def replay() -> tuple[Prediction, Tensor]:
            graph.replay()
            return output

        return replay


@torch.inference_mode()
def measure(config: NetworkConfig, device: torch.device, dtype: torch.dtype, graph: bool, frames: int) -> Timing:
    """Follow a box that moves through noise; the first frames are not counted."""
    follower, rng = Follower(config, device, dtype, graph), np.random.default_rng(0)
    rgb = rng.integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8)
    thermal = rng.integers(0, 256, (_HEIGHT, _WIDTH), np.uint8)
    warm_up = max(2, frames // 5)
    whole, crops = [], []
    for frame in range(warm_up + frames):
        box = np.array([100.0 + frame % 400, 200.0, 60.0, 50.0])
        start = time.perf_counter()
        follower.crop(rgb, thermal, box)
        cut = time.perf_counter()
        follower.locate()
        whole.append(time.perf_counter() - start)
        crops.append(cut - start)
    whole_ms, crops_ms = 1e3 * np.array(whole[warm_up:]), 1e3 * np.array(crops[warm_up:])
    return Timing(float(np.median(whole_ms)), float(np.percentile(whole_ms, 95)), float(np.median(crops_ms)))


def main(arguments: list[str] | None = None) -> None:
    """Measure and print, a line for each network, precision and way to run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=_PRESETS, metavar="PRESET")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=tuple(PRECISIONS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--frames", type=int, default=200, help="frames that are measured")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("this PyTorch sees no GPU: give --device cpu to try whether the benchmark runs")
    if options.frames < 1:
        parser.error(f"--frames is {options.frames}: it must be at least 1")
    device = torch.device(options.device)
    print(_machine(device))
    print(f"{'preset':14}{'':6}{'':7}{'ms':>9}{'p95':>9}{'crops':>7}{'FPS':>8}{'ratio':>7}{'paper':>7}")
    baseline = None
    for name in sorted(options.presets, key=lambda name: name != _BASELINE[0]):
        for precision in sorted(options.precisions, key=lambda precision: precision != _BASELINE[1]):
            for way in ("eager", "graph") if device.type == "cuda" else ("eager",):
                row = f"{name:14}{precision:6}{way:7}"
                try:
                    timing = measure(preset(name), device, PRECISIONS[precision], way == "graph", options.frames)
                except RuntimeError as error:  # one that fails costs its own line only
                    print(f"{row} failed: {str(error).splitlines()[0]}", flush=True)
                    continue
                if (name, precision, way) == _BASELINE:
                    baseline = timing.median
                ratio = f"{baseline / timing.median:.2f}" if baseline else "-"
                print(
                    f"{row}{timing.median:9.2f}{timing.p95:9.2f}{timing.crops:7.2f}{1e3 / timing.median:8.1f}"
                    f"{ratio:>7}{PAPER_FPS.get(name, '-'):>7}",
                    flush=True,
                )


def _machine(device: torch.device) -> str:
    if device.type == "cpu":
        return f"PyTorch {torch.__version__} on {torch.get_num_threads()} CPU thread(s): no CUDA graphs there"
    name, version = torch.cuda.get_device_name(device), torch.version.cuda
    return f"PyTorch {torch.__version__}, CUDA {version}, {name}; fp32: {torch.get_float32_matmul_precision()}"


if __name__ == "__main__":
    main()
