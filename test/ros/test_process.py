"""A process that runs a node ends in order, whenever and however often it is told to."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.process import StopRequest, spin

ROOT = Path(__file__).resolve().parents[2]
NEEDS_ROS = "no rclpy: run `make setup`, or source a ROS 2 distribution"

NO_FAULTS = FaultMonitor(pytest.fail, pytest.fail)

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


@pytest.fixture
def spun():
    """A node on an executor, with a context of its own."""
    rclpy = pytest.importorskip("rclpy", reason=NEEDS_ROS)
    from rclpy.executors import SingleThreadedExecutor

    context = rclpy.context.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("spun", context=context, use_global_arguments=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def test_spinning_ends_with_the_request_and_leaves_ros_usable(spun):
    (node, executor), stop, ticks = spun, StopRequest(), []
    node.create_timer(0.01, lambda: ticks.append(1) or (stop.set() if len(ticks) == 3 else None))
    spin(executor, stop, NO_FAULTS)
    spin(executor, stop, NO_FAULTS)  # asked already
    idle = StopRequest()
    node.destroy_timer(next(node.timers))
    threading.Timer(0.1, idle.set).start()
    spin(executor, idle, NO_FAULTS)  # nothing to do but to be told
    assert len(ticks) == 3 and executor.context.ok()


def test_a_callback_that_fails_is_a_fault_and_the_others_go_on(spun):
    (node, executor), stop, ticks, said = spun, StopRequest(), [], []
    faults = FaultMonitor(said.append, said.append)
    node.create_timer(0.01, lambda: 1 / 0)
    node.create_timer(0.02, lambda: ticks.append(1) or (stop.set() if len(ticks) == 3 else None))
    spin(executor, stop, faults)
    assert len(ticks) == 3 and faults.active()["callback"].count > 1
    assert len(said) == 1 and "ZeroDivisionError('division by zero') in <lambda>" in said[0]


def test_spinning_ends_with_ros(spun):
    node, executor = spun
    node.create_timer(0.01, node.context.try_shutdown)
    from rclpy.executors import ExternalShutdownException

    with pytest.raises((ExternalShutdownException, RuntimeError)):
        spin(executor, StopRequest(), NO_FAULTS)


def test_time_that_there_is_not_does_not_end_the_tracker(ros):
    """A clock before 1970, or after 2038, to which rclpy and the messages have no answer but an exception."""
    from builtin_interfaces.msg import Time
    from rosgraph_msgs.msg import Clock

    command = [sys.executable, ROOT / "scripts" / "tracker_node", "--ros-args", "-p", "use_sim_time:=true"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    node = ros.create_node("clock")
    clock = node.create_publisher(Clock, "/clock", 10)
    assert any("waiting for images" in line for line in process.stderr)
    while not clock.get_subscription_count():
        time.sleep(0.05)
    heard, over = threading.Event(), threading.Event()
    killer = threading.Timer(60.0, process.kill)  # else a node that says nothing is read forever

    def tick() -> None:
        moments = itertools.cycle((Time(sec=-1), Time(sec=2**31 - 1, nanosec=2**32 - 1), Time(sec=5)))
        while not over.wait(0.1):
            # The node says once a minute that callbacks fail, and so only of the first time that reaches it.
            clock.publish(Clock(clock=next(moments) if heard.is_set() else Time(sec=-1)))

    ticking = threading.Thread(target=tick)
    ticking.start()
    killer.start()
    said = "a callback failed: ValueError('Seconds value must not be negative')"
    assert any(said in line for line in process.stderr)
    heard.set()
    time.sleep(1.0)
    assert process.poll() is None
    over.set()
    ticking.join()
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    killer.cancel()
    assert "Traceback" not in errors
    node.destroy_node()


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
