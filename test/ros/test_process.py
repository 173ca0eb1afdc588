"""A process that runs a node ends in order, whenever and however often it is told to."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ckd_ros.ros.process import StopRequest

ROOT = Path(__file__).resolve().parents[2]
NEEDS_ROS = "no rclpy: run `make setup`, or source a ROS 2 distribution"

#: Modules of nodes, and with what status and words they end when they are interrupted as soon as they say "ready".
NODES = {
    "loading": ("import time; print('ready', flush=True); time.sleep(0.5)\ndef main(stop): print('began')", 130, ""),
    "waiting": (
        "def main(stop):\n print('ready', flush=True)\n stop.wait(60)\n print('closed')\n return 0",
        0,
        "closed",
    ),
    "stuck": ("import time\ndef main(stop): print('ready', flush=True); time.sleep(60)", 130, "ended all the same"),
    "ignored": ("def main(stop): print('ready', flush=True); stop.wait(60); return 7", 7, ""),
}


def run(tmp_path: Path, code: str, **options) -> subprocess.Popen:
    """A process with a node of this code."""
    (tmp_path / "node.py").write_text(code)
    script = (
        f"import sys, ckd_ros.ros; ckd_ros.ros.__path__.append({str(tmp_path)!r}); "
        "from ckd_ros.ros.process import run; run('node')"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    return subprocess.Popen([sys.executable, "-c", script], **pipes, **options)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", NODES)
def test_a_signal_ends_it_in_order(tmp_path, name, number):
    code, status, words = NODES[name]
    ignored = name == "ignored"  # as a shell has it of what it starts in the background
    process = run(
        tmp_path, code, preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        process.send_signal(number)
        time.sleep(0.02)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == status and words in said + errors
    assert "Traceback" not in errors and "began" not in said


@pytest.mark.parametrize("code", ["1 / 0", "def main(stop): return {}[0]", "def main(stop): raise SystemExit('no')"])
def test_an_exception_is_shown_and_is_the_status(tmp_path, code):
    process = run(tmp_path, code)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and "Traceback" in errors


def test_the_status_is_what_main_returns_and_nothing_said_is_lost(tmp_path):
    process = run(tmp_path, "def main(stop):\n print('x' * 100000, end='')\n return 3")
    assert process.communicate(timeout=30)[0] == "x" * 100000
    assert process.returncode == 3


def test_whoever_asks_to_be_called_is_called_once():
    stop, calls = StopRequest(), []
    stop.when_set(lambda: calls.append("early"))
    assert not stop.is_set() and not stop.wait(0.0) and not stop.wait(-1.0)
    stop.set()
    stop.set()
    stop.when_set(lambda: calls.append("late"))
    assert stop.is_set() and stop.wait(60) and calls == ["early", "late"]


def test_spinning_ends_with_the_request_and_leaves_ros_usable():
    rclpy = pytest.importorskip("rclpy", reason=NEEDS_ROS)
    from rclpy.executors import SingleThreadedExecutor

    from ckd_ros.ros.process import spin

    context, stop, ticks = rclpy.context.Context(), StopRequest(), []
    rclpy.init(context=context)
    node = rclpy.create_node("spun", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_timer(0.01, lambda: ticks.append(1) or (stop.set() if len(ticks) == 3 else None))
    spin(executor, stop)
    spin(executor, stop)  # asked already
    idle = StopRequest()
    node.destroy_timer(next(node.timers))
    threading.Timer(0.1, idle.set).start()
    spin(executor, idle)  # nothing to do but to be told
    assert len(ticks) == 3 and context.ok()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("script", ["tracker_node", "camera_node"])
def test_the_nodes_end_in_order_at_any_moment(script, seconds):
    pytest.importorskip("rclpy", reason=NEEDS_ROS)
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    process = subprocess.Popen([sys.executable, ROOT / "scripts" / script], stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode in (0, 130) and "Traceback" not in errors, errors
