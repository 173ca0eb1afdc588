"""The node unpickles nothing: what is pickled runs as a program when it is read."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

ROOT = Path(__file__).resolve().parents[2]

#: Ends the process where anything is unpickled, in Python or C, by whatever library. From before the first import on.
TRAP = """
import os, pickle, sys

def caught(*_, **__):
    import traceback
    traceback.print_stack()
    print("UNPICKLED", flush=True)
    os._exit(3)

for module in (pickle, sys.modules["_pickle"]):
    module.load = module.loads = module.Unpickler = caught
pickle._load = pickle._loads = pickle._Unpickler = caught
sys.addaudithook(lambda event, _: caught() if event == "pickle.find_class" else None)
"""
#: The node from its import on: network by name, images, target, the remembered target after another activation.
LIFE = """
import rclpy
from bench import Bench

rclpy.init()
bench = Bench("tiny", {"init.restore": True})
bench.start().steps(3)
assert bench.init().success
bench.steps(3)
bench.node.trigger_deactivate()
(file,) = __import__("pathlib").Path(os.environ["XDG_RUNTIME_DIR"]).rglob("*.npz")
bench.node.trigger_activate()
bench.connect()
bench.step()
print("FOLLOWED", bench.tracks[-1].target_id, flush=True)
"""
#: A remembered target in whose place somebody has put a pickle.
PLANTED = """
import numpy
bench.node.trigger_deactivate()
with open(file, "wb") as planted:
    numpy.save(planted, numpy.array([{}], object), allow_pickle=True)
bench.node.trigger_activate()
bench.connect()
print("PLANTED", bench.step().target_id, flush=True)
"""


def run(code: str, home: Path) -> subprocess.CompletedProcess:
    places = os.pathsep.join(map(str, (ROOT / "test" / "ros", ROOT / "test", os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "PYTHONPATH": places, "XDG_RUNTIME_DIR": str(home)}
    command = [sys.executable, "-c", f"{TRAP}{code}\nos._exit(0)"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_node_unpickles_nothing(tmp_path):
    done = run(LIFE + PLANTED, tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["FOLLOWED", "1", "PLANTED", "0"]), done.stderr


@pytest.mark.parametrize("how", ["pickle.loads(b'N.')", "__import__('numpy').load(sys.argv[0], allow_pickle=True)"])
def test_the_trap_catches(tmp_path, how):
    (tmp_path / "pickle").write_bytes(b"\x80\x04N.")
    done = run(f"sys.argv = [{str(tmp_path / 'pickle')!r}]\n{how}", tmp_path)
    assert done.returncode == 3 and "UNPICKLED" in done.stdout, done.stderr


def test_no_module_asks_for_a_pickle():
    """Of PyTorch's files, which are pickles, weights alone are read, by `ckd import` and by a training."""
    for path in (ROOT / "ckd_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names]
                module = node.module if isinstance(node, ast.ImportFrom) else ""
                assert "pickle" not in names and (module != "pickle" or names == ["UnpicklingError"]), path
            if isinstance(node, ast.Call):
                given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                assert "allow_pickle" not in given, path
                if ast.unparse(node.func) == "torch.load":
                    assert given.get("weights_only") is True, path
